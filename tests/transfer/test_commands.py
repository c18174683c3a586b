"""`cairn export` and `cairn import`, as a person runs them, between two servers."""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import zstandard

from api.cli.transfer import exporting
from infrastructure.keys.audit_key_file import make_key
from tests.support.api import Api, done
from tests.support.docs import ROOT
from tests.support.in_process import Run, said_by
from tests.support.server import running
from tests.support.transfers import same_but_for_positions


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return partial(said_by, capsys)


@pytest.fixture
def here(database_url: str) -> Iterator[str]:
    with running(database_url) as base:
        yield base


@pytest.fixture
def there(other_url: str) -> Iterator[str]:
    with running(other_url) as base:
        yield base


@pytest.fixture
def api(here: str) -> Iterator[Api]:
    api = Api(here)
    try:
        yield api
    finally:
        api.close()


def archived(path: Path) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())


def folder_as_archive(folder: Path) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as made:
        for path in sorted(folder.rglob("*.json*")):
            made.add(path, path.relative_to(folder).as_posix())
    return target.getvalue()


def without_accesses(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if not name.startswith("accesses/")}


def test_a_store_goes_from_one_server_to_another_as_an_archive(
    api: Api, here: str, there: str, run: Run, tmp_path: Path
) -> None:
    for number in range(3):
        api.create(title=f"number {number}").say()
    bundle = tmp_path / "all.tar.zst"
    status, out, _ = run("export", "-o", bundle, "--url", here)
    assert status == 0
    assert out == f"exported 4 logs, {out.split()[3]} events to {bundle}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["all.tar.zst"]
    status, out, _ = run("import", bundle, "--dry-run", "--json", "--url", there)
    assert (status, json.loads(out)["sessions"]) == (0, 3)
    status, out, _ = run("import", bundle, "--url", there)
    assert status == 0
    assert "imported: 3 logs" in out
    assert "left out, for it belongs to its store: accesses/" in out
    again = tmp_path / "again"
    run("export", "-o", again, "--url", there)
    assert without_accesses(same_but_for_positions(folder_as_archive(again))) == without_accesses(
        same_but_for_positions(archived(bundle))
    )
    status, out, _ = run("import", again, "--url", there)
    assert status == 0
    assert "imported: 0 logs, 0 events\nalready there: 3 logs" in out


def test_one_session_is_a_file_packed_or_not(
    api: Api, here: str, there: str, run: Run, tmp_path: Path
) -> None:
    session = api.create(title="mine")
    session.say()
    plain, packed = tmp_path / "one.jsonl", tmp_path / "one.jsonl.zst"
    assert run("export", session.id, "-o", plain, "--url", here)[0] == 0
    assert run("export", session.id, "-o", packed, "--url", here)[0] == 0
    assert archived(packed) == plain.read_bytes()
    short = tmp_path / "short.jsonl"
    assert run("export", session.id[:30], "-o", short, "--url", here)[0] == 0
    assert short.read_bytes() == plain.read_bytes()
    first, *lines = plain.read_bytes().splitlines()
    events = api.get(f"/v1/sessions/{session.id}/events").content
    assert b",".join(lines) in events
    assert json.loads(first)["identity"]["title"] == "mine"
    assert run("import", packed, "--url", there)[0] == 0
    assert run("import", plain, "--url", there)[1].startswith("imported: 0 logs")


def test_a_list_is_exported_by_filters(api: Api, here: str, run: Run, tmp_path: Path) -> None:
    for app in ("shop", "shop", "desk"):
        api.create(app=app)
    status, out, _ = run("export", "--app", "shop", "-o", tmp_path / "shop", "--url", here)
    assert (status, out.split()[:3]) == (0, ["exported", "2", "logs,"])


