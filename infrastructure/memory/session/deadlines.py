"""When sessions need the clock, in memory and by a clock that tests can move."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from application.ports.clock import Clock
from application.ports.session.deadlines import DueSession, Orphan
from infrastructure.memory.tables import Tables


class MemoryDeadlines:
    """When sessions need the clock; see `application.ports.session.deadlines.Deadlines`.

    Args:
        tables: What it shares with the log.
        clock: The one clock.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def now(self) -> datetime:
        """Return the time by that clock."""
        return self._clock.now()

    async def due(self, limit: int) -> Sequence[DueSession]:
        """Return sessions whose time has come, the earliest first."""
        now, logs = self._clock.now(), self._tables.logs
        return [
            DueSession(session_id, len(logs[session_id]), due_at, now)
            for due_at, session_id in sorted(self._live())
            if due_at <= now
        ][:limit]

    async def reschedule(self, session_id: UUID, seen: datetime, until: datetime | None) -> None:
        """Have a session due at another time, unless it has changed meanwhile."""
        listed = self._tables.listed.get(session_id)
        if listed is not None and listed.row.due_at == seen:
            row = replace(listed.row, due_at=until)
            self._tables.listed[session_id] = replace(listed, row=row)

    async def mark_due_now(self, within: float) -> None:
        """Have sessions due now whose time is further off than it can be."""
        for session_id, listed in self._tables.listed.items():
            row = listed.row
            runs = (
                listed.is_live
                and not listed.held
                and row.status in ("running", "waiting", "stopping")
            )
            if runs and (
                row.due_at is None or (row.due_at - listed.updated_at).total_seconds() > within
            ):
                row = replace(row, due_at=self._clock.now())
                self._tables.listed[session_id] = replace(listed, row=row)

    async def next_due(self) -> float | None:
        """Return the seconds until a session is due."""
        earliest = min(self._live(), default=None)
        if earliest is None:
            return None
        return max((earliest[0] - self._clock.now()).total_seconds(), 0.0)

    async def orphans(self, limit: int) -> Sequence[Orphan]:
        """Return sessions that go on while their parent does not."""
        rows = {session_id: listed.row for session_id, listed in self._tables.listed.items()}
        found: list[Orphan] = []
        for session_id, listed in self._tables.listed.items():
            row, parent_id = listed.row, listed.row.parent_id
            if parent_id is None or not listed.is_live or listed.held or row.status == "stopped":
                continue
            parent = rows.get(parent_id)
            goes_along = parent is None or row.auto_stop
            if goes_along and (parent is None or parent.deleted or parent.status == "stopped"):
                status = None if parent is None else parent.status
                found.append(Orphan(session_id, parent_id, status))
        return found[:limit]

    def _live(self) -> Iterator[tuple[datetime, UUID]]:
        for session_id, listed in self._tables.listed.items():
            if listed.row.due_at is not None and listed.is_live:
                yield listed.row.due_at, session_id
