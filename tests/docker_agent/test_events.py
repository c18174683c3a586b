"""The events of a session as a stream: from the beginning or a cursor, live, and to its end."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from application.reads.streams.stream_items import READ
from tests.docker_agent.documented import faults_of
from tests.docker_agent.test_sessions import begin, ok

Json = dict[str, Any]
Frame = tuple[int | None, Json]
HI = {"parts": [{"type": "text", "text": "hi"}]}


class Stream:
    """A stream that is read frame by frame, whatever comments stand between them."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()
        self.pings = 0

    def __iter__(self) -> Iterator[Frame]:
        sequence: int | None = None
        for line in self._lines:
            if line == ": ping":
                self.pings += 1
            elif line.startswith("id: "):
                sequence = int(line[4:])
            elif line.startswith("data: "):
                event = json.loads(line[6:])
                assert faults_of(event) == []
                yield sequence, event
                sequence = None
            else:
                assert line == "", line

    def until(self, kind: str) -> list[Frame]:
        found: list[Frame] = []
        for frame in self:
            found.append(frame)
            if frame[1]["type"] == kind:
                return found
        raise AssertionError(f"the stream ended without {kind}: {found}")

    def ping(self) -> None:
        """Read on until somebody says that nothing happens."""
        for line in self._lines:
            if line == ": ping":
                return
        raise AssertionError("the stream ended")


@contextmanager
def following(
    client: httpx.Client, session: str, *, cursor: int | None = None, **query: Any
) -> Generator[Stream]:
    headers = {} if cursor is None else {"Last-Event-ID": str(cursor)}
    at = f"/api/sessions/{session}/events"
    with client.stream("GET", at, headers=headers, params=query, timeout=60) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


def turn(client: httpx.Client, session: str, name: str, text: str = "ok") -> None:
    at = f"/v1/sessions/{session}"
    ok(client.post(f"{at}/turns", json={"turn_id": name, "input": HI}), 201)
    say = {"type": "agent.message", "data": {"parts": [{"type": "text", "text": text}]}}
    ok(client.post(f"{at}/turns/{name}/events", json={"events": [say]}))
    ok(client.post(f"{at}/turns/{name}/complete", json={}))


def kinds(frames: list[Frame]) -> list[str]:
    return [event["type"] for _, event in frames]


TURN = ["user_message", "stream_started", "agent_choice", "message_added", "stream_stopped"]


def test_all_events_come_from_the_beginning_then_live_then_a_heartbeat(agent: httpx.Client):
    session = begin(agent, title="t")
    turn(agent, session, "t1")
    with following(agent, session) as stream:
        assert kinds(stream.until("stream_stopped")) == ["session_title", *TURN]
        turn(agent, session, "t2")
        live = stream.until("stream_stopped")
        assert kinds(live) == TURN
        assert [sequence for sequence, _ in live] == [None, 5, None, 6, 7]
        stream.ping()


def test_whoever_comes_back_misses_nothing_and_gets_nothing_twice(agent: httpx.Client):
    session = begin(agent)
    turn(agent, session, "t1")
    turn(agent, session, "t2")
    with following(agent, session) as stream:
        whole = [frame for _ in range(2) for frame in stream.until("stream_stopped")]
    cursors = [sequence for sequence, _ in whole if sequence is not None]
    assert cursors == sorted(set(cursors))
    for cursor in cursors[:-1]:
        expected = whole[[sequence for sequence, _ in whole].index(cursor) + 1 :]
        # `since` wins over `Last-Event-ID`, and what is no cursor is none.
        for last, query in ((cursor, {}), (1, {"since": cursor}), (cursor, {"since": "x"})):
            with following(agent, session, cursor=last, **query) as stream:
                found = [frame for _ in range(2 if cursor < 4 else 1)
                         for frame in stream.until("stream_stopped")]  # fmt: skip
            assert found == expected


def test_a_snapshot_and_the_events_after_it_join_without_a_gap(agent: httpx.Client):
    session = begin(agent)
    turn(agent, session, "t1")
    head = ok(agent.get(f"/api/sessions/{session}/snapshot"))["last_event_seq"]
    with following(agent, session, since=head) as stream:
        turn(agent, session, "t2")
        assert kinds(stream.until("stream_stopped")) == TURN


def test_a_cursor_of_another_log_is_a_gap_and_everything_anew(agent: httpx.Client):
    session = begin(agent, title="t")
    turn(agent, session, "t1")
    with following(agent, session, since=10**6) as stream:
        found = stream.until("stream_stopped")
    assert found[0] == (None, {"type": "gap"})
    assert kinds(found[1:]) == ["session_title", *TURN]


