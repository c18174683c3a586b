"""LangGraph: its threads along their checkpoints, dead branches and graphs below them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.importers.reading import SAMPLES, Imported, expected, imported

FOLDER = SAMPLES / "langgraph"
EXPECTED = expected("langgraph")["checkpoints.db"]
THREADS = [name for name, told in EXPECTED.items() if not told["fork_points"] and "|" not in name]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Imported]:
    folder = tmp_path_factory.mktemp("langgraph")
    return imported("langgraph", FOLDER / "checkpoints.db", folder)


def held(one: Imported) -> int:
    """The messages that the thread has: of people, of the agent, of tools."""
    answers = {data["message_id"] for data in one.data("agent.message", "agent.thought")}
    silent = 0
    types = [event["type"] for event in one.events]
    for before, after in pairwise(types):
        # An answer of calls alone has no text.
        silent += after == "tool.called" and before in ("turn.started", "tool.returned")
    return len(one.of("turn.started")) + len(answers) + silent + len(one.results())


def check(one: Imported, told: dict[str, Any]) -> None:
    assert held(one) == told["live_messages"]
    assert len(one.calls()) == told["tool_calls"]
    assert len(one.results()) == told["tool_results"]
    assert sum(data["status"] == "failed" for data in one.results()) == told["error_results"]
    assert one.open_calls() == told["open_calls"]
    assert one.kept("orphan_result") == told["orphan_results"]
    special = told["special_writes"]
    assert len(one.of("elicitation.requested")) == special.count("__interrupt__")
    assert len(one.of("elicitation.answered")) == ("__resume__" in special)
    assert len(one.of("turn.failed")) == special.count("__error__")


@pytest.mark.parametrize("name", THREADS)
def test_a_thread_comes_along_whole(name: str, found: dict[str, Imported]):
    check(found[name], EXPECTED[name])


def test_a_dead_branch_is_a_fork_where_it_leaves_the_live_line(found: dict[str, Imported]):
    one, told = found["ana-main"], EXPECTED["ana-main"]
    branch = found["ana-main|branch 1"]
    assert one.open_calls() == told["open_calls"]
    assert len(one.results()) == told["tool_results"]
    # One message was taken out by hand; it is kept, and its removal is told.
    assert held(one) == told["live_messages"] + 1
    assert [len(kept["messages"]) for kept in one.kept("removed")] == [1]
    assert held(one) + held(branch) == told["distinct_message_ids_ever"]
    assert branch.said() == ["to be forked from here", "first answer, left on a dead branch"]
    assert branch.session.forked_from is not None
    assert branch.session.forked_from.session_id == one.session.session_id
    assert one.session.created.owner.user == "ana"


def test_channels_are_keys_of_the_state_and_what_is_no_plain_data_is_kept(
    found: dict[str, Imported],
):
    one = found["ana-main"]
    assert one.data("state.patched")[-1]["set"] == {"basket": {"edited": True}}
    assert one.kept("channel") == [
        {"name": "picture", "value": {"__object__": "bytes", "base64": "AP8B"}}
    ]


def test_a_graph_below_is_a_child_that_does_not_repeat_its_parent(found: dict[str, Imported]):
    child = found["ana-nested|sub"]
    assert child.said() == []
    assert child.tally.notes["held_by_parent"] == EXPECTED["ana-nested|sub"]["live_messages"]
    assert child.session.created.lineage is not None


def test_a_channel_that_is_rarely_kept_whole_is_put_together(tmp_path: Path):
    (one,) = imported("langgraph", FOLDER / "checkpoints-delta-channel.db", tmp_path).values()
    assert one.said() == [
        f"Quince {what}"
        for number in range(4)
        for what in (f"question {number}", f"answer {number + 1}")
    ]
