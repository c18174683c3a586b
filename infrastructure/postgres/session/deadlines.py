"""When sessions need the clock, on Postgres and by its clock."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from application.ports.session.deadlines import DueSession, Orphan
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("deadlines")


class PostgresDeadlines:
    """When sessions need the clock; see `application.ports.session.deadlines.Deadlines`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> datetime:
        """Return the time by the clock of the database."""
        rows = await self._database.fetch(_STATEMENTS["now"], {})
        return cast("datetime", rows[0][0]).astimezone(UTC)

    async def due(self, limit: int) -> Sequence[DueSession]:
        """Return sessions whose time has come, the earliest first."""
        rows = await self._database.fetch(_STATEMENTS["due"], {"limit": limit})
        return [
            DueSession(session_id, sequence, due_at.astimezone(UTC), now.astimezone(UTC))
            for session_id, sequence, due_at, now in rows
        ]

    async def reschedule(self, session_id: UUID, seen: datetime, until: datetime | None) -> None:
        """Have a session due at another time, unless it has changed meanwhile."""
        await self._database.run(
            _STATEMENTS["reschedule"], {"session": session_id, "seen": seen, "until": until}
        )

    async def mark_due_now(self, within: float) -> None:
        """Have sessions due now whose time is further off than it can be."""
        await self._database.run(_STATEMENTS["mark_due_now"], {"within": within})

    async def next_due(self) -> float | None:
        """Return the seconds until a session is due."""
        rows = await self._database.fetch(_STATEMENTS["next_due"], {})
        seconds = cast("float | None", rows[0][0])
        return None if seconds is None else max(seconds, 0.0)

    async def orphans(self, limit: int) -> Sequence[Orphan]:
        """Return sessions that go on while their parent does not."""
        rows = await self._database.fetch(_STATEMENTS["orphans"], {"limit": limit})
        return [Orphan(*row) for row in rows]
