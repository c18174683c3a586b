"""Whoever was told that nothing is stored finds nothing stored, whenever that was.

A caller may be answered while its batch waits: for a connection, or for what the database says of
a conflict. The batch goes on without it.
"""

import asyncio
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from application.errors import StoreUnavailable, VersionConflict
from application.ports.log.append import Append
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.writing import batch_writer
from infrastructure.postgres.writing.batch_writer import BatchWriter
from infrastructure.postgres.writing.commit_judge import PendingAppend, refuse
from infrastructure.postgres.writing.write_health import WriteHealth
from tests.support.appends import Chain


def pending(append: Append) -> PendingAppend:
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    logs = [one.session_id.int for one in append.streams]
    return PendingAppend(append.streams, done, monotonic(), 100, len(append.events), logs, [])


def stored(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from events").fetchone()
    return row[0] if row else 0


async def test_one_that_was_refused_while_a_connection_was_opened(database_url: str) -> None:
    database, opening, may_open = Database(database_url), asyncio.Event(), asyncio.Event()

    async def connect() -> AsyncConnection:
        opening.set()
        await may_open.wait()
        return await database.connect("cairn writer")

    writer = BatchWriter(connect, lambda _: None, WriteHealth(), 20.0)
    refused, other = pending(Chain().next()), pending(Chain().next())
    settling = asyncio.create_task(writer.settle([refused, other]))
    await opening.wait()
    refuse([refused], StoreUnavailable())
    may_open.set()
    await settling
    await writer.close()

    assert other.done.result() == 1
    assert stored(database_url) == 1
    assert isinstance(refused.done.exception(), StoreUnavailable)


async def test_one_that_was_refused_while_a_conflict_was_judged(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, chain = Database(database_url), Chain()

    async def connect() -> AsyncConnection:
        return await database.connect("cairn writer")

    writer = BatchWriter(connect, lambda _: None, WriteHealth(), 20.0)
    stale = chain.fork()
    await writer.settle([pending(chain.next())])
    late, refused, other = (pending(one.next()) for one in (stale, Chain(), Chain()))
    judge = batch_writer.judge

    async def slow(*given: Any) -> Any:
        verdict = await judge(*given)
        refuse([refused], StoreUnavailable())
        return verdict

    monkeypatch.setattr(batch_writer, "judge", slow)
    await writer.settle([late, refused, other])
    await writer.close()

    assert isinstance(late.done.exception(), VersionConflict)
    assert isinstance(refused.done.exception(), StoreUnavailable)
    assert other.done.result() == 2
    assert stored(database_url) == 2
