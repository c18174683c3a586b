"""Policies as files: what is old is archived, the archive verified, and then it is erased."""

import json
import re
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

import api.composition.jobs
from api.cli import main
from api.cli.erasing import retention
from application.ports.session.retention import RetentionPolicy
from application.retention.keeping import PolicyRun
from application.retention.policies import read_policies
from infrastructure.transfer.archive_folder import verify_archive
from tests.erasure.conftest import Eraser
from tests.support.api import Api, SessionApi, done, refused
from tests.support.in_process import Run, said_by
from tests.support.server import running


@pytest.fixture
def run(eraser: Eraser, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(file: Path, *arguments: object) -> tuple[int, str, str]:
        return said_by(capsys, "retention", file, *arguments, "--url", eraser.url)

    # Everything is old enough at once.
    younger = read_policies

    def aged(path: Path) -> list[RetentionPolicy]:
        return [one._replace(older_than=-one.older_than) for one in younger(path)]

    monkeypatch.setattr(retention, "read_policies", aged)
    return call


def policy(folder: Path, app: str, action: str = "archive_and_erase", **more: str) -> Path:
    fields = {"name": "old", "app": app, "older_than": "1h", "action": action, **more}
    if action != "erase":
        fields = {"archive": "archive", **fields}
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
    path = folder / "retention.toml"
    path.write_text("\n".join(["[[policy]]", *lines]))
    return path


def three(eraser: Eraser) -> tuple[str, list[SessionApi]]:
    app = f"app-{uuid4().hex}"
    sessions = [eraser.api.create(app=app, user=user) for user in ("ada", "bob", "eve")]
    for session in sessions:
        session.say("hello")
        done(session.post("/stop", {}))
    return app, sessions


def test_what_is_old_is_archived_and_erased_but_for_what_is_held(
    eraser: Eraser, run: Run, tmp_path: Path
) -> None:
    app, (one, two, held) = three(eraser)
    running = eraser.api.create(app=app, user="kim")
    done(held.post("/legal-hold", {"reason": "case 4"}))
    # It is old itself, and goes with its origin.
    fork = done(one.post("/fork", {}), 201)["session"]["id"]
    done(eraser.api.post(f"/v1/sessions/{fork}/stop", {}))
    file = policy(tmp_path, app, status="stopped")
    status, said, _ = run(file, "--dry-run", "--json")
    told = json.loads(said)
    assert (status, sorted(told["sessions"])) == (1, sorted([one.id, two.id, fork]))
    assert (told["logs"], told["held"], told["archive"]) == (3, [held.id], None)
    assert done(one.get())["session"]["status"] == "stopped"
    status, said, _ = run(file, "--json")
    told = json.loads(said)
    assert (sorted(told["sessions"]), told["changed"]) == (sorted([one.id, two.id, fork]), [])
    archive = Path(told["archive"])
    names = sorted(path.name for path in (archive / "sessions").iterdir())
    assert names == sorted(f"{one}.jsonl" for one in (one.id, two.id, fork))
    assert b"hello" in (archive / "sessions" / f"{one.id}.jsonl").read_bytes()
    for gone in (one.id, two.id, fork):
        told = refused(eraser.api.get(f"/v1/sessions/{gone}"), 410, "erased")
        assert told["erased"]["reason"] == "retention policy old"
    for there in (held, running):
        assert done(there.get())["session"]["app"] == app
    # Run again, there is nothing left to do.
    assert json.loads(run(file, "--json")[1])["sessions"] == []


def test_nothing_is_erased_when_its_archive_is_not_whole(
    eraser: Eraser, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, sessions = three(eraser)
    whole = retention.export

    def damaged(ids: list[str], filters: dict[str, str], folder: Path, **how: object) -> None:
        whole(ids, filters, folder, **how)  # type: ignore[arg-type]
        path = folder / "sessions" / f"{ids[-1]}.jsonl"
        path.write_bytes(path.read_bytes().replace(b"hello", b"hullo"))

    monkeypatch.setattr(retention, "export", damaged)
    status, _, wrong = run(policy(tmp_path, app))
    assert (status, "is not whole, so nothing is erased" in wrong) == (2, True)
    for session in sessions:
        assert done(session.get())["session"]["status"] == "stopped"


def test_nothing_is_erased_when_the_archive_cannot_be_written(
    eraser: Eraser, run: Run, tmp_path: Path
) -> None:
    app, sessions = three(eraser)
    (tmp_path / "archive").write_text("a file, and no folder")
    status, _, wrong = run(policy(tmp_path, app))
    assert (status, "cannot be written" in wrong, "Traceback" in wrong) == (2, True, False)
    assert done(sessions[0].get())["session"]["status"] == "stopped"


def test_what_was_said_after_it_was_archived_is_not_erased(
    eraser: Eraser, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, sessions = three(eraser)
    fork = done(sessions[1].post("/fork", {}), 201)["session"]["id"]
    whole = retention.export

    def outpaced(*what: object, **how: object) -> None:
        whole(*what, **how)  # type: ignore[arg-type]
        for session_id in (sessions[0].id, fork):
            done(eraser.api.patch(f"/v1/sessions/{session_id}", {"title": "One thing more"}))

    monkeypatch.setattr(retention, "export", outpaced)
    told = json.loads(run(policy(tmp_path, app, status="stopped"), "--json")[1])
    assert told["sessions"] == [sessions[2].id]
    assert told["changed"] == [sessions[0].id, sessions[1].id]
    assert done(sessions[0].get())["session"]["status"] == "stopped"


def test_a_server_follows_its_policies_by_itself(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Everything is old enough at once, and a day passes in a second.
    younger = read_policies
    monkeypatch.setattr(
        api.composition.jobs,
        "read_policies",
        lambda path: [one._replace(older_than=-one.older_than) for one in younger(path)],
    )
    file = policy(tmp_path, "shop", status="stopped")
    with running(database_url, retention_policy=file, retention_hours=1 / 3600) as url:
        server = Api(url)
        held, gone = (server.create(app="shop", user=user) for user in ("eve", "ada"))
        done(held.post("/legal-hold", {"reason": "case 4"}))
        for session in (held, gone):
            session.say("hello")
            done(session.post("/stop", {}))
        counted = r'cairn_retention_sessions_total\{outcome="done",policy="old"\} [1-9]'
        deadline = time.monotonic() + 60
        while re.search(counted, metrics := server.get("/metrics").text) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        said = refused(gone.get(), 410, "erased")["erased"]
        assert (said["actor"], said["reason"]) == ("system", "retention policy old")
        assert done(held.get())["session"]["status"] == "stopped"
        done(server.get("/ready"))
        server.close()
    assert 'cairn_job_owned{job="retention"} 1.0' in metrics
    assert 'cairn_retention_last_run_timestamp_seconds{outcome="ok"}' in metrics
    (archive,) = (tmp_path / "archive" / "old").iterdir()
    names = [path.name for path in (archive / "sessions").iterdir()]
    assert names == [f"{gone.id}.jsonl"]
    assert b"hello" in (archive / "sessions" / names[0]).read_bytes()
    assert archive.stat().st_mode & 0o077 == 0
    assert verify_archive(archive, [UUID(gone.id)]) == {UUID(gone.id): said["sequence"] - 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "has no [[policy]] table"),
        ("x = 1", "may have [[policy]] tables only"),
        ("[[policy]", "is no TOML"),
        ('[[policy]]\nname = "a"\nuntil = "1d"', "a policy has no 'until'"),
        ('[[policy]]\nname = "A b"', "needs a name"),
        ('[[policy]]\nname = "a"', "names no app"),
        ('[[policy]]\nname = "a"\napp = 1', "app is a text"),
        ('[[policy]]\nname = "a"\napp = "x"\nolder_than = "soon"', "needs older_than"),
        ('[[policy]]\nname = "a"\napp = "x"\nolder_than = "0h"', "hours, at least 1"),
        ('[[policy]]\nname = "a"\napp = "x"\nolder_than = "1d"', "needs an action"),
        ('[[policy]]\nname = "a"\napp = "x"\nolder_than = "1d"\naction = "archive"', "archives"),
        ('[[policy]]\nname = "a"\napp = "x"\nstatus = "gone"', "status is one of"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_in_a_sentence(
    content: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "retention.toml"
    path.write_text(content)
    with pytest.raises(SystemExit) as ended:
        main(["retention", str(path), "--url", "http://127.0.0.1:9"])
    assert (ended.value.code, sentence in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize(
    ("sessions", "logs", "words"),
    [(0, 0, "0 sessions would be erased"), (1, 1, "1 session would be erased"),
     (1, 3, "1 session would be erased, 3 logs with their forks")],
)  # fmt: skip
def test_forks_are_told_of_where_there_are_some(sessions: int, logs: int, words: str) -> None:
    old = RetentionPolicy("old", {"app": "shop"}, timedelta(days=1), "erase", None)
    outcome = PolicyRun(old, dry_run=True, sessions=[uuid4()] * sessions, logs=logs)
    assert outcome.sentence() == f"old: {words}"
