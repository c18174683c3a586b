"""An import is the same in every run, to the byte: so the second one finds everything done."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.session.events import Recorded
from domain.session.evolve import evolve
from domain.session.state import ABSENT
from domain.session.turn_of import turn_of
from tests.importers.reading import SAMPLES, imported

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PLACES = [
    ("adk", "database-v1.db"),
    ("adk", "database-v0-pickle.db"),
    ("agh", "session-1/ledger.jsonl"),
    ("claude-code", "projects"),
    ("codex", "sessions"),
    ("docker-agent", "session.db"),
    ("langchain", "dumpd.json"),
    ("langgraph", "checkpoints.db"),
    ("openai-agents", "advanced-sqlite-session.db"),
    ("pydantic-ai", "message-history.json"),
]


@pytest.mark.parametrize(("source", "name"), PLACES)
def test_two_imports_are_equal_to_the_byte(source: str, name: str, tmp_path: Path):
    for run in ("one", "two"):
        imported(source, SAMPLES / source / name, tmp_path / run)
    files = sorted(path.name for path in (tmp_path / "one" / "sessions").iterdir())
    assert files
    for file in files:
        one, two = (tmp_path / run / "sessions" / file for run in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(("source", "name"), PLACES)
def test_events_are_of_the_turns_in_which_they_happened(source: str, name: str, tmp_path: Path):
    for one in imported(source, SAMPLES / source / name, tmp_path).values():
        state = ABSENT
        for number, event in enumerate(one.recorded(), 1):
            turn_id = one.events[number - 1].get("turn_id")
            assert turn_id == turn_of(state, event), one.events[number - 1]
            state = evolve(state, Recorded(number, BEGAN, event, turn_id))


@pytest.mark.parametrize(("source", "name"), PLACES)
def test_calls_and_turns_are_as_a_session_of_our_own_has_them(
    source: str, name: str, tmp_path: Path
):
    for one in imported(source, SAMPLES / source / name, tmp_path).values():
        running: str | None = None
        opened: set[str] = set()
        turns: set[str] = set()
        said: dict[str, str | None] = {}
        for event in one.events:
            data, kind = event["data"], event["type"]
            if kind == "turn.started":
                assert running is None
                assert data["turn_id"] not in turns
                running = data["turn_id"]
                turns.add(data["turn_id"])
                opened = set()
            elif kind in ("turn.completed", "turn.failed", "turn.cancelled"):
                assert running == data["turn_id"]
                assert not opened
                running = None
            elif kind == "tool.called":
                assert event["turn_id"] == running is not None
                assert data["tool_call_id"] not in opened
                opened.add(data["tool_call_id"])
            elif kind == "tool.returned" and "called_in_turn" not in data:
                opened.remove(data["tool_call_id"])
            elif kind.startswith("agent."):
                assert event["turn_id"] == running is not None
            # Pieces of what the agent says share an id; nothing else does.
            if kind in ("agent.message", "agent.thought") and "message_id" in data:
                assert said.setdefault(data["message_id"], running) == running is not None
            elif kind in ("turn.started", "message.added"):
                assert data["message_id"] not in said
                said[data["message_id"]] = None
        ids = [event["id"] for event in one.events]
        assert len(set(ids)) == len(ids)
