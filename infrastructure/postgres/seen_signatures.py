"""Signatures of requests on Postgres."""

from datetime import datetime
from uuid import UUID

from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("seen_signatures")


class PostgresSeenSignatures:
    """The signatures; see `application.ports.seen_signatures.SeenSignatures`.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first(self, hashed: bytes, request: UUID, until: datetime) -> bool:
        """Keep the signature of a request."""
        values = {"hashed": hashed, "request": request, "until": until}
        return bool(await self._database.fetch(_STATEMENTS["first"], values))

    async def sweep(self) -> None:
        """Forget those that are good no longer."""
        await self._database.run(_STATEMENTS["sweep"], {})
