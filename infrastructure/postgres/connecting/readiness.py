"""Readiness as the connections, the writers and the jobs see it."""

from collections.abc import Sequence

from application.ports.readiness import Trouble
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.log import PostgresEventLog

_SILENT = Trouble("database_silent", "The database does not answer.")


class PostgresReadiness:
    """Readiness; see `application.ports.readiness.Readiness`.

    Args:
        database: For reads.
        log: Whose writers know whether writes are taken.
    """

    def __init__(self, database: Database, log: PostgresEventLog) -> None:
        self._database = database
        self._log = log

    async def database_answers(self) -> bool:
        """Return whether the database answers now, within a second."""
        return await self._database.answers()

    async def troubles(self) -> Sequence[Trouble]:
        """Return what keeps requests from being served now."""
        found: list[Trouble] = []
        if not await self._database.answers():
            found.append(_SILENT)
        refused = self._log.trouble
        if refused is not None:
            found.append(Trouble(refused.reason, refused.sentence))
        return found
