"""`cairn import --from`, as a person runs it against a server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.importers.converting import SOURCES
from infrastructure.importers.registry import READERS
from tests.importers.reading import SAMPLES, imported
from tests.support.api import Api
from tests.support.in_process import Run, said_by
from tests.support.server import running

PLACES = {
    "adk": "adk/database-v1.db",
    "agh": "agh/session-1/events.db",
    "claude-code": "claude-code/projects",
    "codex": "codex/sessions",
    "docker-agent": "docker-agent/session.db",
    "langchain": "langchain/dumpd.json",
    "langgraph": "langgraph/checkpoints.db",
    "openai-agents": "openai-agents/advanced-sqlite-session.db",
    "pydantic-ai": "pydantic-ai/message-history.json",
}


@pytest.fixture
def server(database_url: str) -> Iterator[str]:
    with running(database_url) as base:
        yield base


@pytest.fixture
def api(server: str) -> Iterator[Api]:
    api = Api(server)
    try:
        yield api
    finally:
        api.close()


@pytest.fixture
def run(server: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        return said_by(capsys, "import", "--url", server, *arguments)

    return call


def test_every_source_is_imported_and_the_second_run_finds_everything_done(
    run: Run, api: Api, tmp_path: Path
):
    for source, place in PLACES.items():
        found = imported(source, SAMPLES / place, tmp_path / source)
        code, said, _ = run("--from", source, SAMPLES / place, "--dry-run", "--json")
        told = json.loads(said)
        assert code == 0
        assert (told["dry_run"], told["sessions"]) == (True, len(found))
        code, said, _ = run("--from", source, SAMPLES / place, "--json")
        told = json.loads(said)
        assert code == 0
        assert told["conflicts"] == []
        assert told["sessions"] == told["sources"][source]["sessions"] == len(found)
        assert told["events"] == sum(len(one.events) for one in found.values())
        code, said, _ = run("--from", source, SAMPLES / place, "--json")
        again = json.loads(said)
        assert code == 0
        assert (again["events"], again["already_there"]) == (0, len(found))
        for one in found.values():
            path = f"/v1/sessions/{one.session.session_id}"
            there = api.get(f"{path}/events?limit=1000").json()["events"]
            kept, after = there[: len(one.events)], there[len(one.events) :]
            for event in (*kept, *one.events):
                del event["position"]
            assert kept == one.events
            # Of a turn that has run since then the server says at once that it has stalled.
            assert all(event["origin"] != "import" for event in after)
            assert api.get(f"{path}/snapshot").status_code == 200
    *_, verified = api.get("/v1/audit/verify").text.splitlines()
    assert json.loads(verified)["ok"]


def test_every_source_has_its_name_and_its_sample():
    assert set(SOURCES) == set(READERS) == set(PLACES)


def test_keys_that_sessions_share_have_their_last_values(run: Run, api: Api):
    assert run("--from", "adk", SAMPLES / PLACES["adk"])[0] == 0
    state = api.get("/v1/apps/orchard/state").json()["state"]
    assert state == {"app:motd": "öppet 🍐", "app:total": 6}
    ana = api.get("/v1/apps/orchard/users/ana/state").json()["state"]
    assert ana == {"user:lang": "sv", "user:last": "Medlar", "user:photos": 1}


def test_a_place_that_cannot_be_read_keeps_those_before_it_from_being_imported(
    run: Run, api: Api, tmp_path: Path
):
    """What comes of the first one is sent, and looked through, before the second one is read."""
    torn = tmp_path / "torn.db"
    torn.write_bytes(b"no database")
    code, _, complaint = run("--from", "adk", SAMPLES / PLACES["adk"], torn)
    assert code != 0
    assert "torn.db is no SQLite database" in complaint
    assert api.get("/v1/sessions").json()["sessions"] == []
    assert run("--from", "adk", SAMPLES / PLACES["adk"])[0] == 0


def test_what_the_analyser_blocks_is_refused_or_goes_into_quarantine(run: Run, api: Api):
    ledger = SAMPLES / "agh" / "session-1" / "ledger.jsonl"
    code, _, complaint = run("--from", "agh", ledger)
    assert code == 1
    assert "event_sequence_duplicate, invalid_event_json" in complaint
    assert api.get("/v1/sessions").json()["sessions"] == []
    code, said, _ = run("--from", "agh", ledger, "--quarantine", "--json")
    (session_id,) = json.loads(said)["quarantined"]
    assert code == 0
    assert api.get(f"/v1/sessions/{session_id}/snapshot").status_code == 200
    turn = {"turn_id": "t9", "input": {"parts": [{"type": "text", "text": "x"}]}}
    assert api.post(f"/v1/sessions/{session_id}/turns", turn).status_code == 409
    code, said, _ = run("--from", "agh", ledger, "--quarantine", "--json")
    assert json.loads(said)["already_there"] == 1


def test_sessions_are_placed_where_whoever_imports_says(run: Run, api: Api):
    dumps = [SAMPLES / "pydantic-ai" / name for name in ("message-history.json", "test-model.json")]
    assert run("--from", "pydantic-ai", *dumps, "--app", "shop", "--user", "ada")[0] == 0
    listed = api.get("/v1/sessions?app=shop&user=ada").json()["sessions"]
    assert len(listed) == 2


def test_the_report_for_people_says_what_was_kept_and_what_could_not_be_read(run: Run):
    code, said, _ = run("--from", "claude-code", SAMPLES / PLACES["claude-code"])
    assert code == 0
    assert "claude-code: 11 sessions" in said
    assert "kept as they are, for they have no place:" in said
    assert "line 3: the record was cut" in said
    assert "imported: 11 logs" in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--from", "vercel", "x"), "--from must be one of adk, agh"),
        (("--from", "adk", "nowhere.db"), "nowhere.db cannot be read"),
        (("--from", "adk", "mysql://host/db"), "databases of the kind mysql cannot be read"),
        (("--from", "adk", "x.db", "--source-timezone", "Mars/Olympus"), "is no time zone"),
        (("one.jsonl", "two.jsonl"), "Name one file or folder"),
        (("one.jsonl", "--app", "x"), "go with --from"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, arguments: tuple[str, ...], complaint: str):
    code, _, said = run(*arguments)
    assert code == 2
    assert complaint in said
