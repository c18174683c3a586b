"""Checkpoints: they move together with what their consumer writes, or neither of them does."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg import AsyncConnection

from application.errors import StoreUnavailable
from application.ports.log.checkpoints import Checkpoints
from application.ports.store import Store
from infrastructure.memory.log.checkpoints import MemoryCheckpoints
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.log.checkpoints import PostgresCheckpoints


@pytest.fixture
async def checkpoints(
    request: pytest.FixtureRequest, store: Store
) -> AsyncIterator[Checkpoints[object]]:
    if isinstance(store, MemoryStore):
        yield MemoryCheckpoints(Tables())
        return
    async with _database(request.getfixturevalue("database_url")) as database:
        yield PostgresCheckpoints(database)


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    database = Database(url, readers=4)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def nothing(_: object) -> None:
    pass


async def test_a_checkpoint_moves_only_from_where_it_is_and_back_too(
    checkpoints: Checkpoints[object],
) -> None:
    ran: list[str] = []

    async def move(after: int, upto: int) -> bool:
        async def effect(_: object) -> None:
            ran.append(f"{after}-{upto}")

        return await checkpoints.move("reader", after=after, upto=upto, effect=effect)

    assert await checkpoints.position("reader") == 0
    assert not await move(3, 5)
    assert await move(0, 4)
    assert not await move(0, 4)
    assert not await move(3, 5)
    assert await move(4, 0)
    assert await checkpoints.position("reader") == 0
    assert ran == ["0-4", "4-0"]


async def test_consumers_do_not_know_of_each_other(checkpoints: Checkpoints[object]) -> None:
    assert await checkpoints.move("one", after=0, upto=4, effect=nothing)
    assert await checkpoints.move("other", after=0, upto=2, effect=nothing)
    assert [await checkpoints.position(name) for name in ("one", "other", "third")] == [4, 2, 0]


async def test_an_effect_that_fails_leaves_the_checkpoint_where_it_was(
    checkpoints: Checkpoints[object],
) -> None:
    async def fail(_: object) -> None:
        raise ValueError("no effect")

    with pytest.raises(ValueError, match="no effect"):
        await checkpoints.move("reader", after=0, upto=3, effect=fail)
    assert await checkpoints.position("reader") == 0


# ── several at once, and deaths ──────────────────────────────────────────────────────────────

_TABLE = "create table effects (position bigint not null, who text not null)"
_TOTALS = "select count(*), count(distinct position), min(position), max(position) from effects"


async def write(
    connection: AsyncConnection, who: str, after: int, upto: int, *, dies: bool = False
) -> None:
    """Write each position into a table, where nothing forbids it twice; and maybe die of it."""
    await connection.execute(
        "insert into effects select p, %s from generate_series(%s::int, %s::int) as p",
        (who, after + 1, upto),
    )
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)


async def catch_up(
    who: str, database: Database, head: int, batch: int, *, dies_in: int | None = None
) -> None:
    """Consume positions up to the head, a batch at a time, as one of several copies."""
    checkpoints, batches = PostgresCheckpoints(database), 0
    while (after := await checkpoints.position("writer")) < head:
        upto, batches = min(after + batch, head), batches + 1

        async def effect(
            connection: AsyncConnection, after: int = after, upto: int = upto, number: int = batches
        ) -> None:
            await write(connection, who, after, upto, dies=number == dies_in)

        await checkpoints.move("writer", after=after, upto=upto, effect=effect)


async def test_copies_at_once_write_each_position_once(database_url: str) -> None:
    async with _database(database_url) as one, _database(database_url) as other:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(_TABLE)
            await asyncio.gather(
                catch_up("one", one, 500, 7),
                catch_up("other", other, 500, 11),
                catch_up("third", other, 500, 3),
            )
            assert connection.execute(_TOTALS).fetchone() == (500, 500, 1, 500)


async def test_a_connection_that_is_lost_after_the_effect_has_written_nothing(
    database_url: str,
) -> None:
    async with _database(database_url) as database:
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(_TABLE)

            async def die(connection: AsyncConnection) -> None:
                await write(connection, "die", 0, 5)
                admin.execute(
                    "select pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,)
                )

            checkpoints = PostgresCheckpoints(database)
            with pytest.raises(StoreUnavailable):
                await checkpoints.move("writer", after=0, upto=5, effect=die)
            assert admin.execute(_TOTALS).fetchone() == (0, 0, None, None)
            assert await checkpoints.position("writer") == 0

            await catch_up("next", database, 5, 7)
            assert admin.execute(_TOTALS).fetchone() == (5, 5, 1, 5)


_KILLED = """
import asyncio, sys
from tests.contract.test_checkpoints import _database, catch_up

async def main():
    async with _database(sys.argv[1]) as database:
        await catch_up("killed", database, 60, 7, dies_in=int(sys.argv[2]))

asyncio.run(main())
"""


@pytest.mark.parametrize("batch", [1, 3, 8])
async def test_a_process_that_is_killed_between_effect_and_checkpoint_has_written_neither(
    database_url: str, batch: int
) -> None:
    async with _database(database_url) as database:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(_TABLE)
            killed = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", _KILLED, database_url, str(batch)],
                timeout=60,
                check=False,
            )
            assert killed.returncode == -9
            done = (batch - 1) * 7
            assert await PostgresCheckpoints(database).position("writer") == done
            assert connection.execute(_TOTALS).fetchone()[0] == done  # type: ignore[index]

            await catch_up("next", database, 60, 7)
            assert connection.execute(_TOTALS).fetchone() == (60, 60, 1, 60)
