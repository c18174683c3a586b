"""What wakes other processes goes on after any error of the database."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest

from application.fan_out import FanOut
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.listener import Listener
from infrastructure.postgres.log.event_log import PostgresEventLog
from tests.support.tasks import no_task_left

REFUSED = psycopg.errors.ReadOnlySqlTransaction("cannot execute LISTEN during recovery")
"""What a replica answers; it is no `OperationalError`."""


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in a database
            await asyncio.sleep(0.01)


async def test_a_replica_that_becomes_the_primary_is_listened_to(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infrastructure.postgres.connecting.listener._LOOK_EVERY", 0.02)
    database = Database(database_url, readers=2)
    listener = Listener(database, FanOut())
    listens, says = listener._begin_to_listen, listener._say
    asked, listening, said = 0, asyncio.Event(), asyncio.Event()
    refusals = {"listen": 2, "say": 1}

    async def begin_to_listen(connection: psycopg.AsyncConnection) -> None:
        nonlocal asked
        asked += 1
        if asked <= refusals["listen"]:
            raise REFUSED
        await listens(connection)
        listening.set()

    async def say(connection: psycopg.AsyncConnection) -> None:
        if refusals["say"]:
            refusals["say"] -= 1
            raise REFUSED
        await says(connection)
        said.set()

    monkeypatch.setattr(listener, "_begin_to_listen", begin_to_listen)
    monkeypatch.setattr(listener, "_say", say)
    with no_task_left():
        await database.open()
        await listener.start(PostgresEventLog(database, lambda _: None))
        async with asyncio.timeout(60):
            await listening.wait()
        listener._others = True
        listener.announce(1)
        await until(lambda: not refusals["say"])
        listener._others = True
        listener.announce(2)
        async with asyncio.timeout(60):
            await said.wait()
        await listener.stop()
        await database.close()
