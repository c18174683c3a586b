"""What follows from the log, made anew beside what is read."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from application.ports.session.session_row import SessionRow
from domain.session.state import Session


class LoggedEvent(NamedTuple):
    """A row of the log.

    Args:
        log: Which log.
        sequence: In that log.
        position: Over all.
        type: The stored name.
        record: As it is stored.
        digest: As it is stored.
        erased: Its record was erased.
    """

    log: UUID
    sequence: int
    position: int
    type: str
    record: bytes
    digest: bytes
    erased: bool


class HistoryRow(NamedTuple):
    """One write to a key that sessions share, as its history has it; None was deleted."""

    scope_id: UUID
    key: str
    position: int
    value: bytes | None
    log: UUID
    sequence: int


class ListRow(NamedTuple):
    """The row of a session that its log comes to.

    Args:
        log: Of the session.
        sequence: Of its last event.
        position: Of that event.
        digest: Of that event.
        at: Of that event.
        row: What lists show.
        state: The folded state, where it is worth going on from it later.
    """

    log: UUID
    sequence: int
    position: int
    digest: bytes
    at: datetime
    row: SessionRow
    state: Session | None


@dataclass(slots=True)
class Made:
    """What some logs come to.

    Args:
        rows: Of sessions.
        history: Of keys that sessions share; also of logs that are not read to their end yet.
        states: Kept states that are not what the log comes to, as they should be.
        unfoldable: Logs of which something was erased or is damaged: what is there of them stays.
        events: How many were read.
    """

    rows: list[ListRow] = field(default_factory=list[ListRow])
    history: list[HistoryRow] = field(default_factory=list[HistoryRow])
    states: list[tuple[UUID, Session]] = field(default_factory=list[tuple[UUID, Session]])
    unfoldable: list[UUID] = field(default_factory=list[UUID])
    events: int = 0


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


class Shadow(Protocol):
    """The read models that are made anew; one process at a time has them."""

    async def progress(self) -> RebuildProgress | None:
        """Return how far an earlier rebuild has come that was not finished."""
        ...

    async def begin(self, program: str) -> RebuildProgress:
        """Forget what is there, and begin."""
        ...

    async def forget(self) -> None:
        """Forget what is there: it is finished."""
        ...

    async def logs(self, log: UUID, sequence: int, *, last: UUID) -> Sequence[LoggedEvent]:
        """Return the next events, one log after the other; none at the end.

        Args:
            log: After which log,
            sequence: and after which of its events.
            last: The last log.
        """
        ...

    async def changes(self, after: int) -> Sequence[LoggedEvent]:
        """Return the next events by position; none at the end."""
        ...

    async def head(self) -> int:
        """Return the newest position."""
        ...

    async def bases(self, logs: Sequence[UUID]) -> Mapping[UUID, tuple[int, Session | None]]:
        """Return of the logs that are in up to which sequence, and the folded state if kept."""
        ...

    async def is_whole(self, log: UUID, upto: int) -> bool:
        """Return whether a log can be folded up to an event, as far as that is known.

        Args:
            log: Which.
            upto: The event.
        """
        ...

    async def kept_states(self, logs: Sequence[UUID]) -> Mapping[UUID, Mapping[int, Session]]:
        """Return the kept states of sessions by their sequence."""
        ...

    async def put(self, made: Made, ended: Ended | None) -> None:
        """Put in what some logs come to, in one transaction, and compare their rows.

        Args:
            made: What they come to.
            ended: Which logs are in now; None when that has not changed.

        Raises:
            ErasedMeanwhile: What was put in so far is gone.
        """
        ...

    async def match_all(self) -> None:
        """Compare all rows with those of lists once more."""
        ...

    def moment(self, *, alone: bool) -> AbstractAsyncContextManager[None]:
        """Make all that is done meanwhile one transaction.

        Args:
            alone: Nobody appends meanwhile; else what is read is that of one moment.

        Raises:
            ErasedMeanwhile: What was put in so far is gone.
        """
        ...

    async def differences(self, limit: int) -> Sequence[Difference]:
        """Return what is not what the log says, at most so many of each read model."""
        ...

    async def switch(self) -> int:
        """Have what is read say what the log says, and return how many rows have changed."""
        ...


class Shadows(Protocol):
    """Gives the read models that are made anew to one process at a time."""

    def open(self) -> AbstractAsyncContextManager[Shadow]:
        """Give them.

        Raises:
            RebuildRuns: Another process has them.
            StoreUnavailable: The store cannot be reached.
        """
        ...
