"""What each event of a log is in the words of docker-agent, as documented, frame by frame."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.docker_agent.stream.reported import REPORTED
from api.docker_agent.stream.translation import Translation
from application.ports.log.events import StoredEvent
from application.ports.session.partials import Key, Piece
from application.reads.streams.stream_items import PartialText
from domain.session.events import (
    AgentMessage,
    AgentSwitched,
    AgentThought,
    ContextCompacted,
    ConversationCleared,
    ConversationRewound,
    ElicitationAnswered,
    ElicitationRequested,
    InputSteered,
    MessageAdded,
    ModelOverridden,
    ModelRestored,
    PermissionDecided,
    PermissionRequested,
    Recorded,
    RuntimeEvent,
    RuntimeNotice,
    SessionCreated,
    SessionDeleted,
    SessionErased,
    SessionEvent,
    SessionRenamed,
    SessionStalled,
    SessionStarred,
    SummaryAdded,
    ToolCalled,
    ToolProgressed,
    ToolReturned,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
    UsageRecorded,
    UsageReported,
)
from domain.session.state import ABSENT
from domain.values import Agent, Failure, Owner, SessionLimits, Usage
from tests.docker_agent.documented import DOCUMENTED, faults_of

SESSION = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
AT = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "golden_frames.json"
TEXT = ({"type": "text", "text": "hi"},)


class Codec:
    """Reads what a test has stored: the event itself, beside JSON of the ids that are looked at."""

    def __init__(self) -> None:
        self.events: list[tuple[SessionEvent, str | None]] = []

    def decode(self, stored: StoredEvent) -> Recorded:
        event, turn_id = self.events[stored.sequence - 1]
        return Recorded(stored.sequence, AT, event, turn_id)

    def from_json(self, stored: bytes) -> Any:
        return json.loads(stored)


class Log:
    """A log of a test, told event by event."""

    def __init__(self) -> None:
        self._codec = Codec()
        self.translation = Translation(self._codec, SESSION, ABSENT)  # type: ignore[arg-type]

    def tell(self, event: SessionEvent, turn_id: str | None = "t") -> str:
        self._codec.events.append((event, turn_id))
        named = {"data": {"message_id": getattr(event, "message_id", None)}, "turn_id": turn_id}
        sequence = len(self._codec.events)
        stored = StoredEvent(SESSION, sequence, sequence, "", json.dumps(named).encode(), b"")
        return self.translation.frames(stored).decode()

    def write(self, kind: str, text: str, offset: int, message_id: str = "m") -> str:
        key = Key(kind, message_id, "tool_input" if kind == "tool.called" else "text")
        piece = Piece(key, 0, 1, offset, text, 1, name="ls")
        return self.translation.partial(PartialText(SESSION, "t", piece)).decode()


def told(frames: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in frames.splitlines() if line.startswith("data: ")]


STORY: list[SessionEvent] = [
    SessionCreated(
        owner=Owner(app="a", user="u"),
        title="t",
        agent=Agent(name="root", provider="openai", model="gpt-5"),
        limits=SessionLimits(iterations=5),
    ),
    TurnStarted(turn_id="t", source="user", message_id="m1", parts=TEXT),
    AgentThought(parts=({"type": "reasoning", "text": "hm"},)),
    AgentMessage(parts=({"type": "reasoning", "text": "so"}, *TEXT)),
    ToolCalled(tool_call_id="c1", name="ls", input={"path": "/"}),
    PermissionRequested(request_id="p1", turn_id="t", options=(), tool_call_id="c1"),
    PermissionDecided(request_id="p1", decision="allow_once", option_id="y"),
    ToolProgressed(tool_call_id="c1", content="half"),
    ToolReturned(tool_call_id="c1", output={"n": 1}),
    ToolCalled(tool_call_id="c2", name="rm"),
    ToolReturned(tool_call_id="c2", status="abandoned"),
    PermissionRequested(
        request_id="p2", turn_id="t", options=(), tool="rm", arguments={"path": "/"}
    ),
    PermissionDecided(request_id="p2", decision="reject_once", option_id="n"),
    UsageReported(
        input_tokens=10, output_tokens=5, cost=0.5, meta={"context_limit": 1000, "model": "gpt-5"}
    ),
    ElicitationRequested(request_id="e1", message="who?", schema={"type": "object"}, turn_id="t"),
    ElicitationAnswered(request_id="e1", action="accept", content={}),
    ElicitationRequested(request_id="e2", message="go", url="https://x/y", meta={"k": 1}),
    ElicitationAnswered(request_id="e2", action="cancelled", reason="dismissed"),
    InputSteered(input_id="i", turn_id="t", message_id="m2", parts=TEXT),
    AgentSwitched(agent=Agent(name="sub", model="fast")),
    ModelOverridden(agent="sub", model="gpt-5", provider="openai"),
    ModelRestored(agent="sub"),
    RuntimeNotice(level="warning", text="slow"),
    RuntimeNotice(level="info", text="fine"),
    RuntimeEvent(kind="docker-agent", data={"type": "shell", "output": "x"}),
    RuntimeEvent(kind="docker-agent", data={"type": "stream_stopped"}),
    RuntimeEvent(kind="other", data={"type": "shell", "output": "x"}),
    ContextCompacted(summary="s"),
    SessionStalled(turn_id="t", reason="inactivity", idle_seconds=9),
    TurnCompleted(turn_id="t", stop_reason="max_iterations"),
    TurnStarted(turn_id="t2", source="user", message_id="m3", parts=TEXT),
    TurnFailed(turn_id="t2", failure=Failure(kind="rate_limited", summary="slow down")),
    TurnStarted(turn_id="t3", source="user", message_id="m4", parts=TEXT),
    TurnFailed(turn_id="t3", failure=Failure(kind="loop_detected")),
    TurnStarted(turn_id="t4", source="user", message_id="m5", parts=TEXT),
    TurnCancelled(turn_id="t4", reason="user_requested"),
    MessageAdded(message_id="m6", role="system", parts=TEXT),
    SessionRenamed(title=None),
    UsageRecorded(mode="set", input_tokens=1, output_tokens=2),
    SummaryAdded(summary_id="s1", text="short"),
    SessionStarred(),
    ConversationRewound(to=1, epoch=1),
    ConversationCleared(epoch=2),
    SessionDeleted(),
]


def test_every_event_is_told_as_the_golden_frames_have_it():
    log = Log()
    frames = [[type(event).__name__, log.tell(event)] for event in STORY]
    assert frames == json.loads(GOLDEN.read_text())
    for name, text in frames:
        for event in told(text):
            assert faults_of(event) == [], name
            assert event["timestamp"] == "2026-01-02T03:04:05.678900Z"


def test_the_last_frame_of_an_event_alone_has_its_sequence():
    log = Log()
    for sequence, event in enumerate(STORY, 1):
        blocks = [one for one in log.tell(event).split("\n\n") if one]
        heads = [one.partition("\n")[0] for one in blocks]
        assert [one.startswith("id: ") for one in heads] == [False] * (len(heads) - 1) + (
            [True] if heads else []
        )
        assert not heads or heads[-1] == f"id: {sequence}"


def test_what_the_log_has_no_word_for_can_be_reported():
    said = {one["type"] for event in _all_told() for one in told(event)}
    # `gap` is of a stream, and pieces of calls are told while they are written.
    assert set(DOCUMENTED) - said - REPORTED == {"gap"}
    assert set(DOCUMENTED) >= REPORTED


def _all_told() -> list[str]:
    log = Log()
    return [log.tell(event) for event in STORY]


@pytest.mark.parametrize("recorded", ["hello world", "hello", "something else"])
def test_a_message_that_was_told_while_it_was_written_is_not_told_twice(recorded: str):
    log = Log()
    log.tell(STORY[0])
    pieces = [log.write("agent.message", "hel", 0), log.write("agent.message", "lo", 3)]
    assert [told(one)[0]["content"] for one in pieces] == ["hel", "lo"]
    # What comes again, and what comes out of order, adds nothing.
    assert log.write("agent.message", "hello", 0) == ""
    assert log.write("agent.message", "x", 9) == ""
    event = AgentMessage(message_id="m", parts=({"type": "text", "text": recorded},))
    said = [one for one in told(log.tell(event)) if one["type"] == "agent_choice"]
    rest = {"hello world": [" world"], "hello": [], "something else": ["something else"]}
    assert [one["content"] for one in said] == rest[recorded]


def test_thoughts_and_calls_are_told_while_they_are_written():
    log = Log()
    log.tell(STORY[0])
    (thought,) = told(log.write("agent.thought", "hm", 0))
    assert thought == {
        "type": "agent_choice_reasoning",
        "agent_name": "root",
        "timestamp": "2026-01-02T03:04:05.678900Z",
        "content": "hm",
        "session_id": str(SESSION),
    }
    (call,) = told(log.write("tool.called", '{"pa', 0, "c1"))
    function = {"name": "ls", "arguments": '{"pa'}
    assert call["tool_call"] == {"id": "c1", "type": "function", "function": function}
    assert faults_of(call) == []
    # Where all of a thought was told already, whoever comes back still goes on after it.
    whole = AgentThought(message_id="m", parts=({"type": "reasoning", "text": "hm"},))
    (rest,) = told(frames := log.tell(whole))
    assert (rest["content"], frames[:6]) == ("", "id: 2\n")


def said(*events: SessionEvent) -> list[dict[str, Any]]:
    """Return what is said of the last of several events, without what all words have."""
    log = Log()
    *before, last = events
    for event in before:
        log.tell(event)
    common = ("timestamp", "agent_name", "session_id")
    return [
        {name: value for name, value in word.items() if name not in common}
        for word in told(log.tell(last))
    ]


BEGUN = STORY[0]
STARTED = TurnStarted(turn_id="t", source="user", message_id="m1", parts=TEXT)
ERROR_CODES = [
    "model_error", "rate_limited", "context_exceeded", "request_too_large", "media_too_large",
    "tool_failed", "hook_blocked", "loop_detected",
]  # fmt: skip


@pytest.mark.parametrize("code", [*ERROR_CODES, "no_driver"])
def test_why_a_turn_broke_is_told_in_the_codes_that_there_are(code: str):
    error, stopped = said(BEGUN, STARTED, TurnFailed(turn_id="t", failure=Failure(kind=code)))
    named = {"code": code} if code in ERROR_CODES else {}
    assert error == {"type": "error", "error": code, **named}
    special = code in ("hook_blocked", "loop_detected")
    assert stopped == {"type": "stream_stopped", "reason": code if special else "error"}


@pytest.mark.parametrize(
    ("reason", "stopped"),
    [
        ("end_turn", "normal"), ("error", "error"), ("canceled", "canceled"),
        ("hook_blocked", "hook_blocked"), ("loop_detected", "loop_detected"),
    ],
)  # fmt: skip
def test_why_a_turn_ended_is_told_in_the_reasons_that_there_are(reason: str, stopped: str):
    done = TurnCompleted(turn_id="t", stop_reason=reason)
    assert said(BEGUN, STARTED, done) == [{"type": "stream_stopped", "reason": stopped}]


@pytest.mark.parametrize(
    ("decision", "grant", "confirmation"),
    [
        ("allow_once", None, "approve"), ("allow_once", "once", "approve"),
        ("allow_always", None, "approve-session"), ("allow_once", "session", "approve-session"),
        ("allow_always", "tool", "approve-tool"), ("reject_once", None, "reject"),
        ("reject_always", "tool", "reject"), ("timeout", None, "reject"),
        ("cancelled", None, "reject"),
    ],
)  # fmt: skip
def test_each_decision_has_a_word(decision: str, grant: Any, confirmation: str):
    (word,) = said(BEGUN, PermissionDecided(request_id="p", decision=decision, grant=grant))
    assert word["confirmation"] == confirmation


@pytest.mark.parametrize(
    ("action", "confirmation"),
    [("accept", "accept"), ("decline", "decline"), ("cancel", "cancel"), ("timeout", "cancel")],
)
def test_each_answer_has_a_word(action: Any, confirmation: str):
    (word,) = said(BEGUN, ElicitationAnswered(request_id="e", action=action))
    assert word["confirmation"] == confirmation


def test_what_a_turn_has_used_is_told_before_its_last_word():
    done = TurnCompleted(turn_id="t", stop_reason="end_turn", usage=Usage(input_tokens=7))
    assert [one["type"] for one in said(BEGUN, STARTED, done)] == ["token_usage", "stream_stopped"]


@pytest.mark.parametrize(
    ("length", "shown"), [(5, 5), (2**63 - 1, 2**63 - 1), (2**63, 0), (-1, 0), (True, 0), ("5", 0)]
)
def test_usage_is_told_in_numbers_that_a_client_reads(length: Any, shown: int):
    meta = {"context_length": length, "context_limit": length, "model": length}
    used = {"input_tokens": 10, "output_tokens": 5, "cached_tokens": 3, "reasoning_tokens": 2}
    (word,) = said(BEGUN, STARTED, UsageReported(**used, cost=0.5, meta=meta))
    assert word["usage"] == {
        "input_tokens": 10, "output_tokens": 5, "context_length": shown, "context_limit": shown,
        "cost": 0.5,
        "last_message": {
            "input_tokens": 10, "output_tokens": 5, "cached_input_tokens": 3,
            "cached_write_tokens": 0, "reasoning_tokens": 2, "Cost": 0.5,
            "Model": length if isinstance(length, str) else "",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ToolProgressed(tool_call_id="c", title="half"), [{
            "type": "tool_call_output", "tool_call_id": "c", "output": "half",
            "tool_definition": {"name": ""}}]),
        *((RuntimeNotice(level=level, text="x"), [{"type": "warning", "message": "x"}])
          for level in ("warning", "warn", "error")),
        (RuntimeNotice(level="debug", text="x"), []),
        # Of the kind that is reported, but refused as what it says it is.
        (RuntimeEvent(kind="docker-agent", data={"type": "shell", "output": "x"},
                      problem={"code": "invalid"}), []),
        (SessionErased(reason="r", app="a", began_at=AT), [
            {"type": "session_exited", "reason": "session ended"}]),
        (ModelRestored(agent="root"), [
            {"type": "agent_info", "model": "openai/gpt-5", "description": ""}]),
        (ModelRestored(agent="sub"), [{"type": "agent_info", "model": "", "description": ""}]),
        (SessionRenamed(title=None), [{"type": "session_title", "title": ""}]),
    ],
)  # fmt: skip
def test_each_of_these_events_is_told_so(event: SessionEvent, words: list[dict[str, Any]]):
    assert said(BEGUN, event) == words


def test_what_a_driver_reports_is_of_the_time_at_which_it_was_recorded():
    shell = {"type": "shell", "output": "x", "timestamp": "0001-01-01T00:00:00Z", "more": 1}
    log = Log()
    (word,) = told(log.tell(RuntimeEvent(kind="docker-agent", data=shell)))
    assert word == shell | {"timestamp": "2026-01-02T03:04:05.678900Z"}


def test_what_is_shown_is_told_where_it_is():
    meta = {"file_id": "f1"}
    parts = (
        {"type": "file", "url": "f1", "meta": meta},
        {"type": "file", "url": "/a", "media_type": "x/y", "meta": meta},
        {"type": "image", "data": "aGk=", "media_type": "image/png", "meta": {"detail": "low"}},
    )
    shown, _ = said(BEGUN, TurnStarted(turn_id="t", source="user", message_id="m", parts=parts))
    url = "data:image/png;base64,aGk="
    assert shown["multi_content"] == [
        {"type": "file", "file": {"path": "", "file_id": "f1", "mime_type": ""}},
        {"type": "file", "file": {"path": "/a", "file_id": "f1", "mime_type": "x/y"}},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
    ]


def test_what_is_written_before_anything_else_is_read_is_of_the_last_sign_of_life():
    log = Log()
    log.tell(BEGUN)
    log.tell(STARTED)
    later = Translation(Codec(), SESSION, log.translation.state)  # type: ignore[arg-type]
    piece = Piece(Key("agent.message", "m", "text"), 0, 1, 0, "x", 1)
    (word,) = told(later.partial(PartialText(SESSION, "t", piece)).decode())
    assert (word["content"], word["timestamp"]) == ("x", "2026-01-02T03:04:05.678900Z")


def test_a_thought_all_of_which_is_known_is_told_as_its_rest_alone():
    log = Log()
    log.tell(BEGUN)
    log.write("agent.message", "hi", 0)
    log.write("agent.thought", "hm", 0)
    both = AgentMessage(
        message_id="m", parts=({"type": "reasoning", "text": "hm"}, {"type": "text", "text": "hi"})
    )
    assert [one["type"] for one in told(log.tell(both))] == ["message_added"]


def test_news_of_a_call_that_has_returned_names_its_tool():
    log = Log()
    for event in (
        SessionCreated(owner=Owner(app="a", user="u")),
        TurnStarted(turn_id="t1", source="user", message_id="m1", parts=TEXT),
        ToolCalled(tool_call_id="c", name="slow_build"),
        ToolReturned(tool_call_id="c", output="built"),
    ):
        log.tell(event, "t1")
    (news,) = told(log.tell(ToolProgressed(tool_call_id="c", content="uploaded"), "t1"))
    assert news["tool_definition"] == {"name": "slow_build"}
    assert (news["output"], faults_of(news)) == ("uploaded", [])


def test_a_result_that_comes_in_a_later_turn_names_the_tool_of_its_call():
    log = Log()
    for event in (
        SessionCreated(owner=Owner(app="a", user="u")),
        TurnStarted(turn_id="t1", source="user", message_id="m1", parts=TEXT),
        ToolCalled(tool_call_id="c", name="slow_build"),
        ToolReturned(tool_call_id="c", status="abandoned"),
        TurnCompleted(turn_id="t1", stop_reason="end_turn"),
        TurnStarted(turn_id="t2", source="user", message_id="m2", parts=TEXT),
    ):
        log.tell(event, None)
    late = ToolReturned(tool_call_id="c", output="built", called_in_turn="t1")
    response, _ = told(log.tell(late, "t2"))
    assert response["tool_definition"] == {"name": "slow_build"}
    assert (response["response"], faults_of(response)) == ("built", [])
