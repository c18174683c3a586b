"""Connections of the pool that are of no use any more are left, and new ones opened."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import psycopg
import pytest
from psycopg import AsyncConnection

from application.errors import StoreUnavailable
from infrastructure.postgres.connecting.database import Database
from tests.support.proxy import Proxy
from tests.support.sse import eventually

READERS = 3
PATIENCE = 1.0
WITHIN = 20.0


@asynccontextmanager
async def opened(url: str, readers: int = READERS) -> AsyncIterator[Database]:
    database = Database(url, readers=readers, patience=PATIENCE)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def until_done(ask: Callable[[], Awaitable[object]]) -> None:
    """Ask until the database is available."""
    deadline = monotonic() + WITHIN
    while True:
        try:
            await ask()
        except StoreUnavailable:
            assert monotonic() < deadline, "it does not come back"
        else:
            return


async def test_readers_leave_connections_that_have_gone_silent(database_url: str) -> None:
    """They stay silent for ever, as after a failover, while new ones are as good as ever."""
    with tempfile.TemporaryDirectory() as directory:
        proxy = Proxy(database_url, Path(directory), b"cairn")
        async with proxy.serve(), opened(proxy.url) as database:
            slow = [database.fetch("select pg_sleep(0.2)", {}) for _ in range(READERS)]
            await asyncio.gather(*slow)
            proxy.freeze()
            asked = [database.fetch("select 1", {}) for _ in range(READERS)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert any(isinstance(answer, StoreUnavailable) for answer in answers)

            await until_done(lambda: database.fetch("select 1", {}))

            together = [database.fetch("select 1", {}) for _ in range(READERS)]
            assert await asyncio.gather(*together) == [[(1,)]] * READERS
            assert await database.state() == "open"
            proxy.thaw()


async def test_reads_that_belong_together_leave_a_connection_that_has_gone_silent(
    database_url: str,
) -> None:
    """In the middle of them, and where they end: nothing waits for longer than one read may."""
    with tempfile.TemporaryDirectory() as directory:
        proxy = Proxy(database_url, Path(directory), b"cairn")
        async with proxy.serve(), opened(proxy.url) as database:
            for frozen_at in ("read", "end"):

                async def freezes(at: str = frozen_at) -> None:
                    async with database.reading() as reading:
                        assert await reading.rows("select 1", {}) == [(1,)]
                        proxy.freeze()
                        if at == "read":
                            await reading.rows("select 2", {})

                async def reads() -> None:
                    async with database.reading() as reading:
                        assert await reading.named_rows("select 3 as three", {}) == [{"three": 3}]

                with pytest.raises(StoreUnavailable):
                    await asyncio.wait_for(freezes(), WITHIN)
                await until_done(reads)
            proxy.thaw()


async def test_reads_that_belong_together_see_one_moment(database_url: str) -> None:
    async with opened(database_url) as database, database.reading() as reading:
        before = await reading.rows("select count(*) from write_probe", {})
        await database.run("insert into write_probe (probe_id, filler) values (3, '')", {})
        assert await reading.rows("select count(*) from write_probe", {}) == before


async def test_statements_of_reads_that_belong_together_stay_prepared(database_url: str) -> None:
    """To plan them anew each time takes the database longer than most of these reads do."""
    async with opened(database_url, readers=1) as database:
        for _ in range(8):
            async with database.reading() as reading:
                await reading.rows("select %(number)s::int", {"number": 7})
        async with database.reading() as reading:
            names = await reading.rows("select statement from pg_prepared_statements", {})
    assert ("select $1::int",) in names


async def test_what_a_reader_no_longer_waits_for_is_ended_by_the_server(database_url: str) -> None:
    async with (
        opened(database_url) as database,
        await AsyncConnection.connect(database_url, autocommit=True) as owner,
    ):
        with pytest.raises(StoreUnavailable):
            await database.fetch("select pg_sleep(600)", {})
        running = (
            "select count(*) from pg_stat_activity where query = 'select pg_sleep(600)'"
            " and state = 'active' and datname = current_database()"
        )

        async def has_ended() -> bool:
            return await (await owner.execute(running)).fetchone() == (0,)

        # The server looks each second.
        await eventually(has_ended, "it is ended", WITHIN)


async def test_what_is_still_asked_of_a_silent_server_is_hung_up_on_at_the_end(
    database_url: str,
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        proxy = Proxy(database_url, Path(directory), b"cairn")
        async with proxy.serve(), opened(proxy.url) as database:
            await database.fetch("select 1", {})
            proxy.freeze()
            asked = asyncio.create_task(database.fetch("select pg_sleep(600)", {}))
            await eventually(lambda: bool(database._lending._lent), "it has a connection", WITHIN)
            # Whoever hangs up leaves the question behind.
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            await database.close()
            assert not database._lending._asking
            proxy.thaw()


async def test_a_connection_that_cannot_write_is_left(database_url: str) -> None:
    change = psycopg.sql.SQL("alter database {} {} default_transaction_read_only {}")
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        name = psycopg.sql.Identifier(owner.info.dbname)
        on = (psycopg.sql.SQL("set"), psycopg.sql.SQL("= on"))
        await owner.execute(change.format(name, *on))
        async with opened(database_url) as database:
            write = "insert into write_probe (probe_id, filler) values (2, '')"
            with pytest.raises(StoreUnavailable) as refusal:
                await database.run(write, {})
            assert refusal.value.facts["reason"] == "read_only"
            assert await database.state() == "read_only"
            # Whatever connections there are by now: all of them were opened meanwhile.
            await asyncio.gather(*(database.fetch("select 1", {}) for _ in range(READERS)))
            off = (psycopg.sql.SQL("reset"), psycopg.sql.SQL(""))
            await owner.execute(change.format(name, *off))

            async def is_open() -> bool:
                return await database.state() == "open"

            await eventually(is_open, "it is open again", WITHIN)
            await until_done(lambda: database.run(write, {}))

            assert await database.fetch("select probe_id from write_probe", {}) == [(2,)]
