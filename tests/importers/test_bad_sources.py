"""Sources that are damaged, locked, of another program, or made to do harm."""

import json
import os
import pickle
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from application.transfer.lines import FileFault
from infrastructure.importers.registry import READERS
from tests.importers.reading import SAMPLES, imported

DATABASES = {
    "adk": "adk/database-v1.db",
    "openai-agents": "openai-agents/sqlite-session.db",
    "langgraph": "langgraph/checkpoints.db",
    "docker-agent": "docker-agent/session.db",
    "agh": "agh/session-1/events.db",
}
DOCUMENTS = ("langchain", "pydantic-ai")


@pytest.mark.parametrize("source", sorted(READERS))
def test_a_file_that_is_not_there_is_refused(source: str, tmp_path: Path):
    with pytest.raises(FileFault, match="none"):
        imported(source, tmp_path / "none", tmp_path / "out")


@pytest.mark.parametrize("source", sorted(READERS))
def test_a_device_is_refused(source: str, tmp_path: Path):
    with pytest.raises(FileFault, match="is no regular file"):
        imported(source, "/dev/zero", tmp_path)


@pytest.mark.parametrize("source", ["docker-agent", "pydantic-ai"])
def test_a_folder_where_a_file_belongs_is_named(source: str, tmp_path: Path):
    with pytest.raises(FileFault, match="is a folder"):
        imported(source, tmp_path, tmp_path / "out")


@pytest.mark.parametrize("source", DATABASES)
@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"hello", b"\0" * 4096])
def test_what_is_no_database_is_refused(source: str, content: bytes, tmp_path: Path):
    file = tmp_path / "some.db"
    file.write_bytes(content)
    with pytest.raises(FileFault):
        imported(source, file, tmp_path / "out")


@pytest.mark.parametrize("source", DATABASES)
def test_a_database_of_another_program_is_refused(source: str, tmp_path: Path):
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("create table events (id integer primary key, note text)")
    with pytest.raises(FileFault, match="has no"):
        imported(source, other, tmp_path / "out")


@pytest.mark.parametrize("source", DATABASES)
def test_a_database_without_a_row_has_no_session(source: str, tmp_path: Path):
    emptied = tmp_path / "emptied.db"
    shutil.copyfile(SAMPLES / DATABASES[source], emptied)
    with closing(sqlite3.connect(emptied)) as connection:
        for (name,) in connection.execute(
            "select name from sqlite_master where type = 'table' and name not like 'sqlite%'"
        ).fetchall():
            connection.execute(f'delete from "{name}"')
        connection.commit()
    found = imported(source, emptied, tmp_path / "out")
    assert all(len(one.events) == 1 for one in found.values())
    assert len(found) == (source == "agh")


