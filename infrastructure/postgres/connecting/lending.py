"""Connections of a pool that are lent for one question: each answer is waited for in bounds.

Who asks, waits for as long as they have. A connection is left when it has been silent for too long,
which may be earlier, and then the same is asked on another one; or later: slow is not silent.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from math import inf
from time import monotonic
from typing import Any, TypeVar, cast

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from application.tasks import take_error
from infrastructure.postgres.connecting.outcomes import outcome_of
from infrastructure.postgres.connecting.sockets import shut_down

_ENDS_WITHIN = 1.0

_T = TypeVar("_T")


class Lending:
    """Lends connections, and knows to whom.

    Args:
        pool: Whose.
    """

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._asking: set[asyncio.Task[Any]] = set()
        self._lent: dict[asyncio.Task[Any], tuple[AsyncConnection, float]] = {}
        """To whom, and since when."""
        self._given_up: set[asyncio.Task[Any]] = set()
        """Those who need not be lent one any more."""

    async def close(self) -> None:
        """End what is still asked, and the pool."""
        left = tuple(self._asking)
        for task in left:
            self._give_up(task, None)
            if task in self._lent:
                task.cancel()
        await self._pool.close()
        if left:
            await asyncio.wait(left, timeout=_ENDS_WITHIN)
        # What a server does not even end when it is asked to would hold its connection for good.
        held = [task for task in left if task in self._lent]
        for task in held:
            shut_down(self._lent[task][0])
        if held:
            await asyncio.wait(held, timeout=_ENDS_WITHIN)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection of the pool to what `within` does, and to nobody else.

        The pool loses a connection when whoever takes it or gives it back is cancelled meanwhile.
        Here nobody is.

        Raises:
            TimeoutError: Nobody waits for this any more.
        """
        connection = await self._pool.getconn()
        try:
            async with self._noted(connection):
                yield connection
        finally:
            # Each statement is a transaction of its own: there is nothing to commit before.
            await self._pool.putconn(connection)

    @asynccontextmanager
    async def connection_of_caller(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection to somebody who may be cancelled at any time."""
        taking = asyncio.create_task(self._pool.getconn())
        try:
            connection = await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._keep(asyncio.create_task(self._give_back(taking)))
            raise
        try:
            async with connection, self._noted(connection):
                yield connection
        finally:
            giving = asyncio.create_task(self._give_back(taking))
            self._keep(giving)
            await asyncio.shield(giving)

    @asynccontextmanager
    async def _noted(self, connection: AsyncConnection) -> AsyncGenerator[None]:
        """Know to whom a connection is lent, and close it if another may do better."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        if task in self._given_up:
            raise TimeoutError
        self._lent[task] = connection, monotonic()
        try:
            yield
        except psycopg.Error as error:
            outcome = outcome_of(error)
            if outcome is not None and outcome.reaction in ("leave", "reconnect"):
                await connection.close()
            raise
        finally:
            del self._lent[task]

    async def _give_back(self, taking: asyncio.Task[AsyncConnection]) -> None:
        with suppress(psycopg.Error):
            await self._pool.putconn(await taking)

    async def within(
        self,
        asking: Coroutine[Any, Any, _T],
        seconds: float,
        silent_after: float | None = None,
    ) -> _T:
        """Return the answer if it comes in time.

        Args:
            asking: Uses a connection that is lent here.
            seconds: How long whoever asks waits.
            silent_after: Seconds without an answer after which a connection is left, whether
                anybody still waits or not; None leaves none.

        Raises:
            TimeoutError: There was no answer, or the connection was left.
        """
        if seconds <= 0:
            asking.close()
            raise TimeoutError
        deadline = monotonic() + seconds
        task = asyncio.create_task(asking)
        self._keep(task)
        try:
            while not task.done():
                now = monotonic()
                until = min(deadline, self._silent_at(task, silent_after))
                if until <= now:
                    break
                await asyncio.wait((task,), timeout=until - now)
        except asyncio.CancelledError:
            self._give_up(task, silent_after)
            raise
        if task.done():
            return task.result()
        if self._silent_at(task, silent_after) <= monotonic():
            await self._leave(task)
        else:
            self._give_up(task, silent_after)
        raise TimeoutError

    def _silent_at(self, task: asyncio.Task[Any], silent_after: float | None) -> float:
        """Return when a connection is left; one that is not lent yet was not silent so far."""
        if silent_after is None:
            return inf
        _, since = self._lent.get(task, (None, monotonic()))
        return since + silent_after

    def _give_up(self, task: asyncio.Task[Any], silent_after: float | None) -> None:
        """Wait no longer: for a connection, or for an answer that may still come."""
        if task.done():
            return
        if task not in self._lent:
            self._given_up.add(task)
        elif silent_after is not None:
            # On a database that is slow a new connection would be no faster than this one.
            self._keep(asyncio.create_task(self._leave_if_silent(task, silent_after)))

    async def _leave_if_silent(self, task: asyncio.Task[Any], silent_after: float) -> None:
        left = self._silent_at(task, silent_after) - monotonic()
        await asyncio.wait((task,), timeout=max(left, 0))
        if not task.done():
            await self._leave(task)

    async def _leave(self, task: asyncio.Task[Any]) -> None:
        """Shut the socket down, and close the connections that nobody uses.

        A database that stands still does not even answer the request to cancel a query, for which
        psycopg would wait. The other connections may be as silent, and new ones may not.
        """
        if task in self._lent:
            connection, _ = self._lent[task]
            shut_down(connection)
            await self._pool.drain()

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._asking.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._asking.discard(task)
        self._given_up.discard(task)
        take_error(task)
