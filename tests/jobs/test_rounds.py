"""What several rounds in one job ask for, and what a server without work asks of its database."""

import time
from contextlib import closing

import psycopg

from api.composition.jobs import in_turn
from tests.support.api import Api
from tests.support.server import running

SECONDS = 3.0
PATIENCE = 30.0
A_SECOND = 40
"""Transactions: five jobs, their heartbeats and the watch of the store take about 13."""


async def test_the_round_that_is_due_first_says_when_and_no_sweep_does() -> None:
    called: list[str] = []

    async def sweep() -> int:
        called.append("sweep")
        return 0

    async def soon() -> float:
        called.append("soon")
        return 7.0

    async def later() -> float:
        called.append("later")
        return 3600.0

    assert await in_turn(later, soon, sweeps=(sweep,))() == 7.0
    assert called == ["sweep", "later", "soon"]
    assert await in_turn(later, sweeps=(sweep,))() == 60.0


def test_a_server_without_work_leaves_its_database_alone(database_url: str) -> None:
    def committed(connection: psycopg.Connection) -> int:
        # What others have done is told within a second.
        found = connection.execute(
            "select xact_commit from pg_stat_database where datname = current_database()"
        ).fetchone()
        assert found is not None
        return int(found[0])

    def a_second(connection: psycopg.Connection) -> float:
        before, since = committed(connection), time.monotonic()
        time.sleep(SECONDS)
        return (committed(connection) - before) / (time.monotonic() - since)

    with (
        running(database_url) as url,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        with closing(Api(url)) as api:
            api.create()
        # What it did when it started may be told as late as ten seconds after it.
        deadline = time.monotonic() + PATIENCE
        while (found := a_second(connection)) >= A_SECOND:
            assert time.monotonic() < deadline, found
