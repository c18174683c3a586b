"""Which sessions there are, on Postgres."""

from collections.abc import Sequence
from uuid import UUID

from application.ports.log.census import Positions
from domain.access.events import ACCESS_LOG
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("census")
_OWN = {"accesses": ACCESS_LOG}


class PostgresCensus:
    """Counts what is there; see `application.ports.log.census.Census`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sessions(self, after: UUID, limit: int, *, changed_since: int) -> Sequence[UUID]:
        """Return ids that have events or a row, in order."""
        name = "changed_sessions" if changed_since else "sessions"
        values = {"after": after, "limit": limit, "since": changed_since} | _OWN
        return [row[0] for row in await self._database.fetch(_STATEMENTS[name], values)]

    async def count(self, changed_since: int) -> int:
        """Return about how many there are."""
        rows = await self._database.fetch(_STATEMENTS["count"], {"since": changed_since} | _OWN)
        return int(rows[0][0])

    async def positions(self) -> Positions:
        """Return which positions have events."""
        return Positions(*(await self._database.fetch(_STATEMENTS["positions"], {}))[0])
