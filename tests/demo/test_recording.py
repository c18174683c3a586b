"""The recording that `cairn demo` plays can be sent to Cairn line by line."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

RECORDING = (
    Path(__file__).parents[2] / "api" / "cli" / "demonstration" / "recordings" / "qwen_code.jsonl"
)
ENDS = {"turn.complete", "turn.cancel", "turn.fail"}
IN_A_TURN = {"events", "partial", "permission.request", *ENDS}

Line = dict[str, Any]


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return [json.loads(text) for text in RECORDING.read_text(encoding="utf-8").splitlines()]


def stored(lines: list[Line]) -> list[Line]:
    return [event for line in lines if line["do"] == "events" for event in line["events"]]


def test_times_never_run_backwards(lines: list[Line]) -> None:
    times = [line["t"] for line in lines]

    assert times[0] == 0.0
    assert times == sorted(times)


def test_is_created_first_and_stopped_last(lines: list[Line]) -> None:
    kinds = [line["do"] for line in lines]

    assert (kinds[0], kinds[-1]) == ("create", "stop")
    assert kinds.count("create") == kinds.count("stop") == 1


def test_every_turn_starts_once_and_ends_once_and_holds_what_is_in_it(lines: list[Line]) -> None:
    begun: list[str] = []
    open_turn = None
    for line in lines:
        if line["do"] == "turn.start":
            assert open_turn is None
            open_turn = line["turn"]
            begun.append(open_turn)
        elif line["do"] in IN_A_TURN:
            assert line["turn"] == open_turn
            open_turn = None if line["do"] in ENDS else open_turn

    assert open_turn is None
    assert len(begun) == len(set(begun)) >= 6


def test_every_tool_call_returns_once_in_its_turn(lines: list[Line]) -> None:
    seen: set[str] = set()
    running: set[str] = set()
    for line in lines:
        for event in line["events"] if line["do"] == "events" else ():
            call = event["data"].get("tool_call_id")
            if event["type"] == "tool.called":
                assert call not in seen
                seen.add(call)
                running.add(call)
            elif event["type"] == "tool.progressed":
                assert call in running
            elif event["type"] == "tool.returned":
                running.remove(call)
        assert not (line["do"] in ENDS and running)

    assert len(seen) > 20


def test_every_request_is_answered_once_with_an_option_that_it_offers(lines: list[Line]) -> None:
    offered: dict[str, dict[str, str]] = {}
    answers: list[str] = []
    for line in lines:
        if line["do"] == "permission.request":
            options = line["body"]["options"]
            assert line["body"]["request_id"] not in offered
            offered[line["body"]["request_id"]] = {o["option_id"]: o["kind"] for o in options}
        elif line["do"] == "permission.decide":
            answers.append(offered.pop(line["request_id"])[line["body"]["option_id"]])

    assert not offered
    assert {"allow_once", "reject_once"} <= set(answers)


def test_stored_text_is_the_chunks_before_it(lines: list[Line]) -> None:
    texts = ("agent.message", "agent.thought")
    chunks: list[tuple[str, str]] = []
    for line in lines:
        for event in line.get("events", ()):
            if event["type"] not in texts:
                continue
            text = "".join(part["text"] for part in event["data"]["parts"])
            assert text
            if line["do"] == "partial":
                chunks.append((event["type"], text))
            else:
                assert {kind for kind, _ in chunks} == {event["type"]}
                assert "".join(piece for _, piece in chunks) == text
                chunks.clear()

    assert not chunks


def test_has_something_of_every_kind(lines: list[Line]) -> None:
    done = Counter(line["do"] for line in lines)
    events = stored(lines)
    types = Counter(event["type"] for event in events)
    outcomes = {e["data"]["status"] for e in events if e["type"] == "tool.returned"}

    assert set(done) == {"create", "turn.start", "permission.decide", "stop", *IN_A_TURN}
    assert {
        "agent.message",
        "agent.thought",
        "tool.called",
        "tool.progressed",
        "tool.returned",
        "plan.updated",
        "usage.reported",
        "runtime.notice",
        "acp.available_commands_update",
    } <= set(types)
    assert outcomes == {"completed", "failed"}
    assert 200 <= types.total() + done.total() - done["events"] - done["partial"] <= 400


def test_is_small_and_tells_nothing_of_the_machine() -> None:
    text = RECORDING.read_text(encoding="utf-8")

    assert len(text.encode()) < 400_000
    for word in ("/tmp", "/root", "/Users", "127.0.0.1", "localhost", "node_modules", "registry"):
        assert word not in text