@pytest.mark.parametrize("source", DATABASES)
def test_a_database_that_another_program_is_writing_is_refused(source: str, tmp_path: Path):
    locked = tmp_path / "locked.db"
    shutil.copyfile(SAMPLES / DATABASES[source], locked)
    with closing(sqlite3.connect(locked, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = delete")
        connection.execute("begin exclusive")
        with pytest.raises(FileFault, match="is locked: another program is writing it"):
            imported(source, locked, tmp_path / "out")


@pytest.mark.parametrize("source", DATABASES)
def test_a_damaged_database_is_refused(source: str, tmp_path: Path):
    damaged = tmp_path / "damaged.db"
    content = bytearray((SAMPLES / DATABASES[source]).read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    damaged.write_bytes(content)
    with pytest.raises(FileFault, match="cannot be read as an SQLite database"):
        imported(source, damaged, tmp_path / "out")


def test_what_stands_only_in_the_log_beside_a_database_comes_along_and_stays(tmp_path: Path):
    live = tmp_path / "live.db"
    shutil.copyfile(SAMPLES / DATABASES["openai-agents"], live)
    with closing(sqlite3.connect(live)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma wal_autocheckpoint = 0")
        item = json.dumps({"role": "user", "content": "only in the log"})
        connection.execute(
            "insert into agent_messages (session_id, message_data) values ('bo-killed', ?)", (item,)
        )
        connection.commit()
        before = {path.name: path.read_bytes() for path in tmp_path.glob("live.db*")}
        assert len(before["live.db-wal"]) > 0
        found = imported("openai-agents", live, tmp_path / "out")
        after = {path.name: path.read_bytes() for path in tmp_path.glob("live.db*")}
    assert "only in the log" in found["bo-killed"].said()
    assert after == before


def test_a_view_that_poses_as_a_table_is_not_read(tmp_path: Path):
    posing = tmp_path / "posing.db"
    with closing(sqlite3.connect(posing)) as connection:
        connection.execute("create table sessions (app_name, user_id, id, state, create_time)")
        connection.execute(
            "create view events as select 'a' app_name, 'u' user_id, 's' session_id,"
            " 'i' id, load_extension('evil') event_data"
        )
    with pytest.raises(FileFault, match=r"has no events of google-adk"):
        imported("adk", posing, tmp_path / "out")


def test_nothing_that_is_pickled_is_run(tmp_path: Path):
    victim = tmp_path / "victim"

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(victim),)

    poisoned, threads = tmp_path / "poisoned.db", tmp_path / "threads.db"
    shutil.copyfile(SAMPLES / "adk" / "database-v0-pickle.db", poisoned)
    shutil.copyfile(SAMPLES / DATABASES["langgraph"], threads)
    with closing(sqlite3.connect(poisoned)) as connection:
        connection.execute("update events set actions = ?", (pickle.dumps(Evil()),))
        connection.commit()
    with closing(sqlite3.connect(threads)) as connection:
        connection.execute(
            "update writes set type = 'pickle', value = ? where channel = '__error__'",
            (pickle.dumps(Evil()),),
        )
        connection.commit()
    assert imported("adk", poisoned, tmp_path / "out")
    found = imported("langgraph", threads, tmp_path / "out2")
    assert any("pickled" in place.reason for place in found["bo-killed"].tally.places)
    assert not victim.exists()


def test_a_class_that_a_checkpoint_names_is_not_looked_for(tmp_path: Path):
    threads = tmp_path / "threads.db"
    shutil.copyfile(SAMPLES / DATABASES["langgraph"], threads)
    import msgspec

    named = msgspec.msgpack.encode(["os", "mkdir", str(tmp_path / "victim")])
    evil = msgspec.msgpack.encode(msgspec.msgpack.Ext(0, named))
    with closing(sqlite3.connect(threads)) as connection:
        connection.execute(
            "update writes set type = 'msgpack', value = ? where channel = '__error__'", (evil,)
        )
        connection.commit()
    found = imported("langgraph", threads, tmp_path / "out")["bo-killed"]
    assert "os.mkdir" in found.data("turn.failed")[0]["failure"]["summary"]
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("source", DOCUMENTS)
@pytest.mark.parametrize("content", ["", "nothing", "{}", '[{"a": 1}]', "[" * 100_000])
def test_a_document_of_another_kind_is_refused(source: str, content: str, tmp_path: Path):
    file = tmp_path / "some.json"
    file.write_text(content, "utf-8")
    with pytest.raises(FileFault):
        imported(source, file, tmp_path / "out")


def event(**fields: Any) -> dict[str, Any]:
    said = {"parts": [{"text": "x"}], "role": "user"}
    return {"id": "e", "author": "user", "invocationId": "i", "content": said, **fields}


def session_file(folder: Path, *events: Any) -> Path:
    file = folder / "one.session.json"
    file.write_text(
        json.dumps({"id": "s", "appName": "a", "userId": "u", "state": {}, "events": events})
    )
    return file


@pytest.mark.parametrize(
    ("timestamp", "at", "note"),
    [
        (-86400.0, "1969-12-31T00:00:00.000000Z", "time_before_1970"),
        (32503680000, "3000-01-01T00:00:00.000000Z", "time_in_future"),
        ("2026-05-01T12:00:00", "2026-05-01T10:00:00.000000Z", "time_without_zone"),
        ("2026-05-01T12:00:00+05:30", "2026-05-01T06:30:00.000000Z", None),
        ("yesterday", None, "unreadable_time"),
        (1e300, None, "unreadable_time"),
        (None, None, "time_inferred"),
    ],
)
def test_times_are_kept_and_odd_ones_are_counted(
    timestamp: Any, at: str | None, note: str | None, tmp_path: Path
):
    file = session_file(tmp_path, event(timestamp=1000.0, id="first"), event(timestamp=timestamp))
    zone = timezone(timedelta(hours=2))
    (one,) = imported("adk", file, tmp_path / "out", zone=zone).values()
    assert one.events[-1]["at"] == (at or "1970-01-01T00:16:40.000000Z")
    if note is not None:
        assert one.tally.notes[note] >= 1


def test_a_part_that_is_nothing_harms_nothing(tmp_path: Path):
    odd: list[Any] = [None, 7, "text", [], {"content": 3}, {"content": {"parts": [None, 1, {}]}}]
    file = session_file(tmp_path, *odd, event(timestamp=5.0))
    (one,) = imported("adk", file, tmp_path / "out").values()
    assert one.said() == ["x"]


def test_half_a_pair_of_surrogates_becomes_what_text_can_hold(tmp_path: Path):
    said = {"parts": [{"text": "half \ud83d"}], "role": "user"}
    (one,) = imported("adk", session_file(tmp_path, event(content=said)), tmp_path / "o").values()
    assert one.said() == ["half �"]
    assert one.tally.notes["lone_surrogate"] == 1


@pytest.mark.parametrize("source", ["claude-code", "codex"])
def test_an_empty_file_of_lines_is_a_session_without_events(source: str, tmp_path: Path):
    file = tmp_path / "5f3c9f9e-0000-4000-8000-000000000000.jsonl"
    file.write_bytes(b"\n\0\0\n")
    (one,) = imported(source, file, tmp_path / "out").values()
    assert len(one.events) == 1


@pytest.mark.parametrize("source", ["claude-code", "codex"])
@pytest.mark.parametrize("content", [b"root:x:0:0::/root\n", b"[1]\n2\n", bytes(range(256)) * 9])
def test_a_file_of_which_no_line_is_an_object_is_refused(
    source: str, content: bytes, tmp_path: Path
):
    path = tmp_path / "passwd.jsonl"
    path.write_bytes(content)
    with pytest.raises(FileFault, match="none of its lines is an object"):
        imported(source, path, tmp_path / "out")


OF_OTHERS = [
    ("codex", "claude-code/projects", "claude-code"),
    ("codex", "agh/session-1/ledger.jsonl", "agh"),
    ("claude-code", "codex/sessions", "codex"),
    ("claude-code", "codex/sessions/2025", "codex"),
    ("claude-code", "agh/session-1", "agh"),
]


@pytest.mark.parametrize(("source", "sample", "writer"), OF_OTHERS)
def test_a_file_of_lines_of_another_program_is_refused_by_the_name_of_its_source(
    source: str, sample: str, writer: str, tmp_path: Path
):
    files = [SAMPLES / sample, *sorted((SAMPLES / sample).rglob("*.jsonl"))][:2]
    # A folder of Codex is looked through for rollouts alone.
    for place in files if source == "claude-code" else files[-1:]:
        with pytest.raises(FileFault, match=f"import it with --from {writer}$"):
            imported(source, place, tmp_path)


def test_a_link_in_a_folder_is_not_followed(tmp_path: Path):
    folder, outside = tmp_path / "projects", tmp_path / "outside"
    (folder / "p").mkdir(parents=True)
    outside.mkdir()
    sample = next((SAMPLES / "claude-code" / "projects").rglob("7ed3*.jsonl"))
    shutil.copyfile(sample, outside / "secret.jsonl")
    (folder / "p" / "linked.jsonl").symlink_to(outside / "secret.jsonl")
    (folder / "q").symlink_to(outside)
    with pytest.raises(FileFault, match="no file of the kind"):
        imported("claude-code", folder, tmp_path / "out")


def test_a_line_that_is_too_long_loses_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("infrastructure.importers.reading.source_files.LONGEST_LINE", 2000)
    sample = next((SAMPLES / "claude-code" / "projects").rglob("7ed3*.jsonl"))
    lines = sample.read_bytes().splitlines(keepends=True)
    file = tmp_path / "long.jsonl"
    file.write_bytes(
        lines[0] + b'{"type":"user","x":"' + b"y" * 5000 + b'"}\n' + b"".join(lines[1:])
    )
    (one,) = imported("claude-code", file, tmp_path / "out").values()
    assert one.said()[:2] == ["first question", "first answer"]
    assert [place.place for place in one.tally.places] == ["long, line 2"]


def test_a_packed_file_that_becomes_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import zstandard

    monkeypatch.setattr("infrastructure.importers.reading.folders._AT_LEAST", 1000)
    bomb = tmp_path / "rollout-2026-01-01T00-00-00-5f3c9f9e-0000-4000-8000-000000000000.jsonl.zst"
    bomb.write_bytes(zstandard.compress(b"\0" * 50_000_000))
    with pytest.raises(FileFault, match="more than"):
        imported("codex", bomb, tmp_path / "out")


OLDER = {
    "openai-agents": (
        """
        create table agent_sessions (session_id text);
        create table agent_messages (id integer primary key, session_id text, message_data text);
        insert into agent_sessions values ('s');
        insert into agent_messages values (1, 's', '{}');
        """,
        "no such column: created_at",
    ),
    "agh": (
        """
        create table events (id text, sequence integer, turn_id text, type text, content text);
        insert into events values ('e', 1, 't', 'user_message', '{"text":"x"}');
        """,
        "no such column: agent_name",
    ),
    "langgraph": (
        """
        create table checkpoints (thread_id text, thread_ts text, parent_ts text, checkpoint blob);
        insert into checkpoints values ('t', '1', null, '{}');
        """,
        "has no checkpoints of LangGraph",
    ),
    "adk": (
        """
        create table sessions (app_name text, user_id text, id text, state text, create_time text);
        create table events (id text, app_name text, user_id text, session_id text, author text);
        insert into sessions values ('a', 'u', 's', '{}', '2024-01-01');
        """,
        "has no events of google-adk",
    ),
}


def made(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)
    return path


@pytest.mark.parametrize("source", OLDER)
def test_a_database_of_an_older_schema_is_refused_by_what_it_lacks(source: str, tmp_path: Path):
    script, words = OLDER[source]
    with pytest.raises(FileFault, match=words):
        imported(source, made(tmp_path / "older.db", script), tmp_path / "out")


def test_sessions_of_docker_agent_from_before_it_had_items_come_along(tmp_path: Path):
    messages = [
        {"AgentFilename": "a.yaml", "message": {"role": "user", "content": "Hello"}},
        {"AgentFilename": "a.yaml", "message": {"role": "assistant", "content": "Hi"}},
    ]
    older = made(
        tmp_path / "older.db",
        f"""
        create table sessions (id text primary key, messages text, created_at text);
        insert into sessions values ('s', '{json.dumps(messages)}', '2025-07-01T10:00:00Z');
        """,
    )
    (one,) = imported("docker-agent", older, tmp_path / "out").values()
    types = [event["type"] for event in one.events]
    assert types == ["session.created", "turn.started", "agent.message"]
