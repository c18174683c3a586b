"""Sessions that were left behind, over HTTP and by the command.

The tests hold the lock of the job, so that what they ask for is what happens. A lease is made to
run out in the database, by the clock of which it is judged.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from api.cli import app
from tests.recovery.conftest import SECONDS
from tests.support.api import Api, SessionApi, done
from tests.support.server import running

Json = dict[str, Any]


@pytest.fixture
def left_behind(api: Api, database_url: str) -> SessionApi:
    """One with an open call, whose lease will have run out an hour ago and more: not yet."""
    session = api.create()
    done(session.post("/attach", {"holder": "cli:1", "ttl_seconds": 60}), 201)
    session.start("t1")
    session.record(("tool.called", {"tool_call_id": "c1", "name": "grep"}))
    return session


def let_run_out(url: str, session: SessionApi, ago: int = SECONDS + 1) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "update leases set expires_at = clock_timestamp() - make_interval(secs => %s)"
            " where session_id = %s",
            [ago, session.id],
        )


def planned(api: Api) -> list[Json]:
    said = done(api.get("/v1/recovery"))["recovery"]
    assert said["dry_run"]
    sessions: list[Json] = said["sessions"]
    return sessions


def recovered(api: Api) -> list[Json]:
    sessions: list[Json] = done(api.post("/v1/recovery"))["recovery"]["sessions"]
    return sessions


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    api: Api, left_behind: SessionApi, database_url: str
) -> None:
    assert planned(api) == []
    let_run_out(database_url, left_behind, SECONDS - 60)
    assert planned(api) == []
    assert recovered(api) == []
    let_run_out(database_url, left_behind)

    with left_behind.nothing_recorded():
        (found,) = planned(api)
        left_behind.document()
        report = done(left_behind.post("/repair", params={"dry_run": "true"}))["repair"]

    assert (found["session_id"], found["state"], found["turn_id"]) == (
        left_behind.id,
        "active",
        "t1",
    )
    assert (found["stop_reason"], found["stop_detail"]) == ("agent_crashed", "crashed_active")
    assert not found["persisted"]
    assert report["planned_classification"] == found


def test_it_is_stopped_and_closed_in_one_append_and_can_be_resumed(
    api: Api, left_behind: SessionApi, database_url: str
) -> None:
    let_run_out(database_url, left_behind)
    before = left_behind.head

    (done_to,) = recovered(api)

    events = left_behind.events(since=before)
    assert [one["type"] for one in events] == ["tool.returned", "turn.failed", "session.stopped"]
    assert {one["origin"] for one in events} == {"recovery"}
    assert len({one["at"] for one in events}) == 1
    assert events[-1]["data"]["detail"] == "crashed_active"
    assert events[-1]["data"]["reason"] == "agent_crashed"
    assert events[1]["data"]["failure"]["kind"] == "process_exit"
    assert (done_to["persisted"], done_to["sequence"]) == (True, before + 3)
    assert recovered(api) == planned(api) == []
    done(left_behind.post("/resume"))
    left_behind.start("t2")


def test_a_session_that_never_came_up_is_stopped_with_an_error(api: Api, database_url: str) -> None:
    session = api.create(starting=True)
    assert planned(api) == []
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "update sessions set updated_at = now() - interval '1 hour' where session_id = %s",
            [session.id],
        )
    (one,) = recovered(api)
    assert (one["stop_reason"], one["stop_detail"]) == ("error", "start_incomplete")
    assert session.document()["status"] == "stopped"


def test_many_at_once_stop_it_once(api: Api, left_behind: SessionApi, database_url: str) -> None:
    let_run_out(database_url, left_behind)
    with running(database_url, recovery_grace_seconds=SECONDS) as base:
        other = Api(base)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(recovered, [api, other] * 4))
        other.close()
    assert left_behind.types().count("session.stopped") == 1
    assert sum(one["persisted"] and one["sequence"] > 0 for said in answers for one in said) >= 1


def test_the_job_stops_the_session_of_a_driver_that_was_killed(database_url: str) -> None:
    with running(database_url, recovery_grace_seconds=0) as base:
        api = Api(base)
        session = api.create()
        session.start("t1")
        # Afterwards: a lease that is over when the turn begins says nothing of it.
        done(session.post("/attach", {"holder": "cli:1", "ttl_seconds": 1}), 201)
        waited = session.get("/wait", params={"for": "stopped", "wait": "20s"})
        assert waited.status_code == 200, waited.text
        stop = session.events()[-1]
        assert (stop["type"], stop["origin"], stop["actor"]) == (
            "session.stopped",
            "recovery",
            "system",
        )
        api.close()


def test_a_session_that_cannot_be_read_keeps_no_other_waiting(
    api: Api, left_behind: SessionApi, database_url: str
) -> None:
    broken = api.create()
    done(broken.post("/attach", {"holder": "cli:2"}), 201)
    broken.start("t1")
    for session in (broken, left_behind):
        let_run_out(database_url, session)
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table events disable trigger user")
        connection.execute(
            "update events set state = 'no JSON' where originator_id = %s", [broken.id]
        )
        connection.execute("alter table events enable trigger user")
    with running(database_url, recovery_grace_seconds=SECONDS) as base:
        cold = Api(base)
        said = {one["session_id"]: one for one in recovered(cold)}
        cold.close()
    assert said[left_behind.id]["persisted"]
    assert not said[broken.id]["persisted"]
    assert "not persisted" in said[broken.id]["stop_detail"]


def test_the_command(api: Api, left_behind: SessionApi, database_url: str) -> None:
    url = str(api.base_url)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["recover", "--url", url, *arguments])
        return result.exit_code, result.stdout

    assert run("--dry-run") == (0, "no session was left behind\n")
    let_run_out(database_url, left_behind)
    assert run("--dry-run") == (1, f"{left_behind.id} would be stopped: crashed_active\n")
    status, said = run("--json")
    assert status == 0
    assert json.loads(said)["sessions"][0]["persisted"]
    assert run() == (0, "no session was left behind\n")
    assert CliRunner().invoke(app, ["recover", "--url", "http://127.0.0.1:1"]).exit_code == 2
