"""Batches of events of a turn, one of which is not right."""

from typing import Any

import pytest

from tests.support.api import HELLO, Json, SessionApi, done, refused

NOTE: Json = {"type": "runtime.notice", "data": {"level": "info", "text": "fine"}}
CALL: Json = {"type": "tool.called", "data": {"tool_call_id": "c1", "name": "ls"}}
LARGE: Json = {"type": "x", "data": "x" * (1 << 20)}


def said(message_id: str) -> Json:
    return {"type": "agent.message", "data": {"parts": HELLO, "message_id": message_id}}


def returned(call: str) -> Json:
    return {"type": "tool.returned", "data": {"tool_call_id": call}}


def record(session: SessionApi, events: list[Any], **rest: Any) -> Any:
    return session.post("/turns/t1/events", {"events": events, **rest})


@pytest.mark.parametrize(
    ("wrong", "status", "code", "why"),
    [
        (7, 422, "invalid", "events[2]: "),
        ({}, 422, "invalid", "events[2].type: "),
        ({"type": "a b"}, 422, "invalid", "events[2].type: "),
        ({**NOTE, "more": 1}, 422, "invalid", "events[2].more: unknown field"),
        ({"type": "tool.result"}, 422, "invalid", "did you mean `tool.returned`"),
        ({"type": "turn.completed"}, 422, "invalid", "events[2].type: "),
        ({"type": "runtime.notice"}, 422, "invalid", "events[2].data.level: "),
        ({"type": "agent.message", "data": {"parts": []}}, 422, "invalid", "events[2].data.parts"),
        ({**NOTE, "offset": 1}, 422, "invalid", "events[2].offset: only what is `partial`"),
        (CALL, 409, "tool_call_exists", "is open in this turn"),
        (returned("c9"), 409, "tool_call_not_open", "No open tool call"),
        (said("theirs"), 409, "message_exists", "already has a message"),
        (LARGE, 413, "record_too_large", "at most"),
    ],
)  # fmt: skip
def test_the_refusal_of_a_batch_says_which_event_is_not_right_and_why(
    session: SessionApi, wrong: Any, status: int, code: str, why: str
) -> None:
    session.say(id="theirs")
    session.start()
    with session.nothing_recorded():
        problem = refused(record(session, [CALL, NOTE, wrong, NOTE]), status, code, index=2)
    assert why in problem["detail"]
    done(record(session, [CALL, NOTE, NOTE]))


def test_of_several_events_that_are_not_right_the_first_is_named(session: SessionApi) -> None:
    session.start()
    with session.nothing_recorded():
        refused(record(session, [{"type": "a b"}, NOTE, {"type": ""}]), 422, "invalid", index=0)
        refused(record(session, [NOTE, returned("c8"), LARGE]), 409, "tool_call_not_open", index=1)


def test_a_batch_that_is_wrong_as_a_whole_names_no_event(session: SessionApi) -> None:
    session.start()
    with session.nothing_recorded():
        for events in ([], [NOTE] * 1001, None, {"0": NOTE}):
            body = {"events": events}
            assert "index" not in refused(session.post("/turns/t1/events", body), 422, "invalid")
        nowhere = session.post("/turns/t9/events", {"events": [NOTE]})
        assert "index" not in refused(nowhere, 404, "turn_not_found")


def test_an_event_that_is_too_large_is_counted_among_those_that_were_sent(
    session: SessionApi,
) -> None:
    session.start()
    done(record(session, [CALL]))
    steer = {"input": {"parts": HELLO}, "turn_id": "i1", "mode": "steer"}
    done(session.post("/turns", steer), 202)
    with session.nothing_recorded():
        response = record(session, [returned("c1"), NOTE, LARGE], take_inputs=True)
        refused(response, 413, "record_too_large", index=2)


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        (NOTE, 422, "invalid"),
        ({**said("m2"), "index": 1}, 422, "invalid"),
        ({**said("m2"), "offset": 9}, 409, "piece_misplaced"),
        (said("theirs"), 409, "message_exists"),
    ],
)
def test_the_refusal_of_pieces_says_which_is_not_right(
    session: SessionApi, wrong: Any, status: int, code: str
) -> None:
    session.say(id="theirs")
    session.start()
    right = {**said("m1"), "offset": 0}
    with session.nothing_recorded():
        refused(record(session, [right, wrong], partial=True), status, code, index=1)
        assert done(session.get("/snapshot"))["turn"]["partial"] == []
