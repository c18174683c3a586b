"""Work that goes on beside requests, from the start of its owner to its end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

_PAUSE = 1.0

_logger = logging.getLogger("cairn.background")


class Background:
    """Runs a coroutine as a task, and starts it again when it has failed.

    Args:
        work: Makes the coroutine; it goes on until it is stopped.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a loop that runs."""
        self._task = asyncio.create_task(self._keep_at_it())

    async def stop(self) -> bool:
        """End it, and return whether it had begun."""
        if self._task is None:
            return False
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        return True

    async def _keep_at_it(self) -> None:
        while True:
            try:
                await self._work()
            except Exception:
                _logger.exception("work beside requests has failed; trying again")
                await asyncio.sleep(_PAUSE)
            else:
                return
