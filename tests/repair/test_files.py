"""`cairn repair --file`: logs of any origin and in any state, without a server or a database."""

import io
import json
import os
import re
import resource
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.repair.damage import Damage
from tests.support.api import Api, SessionApi
from tests.support.in_process import status_of
from tests.unit.repair.test_vectors import VECTORS, assert_report, each

Json = dict[str, Any]
AGH = Path(__file__).parents[1] / "vectors" / "agh"


def cairn(*arguments: str) -> int:
    return status_of("repair", *arguments)


def written(path: Path, *lines: Any) -> str:
    path.write_bytes(
        b"".join(
            (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
            for line in lines
        )
    )
    return str(path)


SESSION = {"session": {"id": "s", "state": "stopped", "stop_reason": "agent_crashed"}}
ASKED = {"id": "e1", "seq": 1, "turn_id": "t", "type": "user_message", "payload": {"text": "go"}}


class Looked:
    """Looks at a file through the command.

    Args:
        capsys: What it prints.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, path: str, form: str = "rows", *more: str) -> tuple[int, Json]:
        status = cairn("--file", path, "--format", form, "--json", *more)
        return status, json.loads(self._capsys.readouterr().out)


@pytest.fixture
def look(capsys: pytest.CaptureFixture[str]) -> Looked:
    return Looked(capsys)


class _Said:
    """A report as the command has printed it."""

    def __init__(self, said: Json) -> None:
        self._said = said

    def document(self) -> Json:
        return self._said


@pytest.mark.parametrize("vector", each("vectors"))
def test_the_vectors_through_this_door(vector: Json, look: Looked, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", {"session": vector["session"]}, *vector["events"])

    status, report = look(path, "rows", *(["--force"] if vector["opts"]["force"] else []))

    expected = (vector.get("recommended") or vector["expected"])["report"]
    expected = {**expected, "persisted": False}
    expected["actions"] = [
        {**{k: v for k, v in one.items() if k != "event_id"}, "persisted": False}
        for one in expected["actions"]
    ]
    assert_report(expected, _Said(report))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert status == (1 if report["actions"] or report["blocked"] else 0)


def test_the_vectors_are_all_here() -> None:
    assert len(VECTORS["vectors"]) == 57


def test_under_a_warning_nothing_is_called_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = {"id": "e4", "seq": 4, "turn_id": "t", "type": "done", "payload": {}}
    for last, verdict in ((ended, "nothing to append"), (ended | {"seq": 2}, "nothing wrong")):
        path = written(tmp_path / "rows.jsonl", SESSION, ASKED, last)

        assert cairn("--file", path, "--format", "rows") == 0
        assert verdict in capsys.readouterr().out.splitlines()


def test_a_database_of_another_system(look: Looked) -> None:
    status, report = look(str(AGH / "events.db"), "agh-db")

    assert [issue["code"] for issue in report["issues"]] == [
        "event_sequence_gap",
        "dangling_tool_call_missing_id",
    ]
    assert [(one["turn_id"], one["tool_call_id"]) for one in report["actions"]] == [
        ("t2", "k3"),
        ("t2", None),
    ]
    assert status == 1


def test_a_database_that_its_program_left_open_is_read_and_not_changed(
    look: Looked, tmp_path: Path
) -> None:
    path = tmp_path / "events.db"
    path.write_bytes((AGH / "events.db").read_bytes())
    with closing(sqlite3.connect(path)) as program:
        program.execute("pragma journal_mode = wal")
        program.execute("update events set content = cast(x'7bff' as text) where rowid = 1")
        program.commit()
        before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
        _, report = look(str(path), "agh-db")
        assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before

    assert report["issues"][0]["code"] == "invalid_event_json"


def test_a_ledger_of_another_system(look: Looked) -> None:
    status, report = look(str(AGH / "ledger.jsonl"), "agh-ledger")

    codes = [issue["code"] for issue in report["issues"]]
    assert {"event_sequence_duplicate", "invalid_event_json"} <= set(codes)
    assert (status, report["blocked"], report["session_id"]) == (1, True, "session-1")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"id": "e2", "seq": 2, "turn_id": "t", "ty', "invalid_event_json"),
        (b'{"id": "e2", "seq": 1' + b"0" * 400 + b"}", "invalid_event_json"),
        (b'{"id": "e2", "seq": 1e400}', "invalid_event_json"),
        (b'{"id": "e2", "seq": 1' + b"0" * 5000 + b"}", "invalid_event_json"),
        (b'{"id": "e2", "seq": "2"}', "invalid_event_json"),
        (b'{"id": "e2", "seq": NaN}', "invalid_event_json"),
        (b'{"id": "\xff\xfe", "seq": 2}', "invalid_event_json"),
        (b"[" * 100_000, "invalid_event_json"),
        (b'{"id": "e1", "seq": 1, "turn_id": "t", "type": "done"}', "event_sequence_duplicate"),
        (b'{"id": "e2", "seq": 0, "turn_id": "t", "type": "done"}', "event_sequence_regression"),
        (b'{"id": "e2", "seq": 2, "payload_raw": 5}', "invalid_event_json"),
        (b'{"id": {"a": 1}, "seq": 2, "turn_id": [], "type": 7}', None),
        (b'{"id": "\\ud800", "seq": 2, "turn_id": "\\udfff", "type": "x"}', None),
    ],
)
def test_a_line_that_is_damaged_is_named_and_the_rest_is_read(
    line: bytes, code: str | None, look: Looked, tmp_path: Path
) -> None:
    status, report = look(written(tmp_path / "rows.jsonl", SESSION, ASKED, line))

    assert [issue["code"] for issue in report["issues"]] == ([code] if code else [])
    assert report["blocked"] is (code is not None)
    assert status == 1


def test_two_events_of_one_id_are_two_events(look: Looked, tmp_path: Path) -> None:
    again = {**ASKED, "seq": 2, "type": "done"}
    status, report = look(written(tmp_path / "rows.jsonl", SESSION, ASKED, again))

    assert [issue["code"] for issue in report["issues"]] == ["terminal_event_already_exists"]
    assert status == 0


@pytest.mark.parametrize("form", ["cairn", "rows", "agh-ledger", "agh-db"])
def test_what_cannot_be_looked_at_is_told_in_a_sentence(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, folder, missing = tmp_path / "empty", tmp_path / "folder", tmp_path / "missing"
    garbage, no_table = tmp_path / "garbage", tmp_path / "other.db"
    empty.touch()
    folder.mkdir()
    garbage.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    sqlite3.connect(no_table).execute("create table other (id)")
    for path in (empty, folder, missing, garbage, no_table):
        assert cairn("--file", str(path), "--format", form) == 2, path
        said = capsys.readouterr()
        assert said.out == ""
        assert re.fullmatch(r"cairn: .+\.\n", said.err), said.err
        assert str(path) in said.err


def test_a_pipe_is_read_as_a_file_is(look: Looked) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\n".join(json.dumps(one).encode() for one in (SESSION, ASKED)))
    os.close(writing)
    status, report = look(f"/dev/fd/{reading}")
    os.close(reading)

    assert (status, len(report["actions"])) == (1, 1)


class Terminal(io.StringIO):
    """What is printed to it could be seen by a person."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("no_color", [None, "1"])
def test_severities_have_colours_on_a_terminal_alone(
    no_color: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "rows.jsonl", SESSION, ASKED, b"not JSON")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    assert cairn("--file", path, "--format", "rows") == 1
    said = terminal.getvalue()

    assert "invalid_event_json" in said
    assert ("\x1b[" in said) is (no_color is None)


def test_a_database_cannot_come_through_a_pipe() -> None:
    reading, writing = os.pipe()
    assert cairn("--file", f"/dev/fd/{reading}", "--format", "agh-db") == 2
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("form", "gigabytes"),
    [
        # Four times what it may take; to read all of two takes ten seconds.
        ("rows", 0.5),
        ("agh-db", 2),
        *(pytest.param(one, 2, marks=pytest.mark.hunt) for one in ("rows", "cairn", "agh-ledger")),
    ],
)
def test_a_file_of_gigabytes_takes_little_memory(
    form: str, gigabytes: float, tmp_path: Path
) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(int(gigabytes * 1024**3))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert cairn("--file", str(path), "--format", form) == 2

    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 128 * 1024, f"{grown} KiB"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--all", "--file", "x", "--format", "rows"],
        ["--file", "x"],
        ["--format", "rows"],
        ["--file", "x", "--format", "csv"],
        ["--file", "x", "--format", "rows", "--scope", "some"],
        ["--app", "a", "--file", "x", "--format", "rows"],
        ["no-id"],
        ["--url", "ftp://x", "01890a5d-ac96-774b-bcce-b302099a8057"],
        ["--url", "http://127.0.0.1:1", "01890a5d-ac96-774b-bcce-b302099a8057"],
    ],
)
def test_what_makes_no_sense_is_told(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cairn(*arguments) == 2
    assert re.fullmatch(r"cairn: .+\.\n", capsys.readouterr().err)


# ── our own export, and the live log ─────────────────────────────────────────────────────────


def exported(session: SessionApi, path: Path) -> list[bytes]:
    lines = [
        json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
        for event in session.events()
    ]
    last = session.events()[-1]
    header = {
        "cairn_export": 1, "session_id": session.id, "events": len(lines),
        "head": last["sequence"], "digest": last["digest"],
    }  # fmt: skip
    written(path, header, *lines)
    return lines


def test_a_file_and_the_live_log_are_judged_alike(
    open_session: SessionApi, look: Looked, tmp_path: Path
) -> None:
    exported(open_session, tmp_path / "s.jsonl")
    live = open_session.post("/repair", params={"dry_run": "1"}).json()["repair"]

    status, report = look(str(tmp_path / "s.jsonl"), "cairn")

    for name in ("issues", "actions", "planned_events", "analysed_digest", "blocked"):
        assert report[name] == live[name], name
    assert (report["source"], status) == ("import", 1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda lines: [*lines[:1], *lines[2:]], "event_sequence_gap"),
        (lambda lines: [*lines[:2], *lines[1:]], "event_sequence_duplicate"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "event_sequence_regression"),
        (lambda lines: [lines[0], lines[1][:-20], *lines[2:]], "invalid_event_json"),
        (lambda lines: [lines[0], lines[1].replace(b"Hello", b"Jello")], "digest_mismatch"),
        (lambda lines: lines[:-1], "event_head_mismatch"),
    ],
)
def test_an_export_that_was_changed_is_found_out(
    change: Any, code: str, session: SessionApi, look: Looked, tmp_path: Path
) -> None:
    path = tmp_path / "s.jsonl"
    lines = exported(session, path)
    header = path.read_bytes().splitlines()[0]
    written(path, header, *change(lines))

    status, report = look(str(path), "cairn")

    assert code in [issue["code"] for issue in report["issues"]]
    assert status == (1 if report["blocked"] or report["actions"] else 0)


