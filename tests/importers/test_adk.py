"""google-adk: every layout of its databases, and sessions as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.session.events import ConversationRewound
from tests.importers.reading import SAMPLES, Imported, expected, imported
from tests.support.builders import state_after

ADK = SAMPLES / "adk"
EXPECTED = expected("adk")
DATABASES = ["database-v1.db", "sqlite-session-service.db", "database-v0-pickle.db"]

SAID = ("turn.started", "message.added", "agent.message", "input.steered")


def counted(one: Imported, told: dict[str, Any]) -> dict[str, Any]:
    """What the file has, counted in what became of it."""
    asked = [data["request_id"] for data in one.data("permission.requested")]
    answered = [data["tool_call_id"] for data in one.data("tool.progressed")]
    results = one.results()
    failures = [data["failure"]["kind"] for data in one.data("turn.failed")]
    return told | {
        "error_results": sum(
            (data.get("meta") or {}).get("failed_hint", False) for data in results
        ),
        "error_events": sum(kind != "interrupted" for kind in failures),
        "state_delta_events": len(one.data("state.patched")),
        "compactions": len(one.data("context.compacted")),
        "rewinds": len(one.kept("rewind")),
        "images": one.parts("image"),
        "thoughts": len(one.data("agent.thought")),
        "nul": int(any("\0" in repr(event) or "\\x00" in repr(event) for event in one.events)),
        "open_calls": sorted({*one.open_calls(), *asked} - set(answered)),
        "tool_calls": len(one.calls()) + len(asked),
        "tool_results": len(results) + len(answered),
        "orphan_results": one.kept("orphan_result"),
    }


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_comes_along_whole(name: str, tmp_path: Path):
    found = imported("adk", ADK / name, tmp_path)
    assert sorted(found) == EXPECTED[name]["session_rows"]
    for key, told in EXPECTED[name]["sessions"].items():
        assert counted(found[key], told) == told, key


@pytest.mark.parametrize("name", ["saved-samples.session.json", "web-export-samples.session.json"])
def test_a_session_as_json_comes_along_whole(name: str, tmp_path: Path):
    found = imported("adk", ADK / name, tmp_path)
    assert found.keys() == EXPECTED[name].keys()
    for key, told in EXPECTED[name].items():
        assert counted(found[key], told) == told


def test_events_come_in_the_order_of_their_writing_with_their_own_times(tmp_path: Path):
    found = imported("adk", ADK / "database-v1.db", tmp_path)["orchard/ana/compacted-samples"]
    assert found.said()[-3:] == [
        "first of the twins",
        "second of the twins",
        "appended last, dated an hour earlier",
    ]
    assert found.events[-1]["at"] < found.events[0]["at"]
    assert found.tally.notes["read_there_in_another_order"] == 2


def test_keys_that_no_event_set_are_what_the_session_began_with(tmp_path: Path):
    found = imported("adk", ADK / "database-v1.db", tmp_path)
    assert found["orchard/bo/interrupted-samples"].session.created.state == {"k": [1, None, "é"]}
    shared = {"app:motd": "öppet 🍐", "user:lang": "sv"}
    assert found["orchard/ana/compacted-samples"].session.created.state == shared
    rest = [one for name, one in found.items() if "compacted" not in name]
    assert not any(key.startswith("app:") for one in rest for key in one.session.created.state)


def test_a_request_for_confirmation_is_no_tool_call(tmp_path: Path):
    found = imported("adk", ADK / "database-v1.db", tmp_path)["orchard/bo/pending-samples"]
    (asked,) = found.data("permission.requested")
    assert (asked["tool_call_id"], asked["tool"]) == ("call-9", "guarded")
    assert asked["arguments"] == {"what": "gate"}
    # The first answer of a tool that runs long is no result.
    assert found.open_calls() == ["call-8"]


def test_pickled_actions_are_kept_and_never_read(tmp_path: Path):
    found = imported("adk", ADK / "database-v0-pickle.db", tmp_path)["orchard/ana/main-samples"]
    assert all("pickled_actions" in kept for kept in found.kept("extra"))
    assert len(found.kept("extra")) == 21
    assert found.tally.notes["state_without_history"] == 1


def test_a_case_of_an_eval_set_is_a_session(tmp_path: Path):
    path = ADK / "set_samples.evalset.json"
    (case,) = json.loads(path.read_text("utf-8"))["eval_cases"]
    (one,) = imported("adk", path, tmp_path).values()
    assert one.session.source_id == "orchard/ana/set_samples/case1"
    events = [
        {"content": content}
        for turn in case["conversation"]
        for content in (
            turn["user_content"],
            *(e.get("content") for e in turn["intermediate_data"].get("invocation_events", [])),
            turn.get("final_response"),
        )
    ]
    parts = [part for one in events if one["content"] for part in one["content"]["parts"]]
    assert len(one.calls()) == sum("function_call" in part for part in parts) == 6
    assert len(one.results()) == sum("function_response" in part for part in parts)
    assert len(one.data("agent.thought")) == sum(bool(part.get("thought")) for part in parts)
    assert one.said() == [
        part["text"] for part in parts if "text" in part and not part.get("thought")
    ]
    # One that only took others back has neither input nor answer.
    assert [data["turn_id"] for data in one.data("turn.started")] == [
        turn["invocation_id"] for turn in case["conversation"] if turn["user_content"]["parts"]
    ]
    assert (one.open_calls(), one.tally.kept_verbatim) == ([], {})


def test_an_older_eval_set_has_calls_and_results_apart(tmp_path: Path):
    call = {"id": "c", "name": "add", "args": {"a": 1}}
    turn = {
        "invocation_id": "i-1",
        "creation_timestamp": 1795957388.5,
        "user_content": {"role": "user", "parts": [{"text": "add"}]},
        "intermediate_data": {
            "tool_uses": [call],
            "tool_responses": [{"id": "c", "name": "add", "response": {"sum": 2}}],
            "intermediate_responses": [["helper", [{"text": "soon"}]], 7],
        },
        "final_response": {"role": "model", "parts": [{"text": "2"}]},
    }
    cases = [{"eval_id": "a", "conversation": [turn]}, {"eval_id": "b"}]
    (tmp_path / "old.evalset.json").write_text(
        json.dumps({"eval_set_id": "s", "eval_cases": cases})
    )
    found = imported("adk", tmp_path / "old.evalset.json", tmp_path / "made")
    one = found["adk/unknown/s/a"]
    assert (one.calls(), [data["output"] for data in one.results()]) == (["c"], [{"sum": 2}])
    assert one.said() == ["add", "soon", "2"]
    assert len(found["adk/unknown/s/b"].events) == 1


@pytest.mark.parametrize("name", DATABASES[:2])
def test_what_google_adk_took_back_is_taken_back(name: str, tmp_path: Path):
    found = imported("adk", ADK / name, tmp_path)["orchard/ana/main-samples"]
    counts: list[list[int]] = [[]]
    for sequence, event in enumerate(found.recorded(), 1):
        back = event.to if isinstance(event, ConversationRewound) else sequence - 1
        counts.append([*counts[back], sequence])
    (kept,) = found.kept("rewind")
    gone = {event["turn_id"] for event in found.of("turn.started")} & {*kept["superseded_turns"]}
    left = [found.events[sequence - 1] for sequence in counts[-1]]
    turns = [event["turn_id"] for event in left if event["type"] == "turn.started"]
    assert gone
    assert not gone & {*turns}
    assert left[-1]["sequence"] > found.of("conversation.rewound")[0]["sequence"]
    messages = [event for event in left if event["type"] in SAID]
    state = state_after(found.recorded())
    assert (state.spoken.messages, state.lifecycle.epoch) == (len(messages), 1)


def test_a_session_goes_back_twice_and_to_nothing_that_is_not_there(tmp_path: Path):
    def event(name: str, back: str | None = None) -> dict[str, Any]:
        said = {"content": {"role": "user", "parts": [{"text": name}]}} if back is None else {}
        actions = {"rewindBeforeInvocationId": back, "stateDelta": {"k": name}} if back else {}
        named = {"id": name, "invocationId": f"of-{name}", "author": "user", "timestamp": 1.7e9}
        return {**named, **said, "actions": actions}

    events = [
        *(event("a"), event("b"), event("c"), event("back-1", "of-b"), event("d")),
        *(event("back-2", "of-d"), event("back-3", "of-nothing"), event("e")),
    ]
    session: dict[str, Any] = {
        "id": "s",
        "appName": "app",
        "userId": "u",
        "state": {},
        "lastUpdateTime": 1.7e9,
    }
    path = tmp_path / "one.json"
    path.write_text(json.dumps({**session, "events": events}), "utf-8")
    (one,) = imported("adk", path, tmp_path / "made").values()
    began = {event["turn_id"]: event["sequence"] for event in one.of("turn.started")}
    turned = [one for one in one.recorded() if isinstance(one, ConversationRewound)]
    assert turned == [
        ConversationRewound(to=began["of-b"] - 1, epoch=1, messages=1),
        ConversationRewound(to=began["of-d"] - 1, epoch=2, messages=1),
    ]
    state = state_after(one.recorded())
    assert (state.spoken.messages, state.state["k"]) == (2, "back-3")
