"""Turns of those who patch shared scopes in this process."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

from application.errors import Busy
from application.patience import left_of, waiting


class ScopeTurns:
    """Has one after the other write to a scope.

    Args:
        patience: Seconds that one may wait for those before it.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, scope_id: UUID) -> AsyncGenerator[None]:
        """Wait until nobody else of this process patches a scope, but not for ever.

        Args:
            scope_id: Which.

        Raises:
            Busy: Others took too long.
        """
        lock = self._locks.setdefault(scope_id, asyncio.Lock())
        try:
            seconds = left_of(self._patience) if lock.locked() else None
            with waiting():
                async with asyncio.timeout(seconds):
                    await lock.acquire()
        except TimeoutError:
            raise Busy("the scope was busy for too long and stored nothing; try again") from None
        try:
            yield
        finally:
            lock.release()

    @asynccontextmanager
    async def of_all(self, scope_ids: Collection[UUID]) -> AsyncGenerator[None]:
        """Wait until nobody else of this process patches any of some scopes.

        Args:
            scope_ids: Which.

        Raises:
            Busy: Others took too long.
        """
        async with AsyncExitStack() as stack:
            # In one order, so that no two wait for each other.
            for scope_id in sorted(scope_ids):
                await stack.enter_async_context(self.of(scope_id))
            yield
