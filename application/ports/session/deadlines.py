"""What is to happen to sessions by itself, and when."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class DueSession(NamedTuple):
    """A session that needs the clock; `now` is what the store's clock said when it was found."""

    session_id: UUID
    sequence: int
    due_at: datetime
    now: datetime


class Orphan(NamedTuple):
    """A session that has outlived its parent; `parent_status` is None when there is no such one."""

    session_id: UUID
    parent_id: UUID
    parent_status: str | None


class Deadlines(Protocol):
    """What is to happen to sessions by itself, by the one clock that all processes share."""

    async def now(self) -> datetime:
        """Return the time by that clock, UTC."""
        ...

    async def due(self, limit: int) -> Sequence[DueSession]:
        """Return sessions whose `due_at` has come, the earliest first."""
        ...

    async def reschedule(self, session_id: UUID, seen: datetime, until: datetime | None) -> None:
        """Have a session due at another time, unless it has changed meanwhile.

        It changes the row only and no event says so: the next row written with events overrules it.

        Args:
            session_id: Which.
            seen: Its `due_at` as it was found; with another one it is left alone.
            until: When then; None is never.
        """
        ...

    async def mark_due_now(self, within: float) -> None:
        """Have sessions due now in which a turn runs, and whose time is further off than it can be.

        Their rows were written while the timers were others.

        Args:
            within: Seconds after its newest event within which such a session is due.
        """
        ...

    async def next_due(self) -> float | None:
        """Return the seconds until a session is due, 0 when one is; None when none ever is."""
        ...

    async def orphans(self, limit: int) -> Sequence[Orphan]:
        """Return sessions that should have ended with their parent, or whose parent is missing."""
        ...
