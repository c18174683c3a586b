"""Exports that the disk or the server ends: nothing half done, and the next run goes on."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from api.cli.transfer import exporting
from application.transfer import bundles
from application.transfer.exporting.log_files import LogFile
from tests.support.api import Api, refused
from tests.support.docs import ROOT
from tests.support.in_process import status_of
from tests.support.postgres import Server
from tests.support.processes import Cairn
from tests.support.server import running

SESSIONS = 5
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Spool:
    """A file on a disk that is full."""

    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, _: bytes) -> None:
        raise FULL


@pytest.fixture(scope="module")
def url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.database() as database, running(database) as url:
        filled(url)
        yield url


def filled(url: str) -> None:
    api = Api(url)
    for number in range(SESSIONS):
        api.create(title=f"number {number}").say()
    api.close()


def export(output: Path, url: str) -> int:
    return status_of("export", "-o", output, "--url", url)


def is_whole(bundle: Path) -> bool:
    check = [sys.executable, str(ROOT / "docs" / "verify_bundle.py"), str(bundle)]
    return subprocess.run(check, capture_output=True, check=False).returncode == 0


def at_file(number: int, happens: Callable[[], object]) -> Callable[..., tuple[int, str]]:
    """What writes files, and at one of them has something happen."""
    write, left = exporting._write, number

    def writing(path: Path, pieces: Iterator[bytes]) -> tuple[int, str]:
        nonlocal left
        left -= path.suffix == ".jsonl"
        if left == 0:
            left = -1
            happens()
        return write(path, pieces)

    return writing


def full() -> None:
    raise FULL


def test_a_server_without_room_says_so_and_begins_no_answer(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patched:
        # As logs are that do not fit into a page.
        patched.setattr(LogFile, "is_whole", False)
        patched.setattr(bundles, "SpooledTemporaryFile", Spool)
        answer = httpx.post(f"{url}/v1/sessions/batch/export", json={}, timeout=60)
        refused(answer, 503, "store_unavailable")
        assert "export it again" in answer.json()["detail"]
        assert export(tmp_path / "out", url) == 1
    assert export(tmp_path / "out", url) == 0
    assert is_whole(tmp_path / "out")


@pytest.mark.parametrize(("name", "at"), [("out", 4), ("out.tar.zst", 1)])
def test_a_full_disk_leaves_nothing_that_looks_whole(
    url: str,
    name: str,
    at: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(exporting, "_PART", 2)
    output = tmp_path / "to" / name
    output.parent.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(exporting, "_write", at_file(at, full))
        assert export(output, url) == 1
    assert "No space left" in capsys.readouterr().err
    assert not (output / "manifest.json").exists()
    assert not output.is_file()
    assert not list(output.parent.rglob("*.part"))

    assert export(output, url) == 0
    assert is_whole(output)


@pytest.mark.parametrize("at", [4, pytest.param(1, marks=pytest.mark.hunt)])
def test_a_server_that_is_killed_in_the_middle_costs_a_part(
    database_url: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Cairn(database_url, tmp_path / "server.log")
    try:
        server.start()
        filled(f"http://127.0.0.1:{server.port}")
        ends_in_the_middle(server, at, tmp_path / "out", monkeypatch)
    finally:
        server.kill()


def ends_in_the_middle(
    server: Cairn, at: int, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_PART", 2)
    with monkeypatch.context() as patched:
        patched.setattr(exporting, "_write", at_file(at, server.kill))
        # What was sent already may be a whole part: then the next one is not answered.
        assert export(output, f"http://127.0.0.1:{server.port}") == 1
    there = {path: path.stat().st_mtime_ns for path in output.rglob("*.jsonl")}
    assert len(there) >= (at - 1) // 2 * 2

    server.start()
    assert export(output, f"http://127.0.0.1:{server.port}") == 0
    assert is_whole(output)
    kept = [path for path, at in there.items() if path.stat().st_mtime_ns == at]
    # The parts that were whole are not asked for again.
    assert len(kept) >= (at - 1) // 2 * 2
