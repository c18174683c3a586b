"""What each event of a log is in the words of docker-agent, as documented, frame by frame."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.docker_agent.stream.reported import REPORTED
from api.docker_agent.stream.translation import Translation
from application.partials.partial import Key, Piece
from application.ports.log.events import StoredEvent
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
from domain.values import Agent, Failure, Owner, SessionLimits
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
