"""Recovery in several processes: clocks that differ, two at once, a database that goes away."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.recovery.conftest import SECONDS
from tests.recovery.test_recovery import let_run_out, planned, recovered
from tests.support.api import Api, SessionApi, done
from tests.support.processes import Cairn

Json = dict[str, Any]
OUR_WRITERS = "datname = current_database() and application_name like 'cairn%'"
WAITING = f"select from pg_stat_activity where {OUR_WRITERS} and wait_event_type = 'Lock'"
CLOSED = ["tool.returned", "turn.failed", "session.stopped"]


@pytest.fixture
def ahead(database_url: str, no_job: None, tmp_path: Path) -> Iterator[Api]:
    """A process whose clock is two days ahead of that of the database, and of all others."""
    server = Cairn(
        database_url,
        tmp_path / "ahead.log",
        factory="tests.support.wrong_clock:two_days_ahead",
        recovery_grace_seconds=SECONDS,
    )
    server.start()
    api = Api(f"http://127.0.0.1:{server.port}")
    try:
        yield api
    finally:
        api.close()
        server.stop()
    assert "ahead of that of the database" in server.said


def at_work(api: Api) -> SessionApi:
    session = api.create()
    done(session.post("/attach", {"holder": "cli:1", "ttl_seconds": 60}), 201)
    session.start("t1")
    session.record(("tool.called", {"tool_call_id": "c1", "name": "grep"}))
    return session


def test_processes_whose_clocks_differ_judge_alike(api: Api, ahead: Api, database_url: str) -> None:
    sessions = [at_work(one) for one in (api, ahead)]
    starting = [one.create(starting=True) for one in (api, ahead)]

    # To one of them every lease ran out two days ago, and nothing has happened for as long.
    for one in (api, ahead):
        assert planned(one) == []
        assert recovered(one) == []

    for session in sessions:
        let_run_out(database_url, session)
    assert planned(api) == planned(ahead)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(recovered, [ahead, api] * 3))

    assert {one["session_id"] for said in answers for one in said} == {s.id for s in sessions}
    for session in sessions:
        assert session.types()[-3:] == CLOSED
        assert session.types().count("session.stopped") == 1
        times = [datetime.fromisoformat(one["at"]) for one in session.events()]
        assert times == sorted(times)
        assert times[-1] - times[0] < timedelta(hours=1)
    for session in starting:
        assert session.document()["status"] == "starting"


def test_a_database_that_goes_away_in_the_middle_is_told_and_made_up_for(
    api: Api, database_url: str
) -> None:
    session = at_work(api)
    let_run_out(database_url, session)
    limit = sql.SQL("alter database {} connection limit {}")
    with (
        psycopg.connect(database_url) as holding,
        psycopg.connect(database_url, autocommit=True) as owner,
        ThreadPoolExecutor(1) as pool,
    ):
        name = sql.Identifier(holding.info.dbname)
        # Whoever appends takes this row first: the session is classified, and the append waits.
        holding.execute("select from log_head for update")
        asked = pool.submit(recovered, api)
        while owner.execute(WAITING).fetchone() is None:
            assert not asked.done()
        owner.execute(limit.format(name, sql.Literal(0)))
        owner.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {OUR_WRITERS}")
        (told,) = asked.result()
        owner.execute(limit.format(name, sql.Literal(-1)))

    assert (told["session_id"], told["persisted"]) == (session.id, False)
    assert told["stop_detail"].startswith("crashed_active (classification not persisted: ")
    assert session.types()[-1] == "tool.called"
    (again,) = recovered(api)
    assert again["persisted"]
    assert session.types()[-3:] == CLOSED
    assert recovered(api) == []
