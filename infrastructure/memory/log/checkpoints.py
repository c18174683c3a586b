"""Checkpoints in memory."""

import asyncio
from collections.abc import Awaitable, Callable

from infrastructure.memory.tables import Tables


class MemoryCheckpoints:
    """The checkpoints; see `application.ports.log.checkpoints.Checkpoints`.

    There is no rollback here: an effect that can fail does so before it writes.

    Args:
        tables: What effects write to.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._lock = asyncio.Lock()

    async def position(self, consumer: str) -> int:
        """Return the position that a consumer has reached."""
        return self._tables.checkpoints.get(consumer, 0)

    async def move(
        self,
        consumer: str,
        *,
        after: int,
        upto: int,
        effect: Callable[[Tables], Awaitable[None]],
    ) -> bool:
        """Move a checkpoint when its effect has been written."""
        async with self._lock:
            if self._tables.checkpoints.get(consumer, 0) != after:
                return False
            await effect(self._tables)
            self._tables.checkpoints[consumer] = upto
            return True
