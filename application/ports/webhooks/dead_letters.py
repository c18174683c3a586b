"""Batches that were given up, and what may be asked of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A batch that was given up: the wanted events after one position, up to another."""

    number: int
    generation: int
    after: int
    upto: int
    types: tuple[str, ...]
    events: int
    attempts: int
    reason: str
    queued: bool
    failed_at: datetime


class DeadLetters(Protocol):
    """What was given up, as whoever looks after a webhook sees it."""

    async def dead_letters(
        self, webhook_id: UUID, *, after: int, limit: int
    ) -> Sequence[DeadLetter]:
        """Return dead letters in the order of their numbers, `after` excluded."""
        ...

    async def dead_letter(self, webhook_id: UUID, number: int) -> DeadLetter | None:
        """Return a dead letter."""
        ...

    async def queue_dead_letter(self, webhook_id: UUID, number: int) -> bool:
        """Have a dead letter sent again; False when there is none."""
        ...

    async def delete_dead_letter(self, webhook_id: UUID, number: int) -> bool:
        """Take a dead letter away; False when there is none."""
        ...
