"""The log as a rebuild reads it: every log from its beginning, and what has come since."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID


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


class LoggedEvents(Protocol):
    """Reads events for a rebuild."""

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

    async def is_whole(self, log: UUID, upto: int) -> bool:
        """Return whether a log can be folded up to an event, as far as that is known.

        Args:
            log: Which.
            upto: The event.
        """
        ...
