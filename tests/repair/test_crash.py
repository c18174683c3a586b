"""A repair that is killed, or that others get in the way of: appended whole and once, or not."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.repair.damage import Damage
from tests.support import forking
from tests.support.api import Api, SessionApi, done
from tests.support.processes import ROOT, serving
from tests.support.server import running

Json = dict[str, Any]
REPAIRED = ["tool.returned", "turn.failed", "session.repaired"]
WAITING = """select from pg_stat_activity
where datname = current_database() and application_name = 'cairn writer'
  and wait_event_type = 'Lock'"""


def broken(api: Api, url: str, app: str) -> SessionApi:
    """Make a session that a crash has left with a turn and a call open."""
    session = api.create(app=app)
    session.start("t1")
    session.record(("tool.called", {"tool_call_id": "c1", "name": "grep"}))
    done(session.post("/stop", {"cause": "process_exited"}))
    damage = Damage(url, session)
    for sequence in (4, 5):
        damage.hole(sequence)
    assert session.types() == ["session.created", "turn.started", "tool.called", "session.stopped"]
    return session


def types(api: Api, session: SessionApi) -> list[str]:
    return [one["type"] for one in done(api.get(f"{session.path}/events"))["events"]]


def test_a_server_killed_between_plan_and_append_leaves_all_of_it_or_nothing(
    database_url: str, tmp_path: Path
) -> None:
    with (
        serving(database_url, tmp_path) as (server,),
        psycopg.connect(database_url) as holding,
        psycopg.connect(database_url, autocommit=True) as looking,
        ThreadPoolExecutor(1) as pool,
    ):
        api = Api(f"http://127.0.0.1:{server.port}")
        session = broken(api, database_url, "shop")
        # Whoever appends takes this row first: the plan is made, and the append waits.
        holding.execute("select from log_head for update")
        url = f"{api.base_url}{session.path}/repair"
        asked = pool.submit(httpx.post, url, timeout=60)
        while looking.execute(WAITING).fetchone() is None:
            assert not asked.done()
        server.kill()
        with pytest.raises(httpx.HTTPError):
            asked.result()
        api.close()
        holding.rollback()
        while looking.execute(WAITING).fetchone() is not None:
            pass

        server.start()
        api = Api(f"http://127.0.0.1:{server.port}")
        left = types(api, session)
        assert left[4:] in ([], REPAIRED)
        report = done(api.post(f"{session.path}/repair"))["repair"]
        assert report["persisted"] == (not left[4:])
        assert types(api, session)[4:] == REPAIRED
        assert (
            done(api.get(f"{session.path}/verify"))["findings"][0]["code"] == "event_sequence_gap"
        )
        api.close()


def test_the_command_killed_in_the_middle_of_all_completes_when_run_again(
    api: Api, database_url: str
) -> None:
    sessions = [broken(api, database_url, "shop") for _ in range(5)]
    whole = api.create(app="shop")
    command = forking.cairn("repair", "--all", "--app", "shop", "--json", "--url", api.base_url)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with forking.start(command, environment, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        first = json.loads(killed.stdout.readline())
        killed.kill()
    assert first["session_id"] in {one.id for one in (*sessions, whole)}

    again = forking.run(command, environment, timeout=60)
    assert again.returncode == 0
    reports = [json.loads(line) for line in again.stdout.splitlines()]
    assert {one["session_id"] for one in reports} == {one.id for one in (*sessions, whole)}
    for session in sessions:
        assert session.types()[4:] == REPAIRED
    assert whole.types() == ["session.created"]
    last = forking.run(command, environment, timeout=60)
    assert not any(json.loads(line)["actions"] for line in last.stdout.splitlines())


def test_repairs_in_two_processes_at_once_are_one(api: Api, database_url: str) -> None:
    session = broken(api, database_url, "shop")
    with running(database_url) as base:
        urls = [f"{one}{session.path}/repair" for one in (api.base_url, base)] * 6

        def mend(url: str) -> Json:
            report: Json = done(httpx.post(url, timeout=60))["repair"]
            return report

        with ThreadPoolExecutor(len(urls)) as pool:
            reports = list(pool.map(mend, urls))
    assert sum(report["persisted"] for report in reports) == 1
    assert session.types()[4:] == REPAIRED
