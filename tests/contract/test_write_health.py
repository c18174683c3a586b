"""Whether writes are taken is what the writers meet, not one connection of several."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

import psycopg
import pytest
from psycopg import AsyncConnection

from application.errors import StoreUnavailable
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.outcomes import LOST, TIMED_OUT
from infrastructure.postgres.writing import group_commit, write_health
from infrastructure.postgres.writing.group_commit import CommitLimits, GroupCommit
from infrastructure.postgres.writing.write_health import WriteHealth
from tests.support.appends import Chain
from tests.support.own_logs import own_records


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the writers have no event for it
            await asyncio.sleep(0.01)


def test_one_connection_of_several_that_is_lost_is_no_trouble() -> None:
    health = WriteHealth()
    began = monotonic()
    health.heard()
    health.failed(LOST, 0, since=began)
    assert health.trouble is None
    health.failed(LOST, 0, since=monotonic())
    assert health.trouble is LOST


def test_a_reason_is_said_once_for_each_trouble_and_once_in_ten_seconds(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(write_health, "monotonic", lambda: now)
    health = WriteHealth()
    with caplog.at_level(logging.WARNING, "cairn.store"):
        for outcome in (LOST, TIMED_OUT, LOST, TIMED_OUT):
            health.failed(outcome, 0)
        health.succeeded()
        for _ in range(50):
            health.failed(LOST, 0)
            assert health.trouble is LOST
            health.succeeded()
            assert health.trouble is None
        health.failed(LOST, 0)
        now += 10.0
        health.failed(LOST, 0)
        now += 10.0
        health.failed(LOST, 0)
        health.succeeded()
    assert [one.getMessage().split(":")[0] for one in own_records(caplog)] == [
        "writes are refused (connection_lost)",
        "writes are refused (timed_out)",
        "writes are taken again after 0.0 s",
        "writes are refused (connection_lost)",
        "writes are taken again after 20.0 s",
    ]


async def test_trouble_is_over_when_a_writer_can_write_not_when_the_probe_can(
    database_url: str,
) -> None:
    """As when the connections that were left have not ended: none of the writers may go on."""
    database, probes = Database(database_url), 0

    async def connect() -> AsyncConnection:
        nonlocal probes
        probes += 1
        return await database.connect("cairn writer")

    async def away() -> AsyncConnection:
        raise OSError

    commits = GroupCommit(connect, limits=CommitLimits(patience=1.0))
    for one in commits._writers:
        one._writer._connect = away
    await commits.start()
    try:
        with pytest.raises(StoreUnavailable):
            await commits.append(Chain().next())
        await until(lambda: probes > 2)
        with psycopg.connect(database_url) as connection:
            assert connection.execute("select count(*) from write_probe").fetchone() == (1,)
        assert commits.health.trouble is LOST

        for one in commits._writers:
            one._writer._connect = connect
        await until(lambda: commits.health.trouble is None)
        assert await commits.append(Chain().next()) == 1
    finally:
        await commits.stop()


def test_a_caller_who_has_waited_before_hears_within_the_patience_and_a_second() -> None:
    assert group_commit._LEAST_PATIENCE + group_commit._LOOKS_FOR_THE_LATE < 1.0
