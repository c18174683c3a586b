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
        ({"type": "toolReturned"}, 422, "invalid", "did you mean `tool.returned`"),
        ({"type": "agentmessage"}, 422, "invalid", "did you mean `agent.message`"),
        ({"type": "turn.completed"}, 422, "invalid", "events[2].type: "),
        ({"type": "turn.complete"}, 422, "invalid", "did you mean `turn.completed`"),
        ({"type": "session.stop"}, 422, "invalid", "did you mean `session.stopped`"),
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
    ("wrong", "kind", "code", "why"),
    [
        (7, "invalid", "invalid", "events[2]: "),
        ({}, "invalid", "invalid", "events[2].type: "),
        ({"type": "a b", "data": [1]}, "invalid", "invalid", "events[2].type: "),
        ({**NOTE, "more": 1}, "runtime.notice", "invalid", "events[2].more: unknown field"),
        ({"type": "tool.result"}, "tool.result", "invalid", "did you mean `tool.returned`"),
        ({"type": "turn.completed"}, "turn.completed", "invalid", "events[2].type: "),
        ({"type": "agent.message", "data": {"parts": []}}, "agent.message", "invalid", "parts"),
        ({**NOTE, "offset": 1}, "runtime.notice", "invalid", "only what is `partial`"),
        (CALL, "tool.called", "tool_call_exists", "is open in this turn"),
        (returned("c9"), "tool.returned", "tool_call_not_open", "No open tool call"),
        (said("theirs"), "agent.message", "message_exists", "already has a message"),
    ],
)  # fmt: skip
def test_what_is_not_right_can_be_kept_verbatim_with_the_rest(
    session: SessionApi, wrong: Any, kind: str, code: str, why: str
) -> None:
    session.say(id="theirs")
    session.start()
    answer = done(record(session, [CALL, NOTE, wrong, NOTE], on_invalid="keep"))
    (kept,) = answer["kept"]
    assert (kept["index"], kept["code"]) == (2, code)
    assert why in kept["detail"]
    events = done(session.get("/events?last=4"))["events"]
    types = ["tool.called", "runtime.notice", "runtime.event", "runtime.notice"]
    assert [event["type"] for event in events] == types
    problem = {"code": code, "detail": kept["detail"]}
    assert events[2]["data"] == {"kind": kind, "data": wrong, "problem": problem}


def test_a_batch_that_is_right_is_recorded_as_ever_where_the_rest_would_be_kept(
    session: SessionApi,
) -> None:
    session.start()
    answer = done(record(session, [CALL, NOTE, returned("c1")], on_invalid="keep"))
    assert answer["kept"] == []
    types = [event["type"] for event in done(session.get("/events?last=3"))["events"]]
    assert types == ["tool.called", "runtime.notice", "tool.returned"]


def test_what_is_kept_counts_among_the_events_that_were_sent(session: SessionApi) -> None:
    session.start()
    done(record(session, [CALL]))
    steer = {"input": {"parts": HELLO}, "turn_id": "i1", "mode": "steer"}
    done(session.post("/turns", steer), 202)
    events = [returned("c1"), {"type": ""}]
    answer = done(record(session, events, on_invalid="keep", take_inputs=True))
    assert [one["input_id"] for one in answer["inputs"]] == ["i1"]
    assert [one["index"] for one in answer["kept"]] == [1]


def test_what_cannot_be_recorded_at_all_is_not_kept_either(session: SessionApi) -> None:
    session.start()
    with session.nothing_recorded():
        refused(record(session, [NOTE, LARGE], on_invalid="keep"), 413, "record_too_large", index=1)
        refused(record(session, [], on_invalid="keep"), 422, "invalid")
        refused(record(session, [NOTE], on_invalid="drop"), 422, "invalid")
        piece = {**said("m1"), "offset": 0}
        refused(record(session, [piece], on_invalid="keep", partial=True), 422, "invalid")
        nowhere = session.post("/turns/t9/events", {"events": [NOTE], "on_invalid": "keep"})
        refused(nowhere, 404, "turn_not_found")


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


def test_a_message_that_is_being_written_is_judged_by_the_newest_state(
    session: SessionApi,
) -> None:
    session.start()
    piece = said("m1")
    done(record(session, [piece], partial=True))
    refused(
        session.post("/turns/t0/events", {"events": [piece], "partial": True}),
        404,
        "turn_not_found",
        index=0,
    )
    done(record(session, [piece], partial=True))
    session.say(id="m1")
    refused(record(session, [piece], partial=True), 409, "message_exists", index=0)
