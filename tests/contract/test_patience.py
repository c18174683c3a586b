"""What a request waits for the database, all together, has an end; slow is not silent."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from psycopg import AsyncConnection

from application.errors import OutcomeUnknown, StoreUnavailable
from application.patience import SharedPatience, Waited
from infrastructure.postgres.connecting import database as module
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.log.event_log import PostgresEventLog
from infrastructure.postgres.writing.group_commit import CommitLimits
from tests.support.appends import Chain
from tests.support.proxy import Proxy
from tests.support.server import running


@asynccontextmanager
async def opened(url: str, patience: float = 60.0, readers: int = 1) -> AsyncGenerator[Database]:
    database = Database(url, readers=readers, patience=patience)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - connections have no event for it
            await asyncio.sleep(0.01)


async def count(database: Database) -> int:
    """Return how often the sequence was asked."""
    ((many,),) = await database.fetch("select last_value - (not is_called)::int from tries", {})
    return int(many)


@pytest.fixture
async def tries(database_url: str) -> None:
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("create sequence tries")


async def test_slow_reads_of_one_request_add_up(database_url: str) -> None:
    async with opened(database_url, patience=2.0) as database:
        for _ in range(4):
            await database.fetch("select pg_sleep(0.6)", {})

        async def together() -> None:
            for _ in range(4):
                await database.fetch("select pg_sleep(0.6)", {})

        with SharedPatience(Waited()), pytest.raises(StoreUnavailable):
            await together()


@pytest.mark.usefixtures("tries")
async def test_a_request_without_patience_asks_nothing(database_url: str) -> None:
    async with opened(database_url) as database:
        with SharedPatience(Waited(60.0)):
            with pytest.raises(StoreUnavailable):
                await database.fetch("select nextval('tries')", {})
            with pytest.raises(StoreUnavailable):
                await database.run("select nextval('tries')", {})

        assert await count(database) == 0


@pytest.mark.usefixtures("tries")
async def test_what_waits_for_a_connection_is_not_asked_when_nobody_waits_any_more(
    database_url: str,
) -> None:
    async with opened(database_url) as database:
        async with database._lending.connection():
            with SharedPatience(Waited(59.95)), pytest.raises(StoreUnavailable):
                await database.fetch("select nextval('tries')", {})

        assert await count(database) == 0


@pytest.mark.usefixtures("tries")
async def test_a_connection_that_is_slow_is_kept_when_nobody_waits_any_more(
    database_url: str,
) -> None:
    async with opened(database_url) as database:
        ((before,),) = await database.fetch("select pg_backend_pid()", {})

        with SharedPatience(Waited(59.9)), pytest.raises(StoreUnavailable):
            await database.fetch("select pg_sleep(0.5), nextval('tries')", {})

        assert await database.fetch("select pg_backend_pid()", {}) == [(before,)]
        assert await count(database) == 1


async def test_a_caller_that_leaves_does_not_keep_a_silent_connection(database_url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-proxy-") as directory:
        proxy = Proxy(database_url, Path(directory), b"cairn reader")
        async with proxy.serve(), opened(proxy.url, patience=0.5) as database:
            assert await database.fetch("select 1", {}) == [(1,)]
            proxy.freeze()
            asking = asyncio.create_task(database.fetch("select 1", {}))
            await until(lambda: bool(database._lending._lent))
            asking.cancel()
            # The one connection that there may be is given back.
            await until(lambda: not database._lending._lent)


async def test_callers_that_leave_at_any_moment_cost_the_pool_no_connection(
    database_url: str,
) -> None:
    """While one is waited for, taken, used or given back: the pool loses those of the cancelled."""
    moments = Random(7)
    async with opened(database_url, readers=2) as database:

        async def read() -> None:
            async with database.reading():
                await asyncio.sleep(0)

        async def leave_early(ask: Callable[[], Awaitable[object]]) -> None:
            asked = asyncio.ensure_future(ask())
            await asyncio.sleep(moments.random() * 0.004)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

        asks = [
            read,
            partial(database.fetch, "select 1", {}),
            partial(database.run, "select 1", {}),
        ]
        for _ in range(100):
            await asyncio.gather(*(leave_early(ask) for ask in asks * 4))

        pool, lending = database._lending._pool, database._lending

        def nothing_is_left() -> bool:
            told = pool.get_stats()
            all_are_back = told["pool_available"] == told["pool_size"] > 0
            # Who looks after a task that has ended hears of it a moment later.
            return all_are_back and not (lending._asking or lending._lent or lending._given_up)

        await until(nothing_is_left)


async def test_a_read_is_asked_again_in_time_on_another_connection_than_a_silent_one(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ATTEMPT", 0.01)
    with tempfile.TemporaryDirectory(prefix="cairn-proxy-") as directory:
        proxy = Proxy(database_url, Path(directory), b"cairn reader")
        async with proxy.serve(), opened(proxy.url, readers=3) as database:
            reads = [database.fetch("select pg_sleep(0.05)", {}) for _ in range(6)]
            assert len(await asyncio.gather(*reads)) == 6
            proxy.freeze()

            with SharedPatience(Waited()):
                reads = [database.fetch("select 1", {}) for _ in range(6)]
                assert await asyncio.gather(*reads) == [[(1,)]] * 6


async def test_what_nobody_waits_for_has_the_whole_patience_for_one_connection(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ATTEMPT", 0.0)
    async with opened(database_url) as database:
        ((before,),) = await database.fetch("select pg_backend_pid()", {})

        assert await database.fetch("select pg_backend_pid()", {}) == [(before,)]


async def test_what_a_request_has_waited_counts_for_its_append(database_url: str) -> None:
    async with (
        opened(database_url) as database,
        await AsyncConnection.connect(database_url) as blocker,
    ):
        log = PostgresEventLog(database, lambda _: None, limits=CommitLimits(patience=60.0))
        await log.start()
        try:
            await log.append(Chain().next())
            await blocker.execute("select head from log_head for update")
            # Far sooner than the database gives the statement up.
            async with asyncio.timeout(20):
                with (
                    SharedPatience(Waited(59.0)),
                    pytest.raises((OutcomeUnknown, StoreUnavailable)),
                ):
                    await log.append(Chain().next())
            await blocker.rollback()
        finally:
            await log.stop()


async def test_a_client_hears_before_all_slow_reads_of_its_request_are_done(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement takes a fifth of the patience; the diff of a fork asks for a dozen."""
    ask = Database._ask

    async def slowly(self: Database, *question: Any, **options: Any) -> Any:
        await asyncio.sleep(0.6)
        return await ask(self, *question, **options)

    with running(database_url, patience_seconds=3.0) as base:
        async with httpx.AsyncClient(base_url=base, timeout=60) as http:
            made = await http.post("/v1/sessions", json={"app": "a", "user": "u"})
            fork = await http.post(made.headers["location"] + "/fork", json={})
            where = fork.headers["location"]
            assert (await http.get(f"{where}/diff?to=1")).status_code == 200
            monkeypatch.setattr(Database, "_ask", slowly)

            refused = await http.get(f"{where}/diff?to=1")

            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            monkeypatch.undo()
            assert (await http.get(f"{where}/diff?to=1")).status_code == 200