def test_an_export_that_was_ended_half_way_goes_on(
    api: Api, here: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        api.create()
    monkeypatch.setattr(exporting, "_PART", 2)
    real, left = exporting._Folder._part, [2]

    def part(folder: Any, after: str | None) -> dict[str, Any]:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device", "somewhere")
        return real(folder, after)

    monkeypatch.setattr(exporting._Folder, "_part", part)
    status, _, err = run("export", "-o", tmp_path / "out", "--url", here)
    assert status == 1
    assert "somewhere cannot be written: No space left on device" in err
    assert not (tmp_path / "out" / "manifest.json").exists()
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.jsonl")}
    assert len(first) == 4
    status, _, err = run("export", "--app", "x", "-o", tmp_path / "out", "--url", here)
    assert (status, "unfinished export of something else" in err) == (2, True)
    left[0] = 99
    assert run("export", "-o", tmp_path / "out", "--url", here)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in first} == first
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert len(manifest["files"]) == 6
    status, _, err = run("export", "-o", tmp_path / "out", "--url", here)
    assert (status, "is there already" in err) == (2, True)


def test_what_cannot_be_imported_is_said_by_name(
    api: Api, here: str, run: Run, tmp_path: Path
) -> None:
    session = api.create()
    session.say()
    path = tmp_path / "one.jsonl"
    run("export", session.id, "-o", path, "--url", here)
    content = path.read_bytes().replace(b'"app":"', b'"app":"x')
    path.write_bytes(content)
    status, out, err = run("import", path, "--url", here)
    assert (status, out) == (1, "")
    assert "nothing was imported" in err
    assert "digest_mismatch" in err
    status, out, _ = run("import", path, "--json", "--url", here)
    assert (status, json.loads(out)["code"]) == (1, "import_refused")
    status, out, _ = run("import", path, "--dry-run", "--quarantine", "--url", here)
    assert status == 1
    assert "another_chain" in out
    status, _, err = run("import", tmp_path / "none", "--url", here)
    assert (status, "cannot be read" in err) == (2, True)


def test_a_session_in_quarantine_is_marked_wherever_sessions_are_shown(
    api: Api, here: str, there: str, run: Run, tmp_path: Path
) -> None:
    session = api.create()
    session.say()
    path = tmp_path / "one.jsonl"
    run("export", session.id, "-o", path, "--url", here)
    path.write_bytes(path.read_bytes().replace(b'"role":"user"', b'"role":"tool"'))
    status, out, _ = run("import", path, "--quarantine", "--url", there)
    assert (status, f"in quarantine: {session.id}" in out) == (0, True)
    _, out, _ = run("sessions", "--url", there)
    assert out.splitlines()[1].split()[1] == "quarantine"
    _, out, _ = run("show", session.id, "--url", there)
    assert "held     quarantine" in out
    status, out, _ = run("verify", session.id, "--url", there)
    assert (status, "digest_mismatch" in out) == (1, True)