def test_a_live_session_is_repaired_by_the_command(
    api: Api, open_session: SessionApi, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--url", api.base_url]
    assert cairn(open_session.id, *where, "--dry-run") == 1
    table = capsys.readouterr().out
    assert cairn(open_session.id, *where) == 0
    assert "repaired: 2 events appended" in capsys.readouterr().out
    assert cairn(open_session.id, *where) == 0

    assert "WOULD APPEND" in table
    assert "event_sequence_gap" in table
    assert max(map(len, table.splitlines())) <= 80
    assert "\x1b" not in table


def test_all_sessions_of_an_app_are_looked_at_one_line_each(
    api: Api, open_session: SessionApi, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = api.create(app=open_session.app)
    bad = api.create(app=open_session.app)
    bad.say()
    broken: Damage = damage(bad)
    broken.record(2, b"not json")
    arguments = ["--all", "--app", open_session.app, "--dry-run", "--url", api.base_url]

    assert cairn(*arguments) == 1
    said = capsys.readouterr()

    assert said.err == "", "a bar is for terminals"
    lines = {line.split()[0]: line for line in said.out.splitlines()}
    assert lines.keys() == {open_session.id, fine.id, bad.id}
    assert "nothing wrong" in lines[fine.id]
    assert "2 events would be appended, then the report" in lines[open_session.id]
    assert "blocked" in lines[bad.id]
    assert "invalid_event_json" in lines[bad.id]

    assert cairn(*arguments, "--json") == 1
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {report["session_id"] for report in reports} == lines.keys()
