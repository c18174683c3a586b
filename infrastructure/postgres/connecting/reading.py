"""Reads that belong together, on one connection: each of them has an end."""

from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import DictRow, TupleRow, dict_row

from application.errors import StoreUnavailable
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.sockets import within

_STATEMENTS = sql.load("connections")

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
        except BaseException:
            if not self._connection.closed:
                await self._within(self._connection.rollback())
            raise
        # A rollback would have the connection forget the statements that it has prepared.
        if not self._connection.closed:
            await self._within(self._connection.commit())

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
        try:
            return await within(self._connection, self._patience, asking)
        except TimeoutError as silent:
            raise StoreUnavailable from silent
