"""The last run of the retention job, in memory and on Postgres: whoever asks finds the same."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from application.ports.session.retention import RetentionRuns
from infrastructure.clock import SystemClock
from infrastructure.memory.session.retention_runs import MemoryRetentionRuns
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.session.retention_runs import PostgresRetentionRuns


@pytest.fixture(params=["memory", "postgres"])
async def runs(request: pytest.FixtureRequest) -> AsyncIterator[RetentionRuns]:
    if request.param == "memory":
        yield MemoryRetentionRuns(SystemClock())
        return
    database = Database(request.getfixturevalue("database_url"), readers=1)
    await database.open()
    yield PostgresRetentionRuns(database)
    await database.close()


async def test_a_run_is_remembered_from_its_beginning_to_the_next(runs: RetentionRuns):
    assert await runs.last() is None
    for failure in (None, "the disk is full", None):
        await runs.begin()
        begun = await runs.last()
        assert begun is not None
        assert (begun.ended, begun.failure) == (False, None)
        await runs.end(failure)
        ended = await runs.last()
        assert ended is not None
        assert (ended.ended, ended.failure) == (True, failure)
        assert begun.ago <= ended.ago < timedelta(minutes=1)
