"""Policies as files: what is old is archived, the archive verified, and then it is erased."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from api.cli import main
from api.cli.erasing import retention
from tests.erasure.conftest import Eraser
from tests.support.api import SessionApi, done, refused

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(eraser: Eraser, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(file: Path, *arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["retention", str(file), *map(str, arguments), "--url", eraser.url])
        said = capsys.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0, said.out, said.err

    # Everything is old enough at once.
    younger = retention.read_policies

    def aged(path: Path) -> list[retention.Policy]:
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
    fork = done(one.post("/fork", {}), 201)["session"]["id"]
    file = policy(tmp_path, app, status="stopped")
    status, said, _ = run(file, "--dry-run", "--json")
    told = json.loads(said)
    assert (status, sorted(told["sessions"])) == (1, sorted([one.id, two.id]))
    assert (told["logs"], told["held"], told["archive"]) == (3, [held.id], None)
    assert done(one.get())["session"]["status"] == "stopped"
    status, said, _ = run(file, "--json")
    archive = Path(json.loads(said)["archive"])
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
        ('[[policy]]\nname = "a"\napp = "x"\nolder_than = "0d"', "needs older_than"),
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
