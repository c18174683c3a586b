"""Killed at any point, what moves or erases sessions is completed by the next run, once."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg
import pytest

from application.transfer.foreign import Draft, ForeignSession, foreign_session_id
from domain.session.events import StatePatched
from infrastructure.records.codec import JsonCodec
from infrastructure.transfer.foreign_folder import write_foreign
from tests.support import forking
from tests.support.builders import NOON, added, created
from tests.support.docs import ROOT
from tests.support.in_process import status_of
from tests.support.processes import Cairn
from tests.support.server import running
from tests.support.transfers import same_but_for_positions

SESSIONS, EVENTS = 6, 1300
ALL = SESSIONS * (EVENTS + 2)


def session(number: int) -> ForeignSession:
    """Return a session that writes a shared key in its middle."""
    said = [Draft(event=added(f"m{n}"), at=NOON) for n in range(EVENTS)]
    said.insert(EVENTS // 2, Draft(event=StatePatched(set={"app:n": number}), at=NOON))
    return ForeignSession(
        source="test",
        source_id=str(number),
        session_id=foreign_session_id("test", str(number)),
        created=created(),
        created_at=NOON,
        drafts=said,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir()
    write_foreign(map(session, range(SESSIONS)), made, JsonCodec())
    return made


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Cairn]:
    server = Cairn(database_url, tmp_path / "server.log")
    try:
        yield server
    finally:
        server.kill()


def cairn(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return forking.run(forking.cairn(*map(str, arguments)), os.environ, timeout=120)


def begun(*arguments: str) -> forking.Process:
    quiet = subprocess.DEVNULL
    return forking.start(forking.cairn(*arguments), os.environ, stdout=quiet, stderr=quiet)


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def also_at(*points: int | str) -> list[Any]:
    """Points that only `make hunt` looks at."""
    return [pytest.param(point, marks=pytest.mark.hunt) for point in points]


@pytest.mark.parametrize("at", [2500, *also_at(1, 500, 1302, 1303, 4000, 6500, ALL - 1)])
def test_a_server_that_is_killed_in_an_import(
    at: int, server: Cairn, database_url: str, folder: Path
) -> None:
    server.start()
    url = f"http://127.0.0.1:{server.port}"
    importing = threading.Thread(target=cairn, args=("import", folder, "--url", url))
    importing.start()
    with psycopg.connect(database_url, autocommit=True) as connection:

        def head() -> int:
            row = connection.execute("select head from log_head").fetchone()
            assert row is not None
            return int(row[0])

        wait_for(lambda: head() >= at)
        server.kill()
        importing.join()
        server.start()
        url = f"http://127.0.0.1:{server.port}"
        done = cairn("import", folder, "--json", "--url", url)
        assert done.returncode == 0, done.stderr
        assert head() == ALL
    report = json.loads(done.stdout)
    assert report["already_there"] + report["sessions"] == SESSIONS
    lines = httpx.get(f"{url}/v1/audit/verify", timeout=60).text.splitlines()
    assert json.loads(lines[-1])["ok"] is True, lines[-1]
    bundle = httpx.post(
        f"{url}/v1/sessions/batch/export",
        json={"app": "console"},
        headers={"Accept": "application/x-tar"},
        timeout=60,
    ).content
    files = {f"sessions/{path.name}": path.read_bytes() for path in (folder / "sessions").iterdir()}
    found = same_but_for_positions(bundle)
    assert found.keys() == files.keys()
    state = httpx.get(f"{url}/v1/apps/console/state").json()
    assert state["state"]["app:n"] == SESSIONS - 1
    held = httpx.get(f"{url}/v1/sessions", params={"app": "console"}).json()["sessions"]
    assert all("held" not in one for one in held)


@pytest.mark.parametrize("name", ["out", *also_at("out.tar.zst")])
@pytest.mark.parametrize("files", [1, *also_at(0, SESSIONS)])
def test_an_export_that_is_killed(
    files: int, name: str, database_url: str, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "to" / name
    output.parent.mkdir()
    work = output if name == "out" else output.with_name(f"{name}.unfinished")
    with running(database_url) as url:
        assert cairn("import", folder, "--url", url).returncode == 0
        exporting = begun("export", "-o", str(output), "--url", url)

        def is_there() -> bool:
            there = work.exists() and len(list(work.glob("sessions/*.jsonl"))) >= files
            return there or exporting.poll() is not None

        wait_for(is_there)
        exporting.kill()
        exporting.wait()
        done = cairn("export", "-o", output, "--url", url)
    complete = done.returncode == 2 and "is there already" in done.stderr
    assert done.returncode == 0 or complete, done.stderr
    check = [sys.executable, str(ROOT / "docs" / "verify_bundle.py"), str(output)]
    checked = subprocess.run(check, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not [one for one in output.parent.rglob("*") if one.suffix in (".part", ".unfinished")]


@pytest.mark.parametrize("at", [1, *also_at(0, 1302, 3000, 5000, ALL)])
def test_a_rebuild_that_is_killed(at: int, database_url: str, folder: Path) -> None:
    with running(database_url) as url:
        assert status_of("import", folder, "--url", url) == 0
    with psycopg.connect(database_url, autocommit=True) as connection:

        def rows(statement: LiteralString) -> list[tuple[Any, ...]]:
            return connection.execute(statement).fetchall()

        everything: LiteralString = "select to_jsonb(s) - 'due_at' from sessions as s order by 1"
        right = rows(everything)
        connection.execute("update sessions set title = 'wrong'")
        wrong = rows(everything)
        again = ["rebuild", "--database-url", database_url]
        rebuilding = begun(*again)

        def has_come() -> bool:
            come = rows("select events from rebuild_progress")
            return bool(come and come[0][0] >= at) or rebuilding.poll() is not None

        wait_for(has_come)
        rebuilding.kill()
        rebuilding.wait()
        # All of it, or nothing.
        assert rows(everything) in (wrong, right)
        assert status_of(*again) == 0
        assert rows(everything) == right
    assert status_of(*again, "--verify") == 0


@pytest.mark.parametrize("at", [300, *also_at("said", 1, 250, 500, 750, 1000, 1250, EVENTS + 1)])
def test_a_server_that_is_killed_in_an_erasure(
    at: int | str, server: Cairn, database_url: str, tmp_path: Path
) -> None:
    one, folder = session(0), tmp_path / "one"
    folder.mkdir()
    write_foreign([one], folder, JsonCodec())
    server.start()
    url = f"http://127.0.0.1:{server.port}"
    assert status_of("import", folder, "--url", url) == 0
    erase = f"/v1/sessions/{one.session_id}/erase"

    def erased() -> object:
        with suppress(httpx.HTTPError):
            return httpx.post(url + erase, json={"reason": "request 17"}, timeout=60).status_code
        return None

    with psycopg.connect(database_url, autocommit=True) as connection:

        def count(statement: LiteralString) -> int:
            return int(connection.execute(statement).fetchall()[0][0])

        def has_come() -> bool:
            if at == "said":
                return count("select count(*) from erasures") == 1
            return count("select count(*) from events where erased_hash is not null") >= int(at)

        erasing = threading.Thread(target=erased)
        erasing.start()
        wait_for(has_come)
        server.kill()
        erasing.join()
        server.start()
        url = f"http://127.0.0.1:{server.port}"
        # By the job, whether anybody asks again or not.
        wait_for(lambda: count("select count(*) from erasures") == 0)
        assert erased() == 200
        left = connection.execute(
            "select topic from events where originator_id = %s and erased_hash is null",
            [one.session_id],
        ).fetchall()
        assert left == [("session.erased",)]
    lines = httpx.get(f"{url}/v1/audit/verify", timeout=60).text.splitlines()
    assert json.loads(lines[-1])["ok"] is True, lines[-1]
