"""Answers by idempotency key in memory."""

from datetime import timedelta
from uuid import UUID

from application.ports.clock import Clock
from application.ports.session.idempotency import StoredAnswer
from infrastructure.memory.tables import Tables


class MemoryIdempotencyKeys:
    """The answers; see `application.ports.session.idempotency.IdempotencyKeys`.

    Args:
        tables: What it shares with the log.
        clock: Tells how old an answer is.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def answer(self, scope: UUID, key: str) -> StoredAnswer | None:
        """Return what a request with this idempotency key was answered."""
        kept = self._tables.answers.get((scope, key))
        return None if kept is None else kept.answer

    async def forget_answers(self, older_than: timedelta, limit: int) -> int:
        """Forget the oldest answers."""
        answers, end = self._tables.answers, self._clock.now() - older_than
        old = sorted((kept.at, key) for key, kept in answers.items() if kept.at < end)[:limit]
        for _, key in old:
            del answers[key]
        return len(old)