def test_folders_with_other_things_in_them_are_refused(here: str, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    (folder / "sessions").mkdir(parents=True)
    name = folder / "sessions" / f"{uuid4()}.jsonl"
    os.mkfifo(name)
    status, _, err = run("import", folder, "--url", here)
    assert (status, "no regular file" in err) == (2, True)
    name.unlink()
    name.symlink_to("/etc/passwd")
    status, _, err = run("import", folder, "--url", here)
    assert (status, "no regular file" in err) == (2, True)
    name.unlink()
    (folder / "notes.txt").write_text("x")
    status, _, err = run("import", folder, "--url", here)
    assert (status, "has no place in a bundle" in err) == (2, True)
    (folder / "notes.txt").unlink()
    for one in folder.rglob("*"):
        if one.is_file():
            one.unlink()
    status, _, err = run("import", folder, "--url", here)
    assert (status, "an empty folder; give what `cairn export` has made" in err) == (2, True)
    os.mkfifo(tmp_path / "pipe")
    status, _, err = run("import", tmp_path / "pipe", "--url", here)
    assert (status, "neither a file nor a folder" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense", "-o", "x"], "is no session id"),
        ([str(uuid4()), "--app", "a", "-o", "x"], "not both"),
        (["-o", "x.jsonl"], "name exactly one"),
        (["-o", "x.zip"], "a bundle is a folder"),
    ],
)
def test_what_makes_no_sense_is_said(
    arguments: list[str], words: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run("export", *arguments, "--url", "http://127.0.0.1:9")
    assert status == 2
    assert words in err


def test_a_bundle_is_checked_without_a_server(database_url: str, run: Run, tmp_path: Path) -> None:
    key = tmp_path / "audit.key"
    make_key(key, "cairn.example/store")
    packed, folder, one_of_them = tmp_path / "all.tar.zst", tmp_path / "all", tmp_path / "one"
    old = tmp_path / "old"

    def check(path: Path, *checkpoints: Path) -> tuple[int, str]:
        command = [sys.executable, ROOT / "docs" / "verify_bundle.py", path, *checkpoints]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    with running(database_url, audit_key_file=key) as base:
        api = Api(base)
        for _ in range(3):
            session = api.create()
            session.say()
        old.write_bytes(api.get("/v1/audit/checkpoint").content)
        blobs = f"/v1/apps/{session.app}/users/{session.user}/blobs"
        sent = done(api.request("POST", blobs, content=b"pixels"), 201)["blob"]
        part = {"type": "file", "blob": sent}
        done(session.post("/messages", {"role": "user", "parts": [part]}), 201)
        api.close()
        assert run("export", "-o", one_of_them, session.id, "--url", base)[0] == 0
        assert run("export", "-o", packed, "--url", base)[0] == 0
        assert run("export", "-o", folder, "--url", base)[0] == 0
    for path in (packed, folder):
        status, said = check(path)
        assert status == 0, said
        assert re.fullmatch(
            r"HOLDS: 4 logs, \d+ events, 1 blobs; these are the \d+ events that"
            r" cairn.example/store has signed\n",
            said,
        )
    signed = "these are the 6 events that cairn.example/store has signed\n"
    assert check(packed, old)[1].endswith(f" has signed; {signed}")
    assert "not a bundle of all that there was" in check(one_of_them, old)[1]
    _, size, root = old.read_text().splitlines()[:3]
    old.write_text(old.read_text().replace(f"{size}\n{root}", f"{int(size) + 1}\n{root}"))
    assert check(packed, old) == (1, "DOES NOT HOLD: these are not the events that were signed\n")
    (blob,) = folder.glob("blobs/*")
    blob.write_bytes(b"pixel5")
    assert check(folder) == (1, f"DOES NOT HOLD: blobs/{blob.name} is not what it was\n")
    blob.unlink()
    assert check(folder) == (1, "DOES NOT HOLD: the manifest names other files\n")
    blob.write_bytes(b"pixels")
    one = next(folder.glob("sessions/*.jsonl"))
    whole = one.read_bytes()
    manifest = (folder / "manifest.json").read_bytes()

    def lie(content: bytes) -> None:
        told = json.loads(manifest)
        for entry in told["files"]:
            if entry["name"].endswith(one.name):
                entry |= {"bytes": len(content), "sha256": sha256(content).hexdigest()}
        (folder / "manifest.json").write_text(json.dumps(told))
        one.write_bytes(content)

    one.write_bytes(whole.replace(b'"actor":"', b'"actor":"x'))
    assert "is not what was exported" in check(folder)[1]
    lie(whole.replace(b'"actor":"', b'"actor":"x'))
    assert "does not cover what is there" in check(folder)[1]
    lie(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert check(folder) == (1, "DOES NOT HOLD: it does not end where its first line says\n")
    lie(re.sub(rb'"head":(\d+)', rb'"head":1\1', whole, count=1))
    assert check(folder)[1].endswith(f"{one.name} is longer or shorter than it says\n")
    one.unlink()
    assert "names other files" in check(folder)[1]
    told = json.loads(manifest)
    told["files"] = [entry for entry in told["files"] if not entry["name"].endswith(one.name)]
    (folder / "manifest.json").write_text(json.dumps(told))
    assert "were signed" in check(folder)[1]
    no_bundle = tmp_path / "none.tar.zst"
    for content in (None, b"", packed.read_bytes()[:-9], packed.read_bytes()[4:]):
        if content is not None:
            no_bundle.write_bytes(content)
        status, said = check(no_bundle)
        assert (status, said.startswith("CANNOT BE CHECKED: "), said.count("\n")) == (1, True, 1)
