"""Allowances on Postgres."""

from uuid import UUID

from application.ports.access.allowances import Granted, Kind
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("allowances")


class PostgresAllowances:
    """The allowances; see `application.ports.access.allowances.Allowances`.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(
        self,
        principal: str,
        kind: Kind,
        wanted: int,
        *,
        most: int,
        period: float,
        least: int = 1,
    ) -> Granted:
        """Give out as much as is left of what was wanted."""
        values = {
            "principal": principal,
            "kind": kind,
            "wanted": wanted,
            "most": most,
            "period": period,
            "least": least,
        }
        # Asked once more after a lost answer, less is left than could be.
        rows = await self._database.fetch(_STATEMENTS["take"], values)
        return Granted(*rows[0])

    async def open_stream(self, process: UUID, principal: str, most: int) -> bool:
        """Count one more open stream."""
        values = {"process": process, "principal": principal, "most": most}
        rows = await self._database.fetch(_STATEMENTS["open_stream"], values)
        return bool(rows[0][0])

    async def close_stream(self, process: UUID, principal: str) -> None:
        """Count one open stream less."""
        values = {"process": process, "principal": principal}
        await self._database.run(_STATEMENTS["close_stream"], values)

    async def keep_streams(self, process: UUID) -> None:
        """Say that a process is there."""
        await self._database.run(_STATEMENTS["keep_streams"], {"process": process})

    async def sweep(self) -> None:
        """Forget what was counted in periods that are long over."""
        await self._database.run(_STATEMENTS["sweep"], {})