def test_the_end_of_a_session_is_told_and_is_the_end(agent: httpx.Client):
    session = begin(agent)
    with following(agent, session) as stream:
        stream.ping()
        ok(agent.delete(f"/api/sessions/{session}", params={"wait": "true", "timeout": "5s"}))
        ((sequence, last),) = list(stream)
    assert (sequence, last["type"], last["reason"]) == (2, "session_exited", "session ended")
    assert agent.get(f"/api/sessions/{session}/events").status_code == 404


def test_a_session_that_has_stopped_has_exited_until_it_goes_on(agent: httpx.Client):
    session = begin(agent)
    ok(agent.post(f"/v1/sessions/{session}/stop", json={"cause": "completed"}))
    for how in ({}, {"since": 2}):
        with following(agent, session, **how) as stream:
            assert kinds(list(stream)) == ["session_exited"]
    ok(agent.post(f"/v1/sessions/{session}/resume", json={}))
    with following(agent, session) as stream:
        turn(agent, session, "t1")
        assert kinds(stream.until("stream_stopped")) == TURN
        ok(agent.post(f"/v1/sessions/{session}/stop", json={"cause": "completed"}))
        assert kinds(list(stream)) == ["session_exited"]


def test_what_is_being_written_is_told_to_who_asks_for_it(agent: httpx.Client):
    session = begin(agent)
    at = f"/v1/sessions/{session}/turns"
    ok(agent.post(at, json={"turn_id": "t1", "input": HI}), 201)
    piece = {"type": "agent.message", "data": {"message_id": "m", "parts": [
        {"type": "text", "text": "hel"}]}}  # fmt: skip
    whole = {"type": "agent.message", "data": {"message_id": "m", "parts": [
        {"type": "text", "text": "hello"}]}}  # fmt: skip
    with following(agent, session, deltas="true") as eager, following(agent, session) as calm:
        eager.until("stream_started")
        calm.until("stream_started")
        ok(agent.post(f"{at}/t1/events", json={"partial": True, "events": [piece]}))
        assert eager.until("agent_choice")[0][1]["content"] == "hel"
        written = ok(agent.get(f"/api/sessions/{session}/snapshot"))["in_flight"]
        assert written == [{"message_id": "m", "kind": "text", "content": "hel"}]
        ok(agent.post(f"{at}/t1/events", json={"events": [whole]}))
        (_, rest), (sequence, _) = eager.until("message_added")
        assert (rest["content"], sequence) == ("lo", 3)
        assert calm.until("message_added")[0][1]["content"] == "hello"


@pytest.mark.parametrize("cursor", ["-1", "1.5", "٣", "9" * 30, ""])
def test_what_is_no_cursor_is_as_none(agent: httpx.Client, cursor: str):
    session = begin(agent, title="t")
    with following(agent, session, since=cursor) as stream:
        assert kinds(stream.until("session_title")) == ["session_title"]


def test_a_sub_session_is_told_as_a_whole_when_it_has_ended(agent: httpx.Client):
    parent = begin(agent)
    asked = {"role": "worker", "ttl_seconds": 60, "agent": {"name": "sub"}}
    child = ok(agent.post(f"/v1/sessions/{parent}/spawn", json=asked), 201)["session"]["id"]
    turn(agent, child, "t1", "found it")
    ok(agent.post(f"/v1/sessions/{child}/stop", json={"cause": "completed"}))
    with following(agent, parent) as stream:
        sequence, told = stream.until("sub_session_completed")[-1]
    assert (told["parent_session_id"], told["sub_session"]["id"]) == (parent, child)
    said = [one["message"]["content"] for one in told["sub_session"]["messages"]]
    assert said == ["hi", "found it"]
    assert sequence is not None
    ok(agent.delete(f"/api/sessions/{child}"))
    with following(agent, parent, since=sequence - 1) as stream:
        ok(agent.patch(f"/api/sessions/{parent}/title", json={"title": "t"}))
        assert kinds(stream.until("session_title")) == ["session_title"]


def test_a_sub_session_is_told_as_it_was_when_it_ended_whenever_it_is_read(agent: httpx.Client):
    parent = begin(agent)
    asked = {"role": "worker", "ttl_seconds": 60, "agent": {"name": "sub"}}
    child = ok(agent.post(f"/v1/sessions/{parent}/spawn", json=asked), 201)["session"]["id"]
    turn(agent, child, "t1", "found it")
    with following(agent, parent) as stream:
        ok(agent.post(f"/v1/sessions/{child}/stop", json={"cause": "completed"}))
        live = stream.until("sub_session_completed")
    ok(agent.patch(f"/api/sessions/{child}/title", json={"title": "later"}))
    ok(agent.post(f"/v1/sessions/{child}/resume", json={}))
    turn(agent, child, "t2", "and more")
    with following(agent, parent) as stream:
        assert stream.until("sub_session_completed") == live


