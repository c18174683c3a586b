"""OpenAI Agents: its sessions on SQLite, with branches where they are kept."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.importers.reading import SAMPLES, Imported, expected, imported

FOLDER = SAMPLES / "openai-agents"
EXPECTED = expected("openai-agents")


def counted(one: Imported, told: dict[str, Any]) -> dict[str, Any]:
    orphans = [item["call_id"] for item in one.kept("orphan_result")]
    return told | {
        "calls": len(one.calls()),
        "outs": len(one.results()) + len(orphans),
        "images": one.parts("image"),
        "nul": sum("\\u0000" in str(data["output"]) for data in one.results()),
        "open_calls": one.open_calls(),
        "orphan_outputs": orphans,
    }


@pytest.mark.parametrize("name", ["sqlite-session.db", "sqlalchemy-session.db"])
def test_a_database_comes_along_whole(name: str, tmp_path: Path):
    found = imported("openai-agents", FOLDER / name, tmp_path)
    assert sorted(found) == EXPECTED[name]["session_rows"]
    for key, told in EXPECTED[name]["sessions"].items():
        assert counted(found[key], told) == told, key
        types = Counter(told["types"])
        thoughts = len(found[key].data("agent.thought"))
        assert thoughts == types["reasoning"]
        assert found[key].tally.messages == types["message"] + types["message(no type)"]


def test_a_branch_is_a_fork_that_does_not_repeat_what_it_shares(tmp_path: Path):
    found = imported("openai-agents", FOLDER / "advanced-sqlite-session.db", tmp_path)
    branches = EXPECTED["advanced-sqlite-session.db"]["branches"]
    assert counted(found["ana-main"], branches["ana-main/main"]) == branches["ana-main/main"]
    retry = found["ana-main/retry"]
    assert retry.said() == ["what is this, again?", "Still one pixel."]
    point = retry.session.forked_from
    assert point is not None
    assert point.session_id == found["ana-main"].session.session_id
    # After the tenth message, which is the end of the first turn.
    shared = found["ana-main"].events[: point.sequence]
    assert shared[-1]["data"]["parts"] == [{"type": "text", "text": "Both are 🍐"}]
    assert shared[-1]["sequence"] == point.sequence
    assert not set(turns(retry)) & set(turns(found["ana-main"]))


def turns(one: Imported) -> list[str]:
    return [data["turn_id"] for data in one.data("turn.started")]


def test_usage_is_reported_in_the_turn_in_which_it_was_counted(tmp_path: Path):
    found = imported("openai-agents", FOLDER / "advanced-sqlite-session.db", tmp_path)
    used = {event["turn_id"]: event["data"] for event in found["ana-main"].of("usage.reported")}
    assert [data["total_tokens"] for data in used.values()] == [240, 120, 240, 120]


def test_a_handoff_is_a_call_and_another_agent(tmp_path: Path):
    found = imported("openai-agents", FOLDER / "sqlite-session.db", tmp_path)["ana-main"]
    assert found.data("agent.switched") == [{"agent": {"name": "helper"}}]
    assert "call_4" in found.calls()
