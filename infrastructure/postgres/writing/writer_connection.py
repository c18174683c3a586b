"""The connection of a writer: what runs on it ends in time, and nothing runs on after it is left.

A network that has gone silent delivers what was sent at any later moment. So a writer that leaves a
connection has the server end it, before it asks what was stored and before it sends anything again:
a batch that was reported as not stored is never stored afterwards.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import AsyncConnection

from application.tasks import take_error
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.sockets import shut_down
from infrastructure.postgres.writing.arrays import register_arrays

_STATEMENTS = sql.load("writer")

Connect = Callable[[], Awaitable[AsyncConnection]]

_T = TypeVar("_T")


class Backend(NamedTuple):
    """The server process behind a connection; the time keeps a reused process id apart."""

    pid: int
    started: str


class WriterConnection:
    """One connection at a time to the database that takes writes.

    Args:
        connect: Opens a connection in autocommit mode.
        seconds: How long one statement, or opening a connection, may take.
    """

    def __init__(self, connect: Connect, seconds: float) -> None:
        self._connect = connect
        self._seconds = seconds
        self._connection: AsyncConnection | None = None
        self._opening: AsyncConnection | None = None
        self._backend: Backend | None = None
        self._busy = False
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def open(self) -> AsyncConnection:
        """Return the connection; a new one first has the server end the one before it.

        Raises:
            psycopg.Error: The database cannot be reached, or refuses.
            OSError: So does the network.
            TimeoutError: It took too long.
        """
        if self._connection is not None and not self._connection.closed:
            return self._connection
        return await self.within(self._open())

    async def _open(self) -> AsyncConnection:
        connection = self._opening = await self._connect()
        try:
            connection.prepare_threshold = 0
            register_arrays(connection)
            milliseconds = str(int(self._seconds * 1000))
            await connection.execute(_STATEMENTS["limits"], {"milliseconds": milliseconds})
            await connection.execute(_STATEMENTS["plans"])
            left = self._backend
            if left is not None:
                ended = await connection.execute(
                    _STATEMENTS["end"],
                    {
                        "pid": left.pid,
                        "started": left.started,
                        "milliseconds": int(self._seconds * 1000),
                    },
                )
                if await ended.fetchone() == (False,):
                    raise TimeoutError("the connection that was left does not end")
            row = await (await connection.execute(_STATEMENTS["backend"])).fetchone()
        except BaseException:
            connection.pgconn.finish()
            raise
        finally:
            self._opening = None
        self._backend = Backend(*row) if row else None
        self._connection = connection
        return connection

    async def within(self, doing: Coroutine[Any, Any, _T]) -> _T:
        """Return what comes of something, or leave the connection when it takes too long.

        Args:
            doing: What uses the connection.

        Raises:
            TimeoutError: It took too long; whether it was done is not known.
        """
        task = asyncio.create_task(doing)
        self._busy = True
        try:
            # A database that stands still does not answer a request to cancel either, and psycopg
            # would wait for that answer: the socket is cut instead.
            await asyncio.wait((task,), timeout=self._seconds + 0.1)
        except asyncio.CancelledError:
            self._abandon(task)
            raise
        finally:
            self._busy = False
        if not task.done():
            self._abandon(task)
            raise TimeoutError
        return task.result()

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        """Let a statement that takes too long fail by itself, on a socket that is shut down."""
        connection = self._connection or self._opening
        self._connection = self._opening = None
        if connection is None:
            task.cancel()
        else:
            shut_down(connection)

        def forget(done: asyncio.Task[Any]) -> None:
            self._abandoned.discard(done)
            take_error(done)
            if connection is not None:
                connection.pgconn.finish()

        self._abandoned.add(task)
        task.add_done_callback(forget)

    def distrust(self) -> None:
        """Leave the connection unless something runs on it, which has its own time limit."""
        if not self._busy:
            self.leave()

    def leave(self) -> None:
        """Close the connection, on which nothing runs, without a word to the server."""
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None

    async def close(self) -> None:
        """Close the connection in order, and wait a moment for what was abandoned."""
        if self._connection is not None:
            with suppress(psycopg.Error, OSError):
                await self._connection.close()
            self._connection = None
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=1.0)
