"""The last run of the retention job, on Postgres; what it came to is counted for `/metrics`."""

from application.ports.session.retention import RetentionRun
from infrastructure.metrics import RETENTION_LAST_RUN, RETENTION_SESSIONS
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("retention_runs")


class PostgresRetentionRuns:
    """Remembers the last run; see `application.ports.session.retention.RetentionRuns`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last(self) -> RetentionRun | None:
        """Return the last run; None when there was none."""
        rows = await self._database.fetch(_STATEMENTS["last"], {})
        return RetentionRun(*rows[0]) if rows else None

    async def begin(self) -> None:
        """Note that a run begins."""
        await self._database.run(_STATEMENTS["begin"], {})

    def count(self, policy: str, outcome: str, sessions: int) -> None:
        """Have those who watch see what became of sessions."""
        RETENTION_SESSIONS.labels(policy, outcome).inc(sessions)

    async def end(self, failure: str | None) -> None:
        """Note that it has ended."""
        await self._database.run(_STATEMENTS["end"], {"failure": failure})
        RETENTION_LAST_RUN.labels("ok" if failure is None else "failed").set_to_current_time()
