"""How far a rebuild has come, what it has found, and what may stop it."""

from typing import NamedTuple
from uuid import UUID


class RebuildProgress(NamedTuple):
    """How far a rebuild has come.

    Args:
        program: What made it, so that another program begins anew.
        began: The position of the log when it began.
        after: All logs up to this id are in.
        events: How many those logs have.
    """

    program: str
    began: int
    after: UUID
    events: int


class Ended(NamedTuple):
    """Where a rebuild goes on if it is killed now.

    Args:
        after: All logs up to this id are in.
        events: How many events those have.
    """

    after: UUID
    events: int


class Difference(NamedTuple):
    """One thing that is not what the log says.

    Args:
        read_model: `sessions`, `shared_state_history`, `shared_state`, `shared_scopes` or
            `snapshots`.
        key: Of the row: ids, names of keys, positions.
        detail: One sentence.
    """

    read_model: str
    key: tuple[str, ...]
    detail: str


class ErasedMeanwhile(Exception):
    """Something was erased, and what was made anew with it: it is begun anew."""


class RebuildRuns(Exception):
    """Another process rebuilds the read models of this store."""
