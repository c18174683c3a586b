"""Checkpoints on Postgres: one row a consumer, moved in the transaction of the effect."""

from collections.abc import Awaitable, Callable

from psycopg import AsyncConnection

from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("checkpoints")


class PostgresCheckpoints:
    """The checkpoints; see `application.ports.log.checkpoints.Checkpoints`.

    Args:
        database: Where they are kept.
        patience: Seconds that a transaction may take before the store counts as lost.
    """

    def __init__(self, database: Database, *, patience: float = 30.0) -> None:
        self._database = database
        self._patience = patience

    async def position(self, consumer: str) -> int:
        """Return the position that a consumer has reached."""
        rows = await self._database.fetch(_STATEMENTS["position"], {"consumer": consumer})
        return int(rows[0][0]) if rows else 0

    async def move(
        self,
        consumer: str,
        *,
        after: int,
        upto: int,
        effect: Callable[[AsyncConnection], Awaitable[None]],
    ) -> bool:
        """Move a checkpoint and write an effect in one transaction."""

        async def write(connection: AsyncConnection) -> bool:
            values = {"consumer": consumer, "after": after, "upto": upto}
            if after == 0:
                await connection.execute(_STATEMENTS["begin"], values)
            moved = await connection.execute(_STATEMENTS["move"], values)
            if moved.rowcount == 0:
                return False
            await effect(connection)
            return True

        return await self._database.transact(write, patience=self._patience)