def test_a_fork_says_that_it_begins_with_what_is_in_its_snapshot(agent: httpx.Client):
    origin = begin(agent, title="t")
    turn(agent, origin, "t1")
    fork = ok(agent.post(f"/v1/sessions/{origin}/fork", json={}), 201)["session"]["id"]
    with following(agent, fork) as stream:
        told = stream.until("warning")
        assert kinds(told) == ["session_title", "warning"]
        assert "snapshot" in told[-1][1]["message"]
        turn(agent, fork, "t2")
        assert kinds(stream.until("stream_stopped")) == TURN
    shown = ok(agent.get(f"/api/sessions/{fork}/snapshot"))["messages"]
    assert [one["message"]["content"] for one in shown] == ["hi", "ok"] * 2


def test_a_blob_is_told_as_the_place_where_it_can_be_read(agent: httpx.Client):
    session = begin(agent)
    owner = ok(agent.get(f"/v1/sessions/{session}"))["session"]
    at = f"/v1/apps/{owner['app']}/users/{owner['user']}/blobs"
    sent = agent.post(at, content=b"bytes", headers={"Content-Type": "image/png"})
    blob = ok(sent, sent.status_code)["blob"]
    parts = [{"type": "image", "blob": blob}, {"type": "file", "blob": blob}]
    body = {"turn_id": "t1", "input": {"parts": parts}}
    ok(agent.post(f"/v1/sessions/{session}/turns", json=body), 201)
    with following(agent, session) as stream:
        told = stream.until("user_message")[-1][1]["multi_content"]
    (shown,) = ok(agent.get(f"/api/sessions/{session}"))["messages"]
    assert shown["message"]["multi_content"] == told
    for url in (told[0]["image_url"]["url"], told[1]["file"]["path"]):
        assert agent.get(url).content == b"bytes"


@pytest.mark.parametrize(
    "report",
    [
        {"type": []},
        {"type": "shell", "output": 5},
        {"type": "toolset_info", "available_tools": 1.5, "loading": False},
        {"type": "hook_blocked", "tool_call": {"function": {"name": 1}}, "tool_definition": {}},
        {"type": "stream_stopped"},
        {"type": "warning", "message": "x", "agent_name": 1},
        "shell",
        None,
    ],
)
def test_what_a_driver_reports_and_no_client_could_read_ends_no_stream(
    agent: httpx.Client, report: Any
):
    session = begin(agent)
    ok(agent.post(f"/v1/sessions/{session}/turns", json={"turn_id": "t1", "input": HI}), 201)
    warning = {"type": "warning", "message": "x", "timestamp": "0001-01-01T00:00:00Z"}
    done = [{"type": "docker-agent", "data": one} for one in (report, warning)]
    ok(agent.post(f"/v1/sessions/{session}/turns/t1/events", json={"events": done}))
    with following(agent, session) as stream:
        told = stream.until("warning")
    assert kinds(told) == ["user_message", "stream_started", "warning"]
    assert told[-1][1]["timestamp"][:2] == "20"


def test_how_far_a_confirmation_goes_is_told(agent: httpx.Client):
    session = begin(agent)
    ok(agent.post(f"/v1/sessions/{session}/turns", json={"turn_id": "t1", "input": HI}), 201)
    options = [{"option_id": kind, "name": kind, "kind": kind}
               for kind in ("allow_once", "reject_once")]  # fmt: skip
    asked = ("approve", "reject", "approve-tool", "approve-session")
    for number, confirmation in enumerate(asked):
        body = {"request_id": f"p{number}", "turn_id": "t1", "options": options,
                "tool": f"tool{number}"}  # fmt: skip
        ok(agent.post(f"/v1/sessions/{session}/interactions", json=body), 201)
        ok(agent.post(f"/api/sessions/{session}/resume", json={"confirmation": confirmation}))
    with following(agent, session) as stream:
        told = [stream.until("authorization_event")[-1][1]["confirmation"] for _ in asked]
    assert told == list(asked)


def test_a_session_that_had_stopped_where_a_reading_ends_has_not_exited(agent: httpx.Client):
    session = begin(agent)
    at = f"/v1/sessions/{session}"
    ok(agent.post(f"{at}/turns", json={"turn_id": "t1", "input": HI}), 201)
    note = {"type": "something.else", "data": {}}
    # Two events are before these, and two after: the last one is the end of the first reading.
    ok(agent.post(f"{at}/turns/t1/events", json={"events": [note] * (READ - 4)}))
    ok(agent.post(f"{at}/turns/t1/complete", json={}))
    ok(agent.post(f"{at}/stop", json={"cause": "completed"}))
    assert ok(agent.get(f"/api/sessions/{session}/snapshot"))["last_event_seq"] == READ
    ok(agent.post(f"{at}/resume", json={}))
    turn(agent, session, "t2")
    with following(agent, session) as stream:
        assert kinds(stream.until("agent_choice"))[-1] == "agent_choice"
