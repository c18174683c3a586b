"""What requests with an idempotency key were answered."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request with an idempotency key was answered.

    `fingerprint` is the SHA-256 of that request; `answer` is JSON.
    """

    scope: UUID
    key: str
    fingerprint: bytes
    session_id: UUID
    sequence: int
    position: int
    answer: bytes


class IdempotencyKeys(Protocol):
    """Answers by idempotency key, kept in the transaction of the events they tell of."""

    async def answer(self, scope: UUID, key: str) -> StoredAnswer | None:
        """Return what a request with this idempotency key was answered."""
        ...

    async def forget_answers(self, older_than: timedelta, limit: int) -> int:
        """Forget what the oldest requests with an idempotency key were answered.

        Args:
            older_than: Only those kept for longer than this, by the clock of the store.
            limit: The most to forget at once.

        Returns:
            How many were forgotten; fewer than `limit` when none is left.
        """
        ...
