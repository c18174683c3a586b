"""Which sessions there are, by the log and by the rows: for whoever trusts neither."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID


class Positions(NamedTuple):
    """The positions of the log at one moment.

    Args:
        head: The last one that was given out.
        missing: How many of those up to it have no event.
        beyond: How many events have a later one.
    """

    head: int
    missing: int
    beyond: int


class Census(Protocol):
    """Counts what is there."""

    async def sessions(self, after: UUID, limit: int, *, changed_since: int) -> Sequence[UUID]:
        """Return ids that have events or a row, deleted ones too, in order.

        Args:
            after: The id after which to look.
            limit: The most.
            changed_since: Only those whose row names a later position; 0 are all.
        """
        ...

    async def count(self, changed_since: int) -> int:
        """Return about how many there are.

        Args:
            changed_since: As for `sessions`.
        """
        ...

    async def positions(self) -> Positions:
        """Return which positions of the log have events."""
        ...
