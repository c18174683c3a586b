"""The socket under a connection."""

import asyncio
import os
import socket
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

import psycopg
from psycopg import AsyncConnection

from application.tasks import take_error

_LET_GO_WITHIN = 1.0

_T = TypeVar("_T")


async def within(connection: AsyncConnection, seconds: float, asking: Awaitable[_T]) -> _T:
    """Return the answer if it comes in time; else the connection is of no use any more.

    Args:
        connection: On which is asked.
        seconds: How long that may take.
        asking: Uses the connection.

    Raises:
        TimeoutError: It took too long; whether it was done is not known.
    """
    task = asyncio.ensure_future(asking)
    # Whoever asked may go in the very moment in which it fails, too.
    task.add_done_callback(take_error)
    try:
        await asyncio.wait((task,), timeout=seconds)
        if task.done():
            return task.result()
    finally:
        if not task.done():
            shut_down(connection)
            await asyncio.wait((task,), timeout=_LET_GO_WITHIN)
    raise TimeoutError


def shut_down(connection: AsyncConnection) -> None:
    """Shut a socket down, so that whoever waits on it wakes up with an error.

    Args:
        connection: Whose server has gone silent; even a request to cancel would wait for it.
    """
    with (
        suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.pgconn.socket)) as twin,
    ):
        twin.shutdown(socket.SHUT_RDWR)
