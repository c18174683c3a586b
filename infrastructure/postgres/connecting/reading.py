"""Reads that belong together, on one connection: each of them has an end."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import DictRow, TupleRow, dict_row

from application.errors import StoreUnavailable
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.sockets import shut_down

_STATEMENTS = sql.load("connections")
_LET_GO_WITHIN = 1.0

_T = TypeVar("_T")


class Reading:
    """Reads of one moment.

    Args:
        connection: Lent by the pool, for as long as these reads last.
        patience: Seconds that each of them may take.
    """

    def __init__(self, connection: AsyncConnection, patience: float) -> None:
        self._connection = connection
        self._patience = patience

    @asynccontextmanager
    async def at_one_moment(self) -> AsyncGenerator[None]:
        """Have all reads see the database as it is now, and write nothing."""
        await self._within(self._connection.execute(_STATEMENTS["begin_to_read"]))
        try:
            yield
        finally:
            if not self._connection.closed:
                await self._within(self._connection.rollback())

    async def rows(self, query: LiteralString, values: Mapping[str, Any]) -> list[TupleRow]:
        """Return the rows of a read.

        Args:
            query: The statement.
            values: Its parameters.

        Raises:
            StoreUnavailable: The database did not answer in time.
        """
        cursor = self._connection.cursor(binary=True)

        async def ask() -> list[TupleRow]:
            await cursor.execute(query, values)
            return await cursor.fetchall()

        return await self._within(ask())

    async def named_rows(self, query: LiteralString, values: Mapping[str, Any]) -> list[DictRow]:
        """Return the rows of a read by the names of their columns; see `rows`."""
        cursor = self._connection.cursor(row_factory=dict_row)

        async def ask() -> list[DictRow]:
            await cursor.execute(query, values)
            return await cursor.fetchall()

        return await self._within(ask())

    async def _within(self, asking: Awaitable[_T]) -> _T:
        """Return the answer if it comes in time; else nothing is asked here any more.

        A database that stands still does not even answer the request to cancel, for which psycopg
        would wait: the socket is shut down under it.
        """
        task = asyncio.ensure_future(asking)
        try:
            await asyncio.wait((task,), timeout=self._patience)
            if task.done():
                return task.result()
        finally:
            if not task.done():
                shut_down(self._connection)
                await asyncio.wait((task,), timeout=_LET_GO_WITHIN)
                if task.done() and not task.cancelled():
                    task.exception()  # whoever asked hears that it took too long, or has gone
        raise StoreUnavailable
