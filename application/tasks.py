"""Tasks that end when whoever has begun them waits no more for what they return."""

import asyncio
from typing import Any


def take_error(task: asyncio.Future[Any]) -> None:
    """Take the error of a task that has ended, which asyncio reports when nobody has.

    Args:
        task: Whoever asked for it has another error, or has gone.
    """
    if not task.cancelled():
        task.exception()


async def ended(task: asyncio.Future[Any]) -> None:
    """Wait until a task has ended, in whatever way.

    Args:
        task: Its error is taken, also when this is cancelled before.
    """
    task.add_done_callback(take_error)
    await asyncio.wait((task,))
