"""Waiting for tasks to end, and long work that leaves others their turns."""

import asyncio
from typing import Any, TypeVar

from domain.log.piecewise import Piecewise

_T = TypeVar("_T")


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


async def in_pieces(work: Piecewise[_T]) -> _T:
    """Return what long work makes, and let others have their turn before each piece of it.

    Args:
        work: From its beginning on.
    """
    while True:
        await asyncio.sleep(0)
        try:
            next(work)
        except StopIteration as end:
            made: _T = end.value
            return made
