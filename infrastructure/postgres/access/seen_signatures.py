"""Signatures of requests on Postgres."""

from application.ports.access.seen_signatures import SignedRequest
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("seen_signatures")


class PostgresSeenSignatures:
    """The signatures; see `application.ports.access.seen_signatures.SeenSignatures`.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first(self, signed: SignedRequest) -> bool:
        """Keep the signature of a request."""
        values = {"hashed": signed.hashed, "request": signed.request, "until": signed.until}
        signed.is_kept = bool(await self._database.fetch(_STATEMENTS["first"], values))
        return signed.is_kept

    async def sweep(self) -> None:
        """Forget those that are good no longer."""
        await self._database.run(_STATEMENTS["sweep"], {})
