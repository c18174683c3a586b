"""Answers by idempotency key on Postgres."""

from datetime import timedelta
from uuid import UUID

from application.ports.session.idempotency import StoredAnswer
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("idempotency")


class PostgresIdempotencyKeys:
    """The answers; see `application.ports.session.idempotency.IdempotencyKeys`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def answer(self, scope: UUID, key: str) -> StoredAnswer | None:
        """Return what a request with this idempotency key was answered."""
        rows = await self._database.fetch(_STATEMENTS["answer"], {"scope": scope, "key": key})
        return StoredAnswer(*rows[0]) if rows else None

    async def forget_answers(self, older_than: timedelta, limit: int) -> int:
        """Forget the oldest answers."""
        rows = await self._database.fetch(
            _STATEMENTS["forget_answers"], {"older_than": older_than, "limit": limit}
        )
        return int(rows[0][0])
