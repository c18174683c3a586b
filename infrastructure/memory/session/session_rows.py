"""The list rows of sessions in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from application.ports.clock import Clock
from application.ports.session.listing import After, ListedSession, SessionFilter, SessionOrder
from application.ports.session.session_row import SessionRow
from infrastructure.memory.tables import Tables, is_wanted


class MemorySessionRows:
    """The list rows; see `application.ports.session.session_rows.SessionRows`.

    Args:
        tables: What it shares with the log.
        clock: Tells which leases are in force.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def session(self, session_id: UUID) -> ListedSession | None:
        """Return a session's row."""
        return self._show(session_id) if session_id in self._tables.listed else None

    async def called(self, external_id: str, limit: int) -> Sequence[ListedSession]:
        """Return the sessions that have an external id, in whatever app."""
        found = [
            (listed.row.app, session_id)
            for session_id, listed in self._tables.listed.items()
            if listed.row.external_id == external_id
        ]
        return [self._show(session_id) for _, session_id in sorted(found)[:limit]]

    async def apps(self, limit: int) -> Sequence[str]:
        """Return the apps that have sessions."""
        live = {one.row.app for one in self._tables.listed.values() if one.is_live}
        return sorted(live)[:limit]

    async def sessions(
        self, where: SessionFilter, order: SessionOrder, after: After | None, limit: int
    ) -> Sequence[ListedSession]:
        """Return a page of rows."""
        wanted = [
            self._show(session_id)
            for session_id, listed in self._tables.listed.items()
            if listed.is_live
            and is_wanted(listed, where)
            and (where.first_id is None or session_id >= where.first_id)
            and (where.last_id is None or session_id <= where.last_id)
        ]

        def place(session: ListedSession) -> tuple[datetime | str, UUID]:
            return getattr(session, order.by) or "", session.session_id

        wanted.sort(key=place, reverse=order.descending)
        if after is not None:
            last = (after.value, after.session_id)
            wanted = [
                session
                for session in wanted
                if (place(session) < last if order.descending else place(session) > last)
            ]
        return wanted[:limit]

    async def rows_older_than(self, version: int, limit: int) -> Sequence[tuple[UUID, int]]:
        """Return sessions whose row an older projection made."""
        older = [
            (session_id, len(self._tables.logs[session_id]))
            for session_id, listed in self._tables.listed.items()
            if listed.row.projected_with < version
        ]
        return older[:limit]

    async def replace_row(self, session_id: UUID, sequence: int, row: SessionRow) -> None:
        """Put another row in the place of one that an older projection made."""
        listed = self._tables.listed[session_id]
        moved_on = len(self._tables.logs[session_id]) != sequence
        if not moved_on and listed.row.projected_with < row.projected_with:
            self._tables.listed[session_id] = replace(listed, row=row)

    async def living_children(self, parent_id: UUID) -> Sequence[UUID]:
        """Return the children of a session that have not ended."""
        return [
            session_id
            for session_id, listed in self._tables.listed.items()
            if listed.row.parent_id == parent_id
            and listed.is_live
            and listed.row.status != "stopped"
        ]

    def _show(self, session_id: UUID) -> ListedSession:
        listed, newest = self._tables.listed[session_id], self._tables.logs[session_id][-1]
        row, lease = listed.row, self._tables.leases.get(session_id)
        return ListedSession(
            session_id=session_id,
            sequence=newest.sequence,
            position=newest.position,
            digest=newest.digest,
            created_at=row.created_at,
            updated_at=listed.updated_at,
            status=row.status,
            app=row.app,
            user=row.user,
            doc=row.doc,
            title=row.title,
            activity=row.activity,
            external_id=row.external_id,
            agent=row.agent,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost=row.cost,
            turn_id=row.turn_id,
            failure_kind=row.failure_kind,
            failure_summary=row.failure_summary,
            stalled=row.stalled,
            unhealthy=row.unhealthy,
            projected_with=row.projected_with,
            held=listed.held,
            lease=lease if lease is not None and lease.expires_at > self._clock.now() else None,
        )
