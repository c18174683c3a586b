"""Connections to Postgres, and the one place where its errors become ours."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, Literal, LiteralString, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from application.errors import StoreUnavailable
from application.patience import is_waited_for, left_of, waiting
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.lending import Lending
from infrastructure.postgres.connecting.outcomes import (
    LOST,
    DatabaseOutcome,
    outcome_of,
    unavailable,
)
from infrastructure.postgres.connecting.reading import Reading

_STATEMENTS = sql.load("connections")

_PAUSE = 0.1
_AT_ONCE = 1.0
_GIVEN_UP_WITHIN = 1.0
_ATTEMPT = 0.6
"""The part of the patience after which a connection that has not answered a read is left when
somebody waits: the read is asked again on another one, in time."""
_CONNECT_WITHIN = 5

_CLOSED = DatabaseOutcome("refuse", "connection_lost", "This process is ending; ask again.")

_T = TypeVar("_T")

State = Literal["open", "read_only", "silent"]
"""What a database does: read and write, only read, or not answer."""


class Database:
    """A pool for reads, which are simply asked again when a connection is lost.

    Args:
        url: What psycopg connects to.
        readers: The most connections of the pool.
        patience: Seconds that the reads of a request wait, all together, for a database that is
            away; each has so many for itself where nobody waits.
        name: What the server shows its connections as.
        kept: How many connections are open from the start; the others when they are needed.
    """

    def __init__(
        self,
        url: str,
        *,
        readers: int = 8,
        patience: float = 5.0,
        name: str = "cairn reader",
        kept: int = 1,
    ) -> None:
        self._url = _with_keepalives(url, patience)
        self.patience = patience
        self._drained_at = -_AT_ONCE
        self._pool: AsyncConnectionPool = AsyncConnectionPool(
            self._url,
            min_size=kept,
            max_size=readers,
            open=False,
            timeout=patience,
            max_waiting=2000,
            reconnect_timeout=0,
            kwargs={
                "autocommit": True,
                "application_name": name,
                "connect_timeout": _CONNECT_WITHIN,
            },
            configure=_prepare,
        )
        self._lending = Lending(self._pool)

    async def open(self) -> None:
        """Open the pool; the database need not answer yet."""
        await self._pool.open()

    async def close(self) -> None:
        """Close the pool."""
        await self._lending.close()

    async def connect(self, name: str) -> AsyncConnection:
        """Open a connection of its own, in autocommit mode.

        Args:
            name: What the server shows it as.
        """
        connecting = asyncio.ensure_future(
            AsyncConnection.connect(
                self._url, autocommit=True, application_name=name, connect_timeout=_CONNECT_WITHIN
            )
        )
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # One that is given up half-way stays open on the server until it is collected.
            with suppress(psycopg.Error, OSError, TimeoutError):
                async with asyncio.timeout(_GIVEN_UP_WITHIN):
                    await (await connecting).close()
            raise

    async def fetch(
        self, query: LiteralString, values: Mapping[str, Any], *, planned_anew: bool = False
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a read.

        Args:
            query: The statement.
            values: Its parameters.
            planned_anew: Have it planned for these very values: for filters that may be null.

        Raises:
            StoreUnavailable: The database did not answer in time.
        """
        silent_after = self.patience * (_ATTEMPT if is_waited_for() else 1.0)
        deadline = monotonic() + left_of(self.patience)
        with waiting():
            while True:
                try:
                    return await self._lending.within(
                        self._ask(query, values, prepare=False if planned_anew else None),
                        deadline - monotonic(),
                        silent_after,
                    )
                except TimeoutError:
                    if monotonic() >= deadline:
                        raise StoreUnavailable from None
                except (psycopg.Error, PoolTimeout) as error:
                    outcome = _outcome_of(error)
                    if outcome is None:
                        raise
                    if outcome.reaction in ("refuse", "leave") or monotonic() > deadline:
                        raise unavailable(outcome) from error
                    await asyncio.sleep(_PAUSE)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Reading]:
        """Give reads that see the database at one moment; each has the patience of a read.

        Raises:
            StoreUnavailable: There is no connection, it was lost on the way, or has gone silent.
        """
        try:
            async with self._lending.connection_of_caller() as connection:
                reading = Reading(connection, self.patience)
                async with reading.at_one_moment():
                    yield reading
        except StoreUnavailable:
            # Those that nobody uses may be as silent, and new ones may not.
            await self._pool.drain()
            raise
        except (psycopg.Error, PoolTimeout) as error:
            outcome = _outcome_of(error)
            if outcome is None:
                raise
            raise unavailable(outcome) from error

    async def run(self, query: LiteralString, values: Mapping[str, Any]) -> None:
        """Run a statement that returns nothing, once."""
        await self._once(self._do(query, values), self.patience)

    async def transact(
        self, work: Callable[[AsyncConnection], Awaitable[_T]], *, patience: float
    ) -> _T:
        """Return what some work returns that is written in one transaction, once.

        Args:
            work: Writes through the connection that it is given.
            patience: Seconds that it may take.

        Raises:
            StoreUnavailable: The database was lost, or did not answer in time: it may or may not
                be written.
        """
        return await self._once(self._transact(work), patience)

    async def state(self) -> State:
        """Return whether the database answers now, within a second or two, and takes writes."""
        try:
            if await self._lending.within(self._takes_writes(), _AT_ONCE):
                return "open"
            if monotonic() - self._drained_at < _AT_ONCE:
                return "read_only"
            # A connection that was opened while it took none may say so for ever.
            self._drained_at = monotonic()
            await self._pool.drain()
            takes_writes = await self._lending.within(self._takes_writes(), _AT_ONCE)
        except (psycopg.Error, PoolTimeout, TimeoutError):
            return "silent"
        return "open" if takes_writes else "read_only"

    async def _takes_writes(self) -> bool:
        async with self._lending.connection() as connection:
            row = await (await connection.execute(_STATEMENTS["takes_writes"])).fetchone()
            return row is not None and bool(row[0])

    async def _ask(
        self, query: LiteralString, values: Mapping[str, Any], *, prepare: bool | None
    ) -> list[tuple[Any, ...]]:
        async with self._lending.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(query, values, prepare=prepare)
            return await cursor.fetchall()

    async def _do(self, query: LiteralString, values: Mapping[str, Any]) -> None:
        async with self._lending.connection() as connection:
            await connection.execute(query, values)

    async def _transact(self, work: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        async with self._lending.connection() as connection, connection.transaction():
            return await work(connection)

    async def _once(self, asking: Coroutine[Any, Any, _T], seconds: float) -> _T:
        seconds = left_of(seconds)
        try:
            with waiting():
                return await self._lending.within(asking, seconds, seconds)
        except TimeoutError:
            raise StoreUnavailable from None
        except (psycopg.Error, PoolTimeout) as error:
            outcome = _outcome_of(error)
            if outcome is None:
                raise
            raise unavailable(outcome) from error


async def _prepare(connection: AsyncConnection) -> None:
    """Have the server end what it does for a connection that was left."""
    await connection.execute(_STATEMENTS["watch_client"])


def _outcome_of(error: BaseException) -> DatabaseOutcome | None:
    if isinstance(error, PoolClosed):
        return _CLOSED
    return LOST if isinstance(error, PoolTimeout) else outcome_of(error)


def _with_keepalives(url: str, patience: float) -> str:
    """Have the operating system notice a peer that has gone silent, unless the URL says how.

    Args:
        url: Of the database.
        patience: Seconds after which what was sent must have been acknowledged.
    """
    given = conninfo_to_dict(url)
    wanted = {
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": int(patience * 1000),
    }
    return make_conninfo(url, **{name: given.get(name, value) for name, value in wanted.items()})
