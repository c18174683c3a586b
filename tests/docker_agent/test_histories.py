"""Whatever a session has lived through is told in events that clients of docker-agent can read."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.docker_agent.shapes.messages import messages_of
from api.docker_agent.stream.translation import Translation
from api.docker_agent.stream.vocabulary import KIND
from application.ports.log.events import Envelope, StoredEvent
from domain.session import commands as c
from domain.session.content.transcript import Transcript
from domain.session.events import (
    AgentMessage,
    AgentThought,
    MessageAdded,
    PermissionDecided,
    Recorded,
    RuntimeEvent,
    SessionStarred,
    ToolCalled,
    TurnStarted,
    Unrecognised,
    UsageReported,
)
from domain.session.evolve import fold
from domain.session.state import ABSENT
from infrastructure.records.codec import JsonCodec
from tests.docker_agent.documented import DOCUMENTED, WRAPPED, faults_in, faults_of
from tests.property.effort import attempts, examples
from tests.support.builders import EVENT_ID, SESSION_ID, completed, created, history, started, text
from tests.support.strategies import events, json_objects, json_values, message_ids, suiting

CODEC = JsonCodec()
Json = dict[str, Any]
Block = tuple[int | None, Json]

_BLOB = "sha256:" + "0" * 64
_meta = st.none() | st.dictionaries(
    st.sampled_from(["detail", "file_id", "signature", "model", "context_length", "context_limit",
                     "docker-agent.message"]),
    json_values | st.fixed_dictionaries({"usage": json_objects, "model": json_values}),
    max_size=3,
)  # fmt: skip
_parts = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=3)),
        st.builds(lambda text: {"type": "reasoning", "text": text}, st.text(max_size=3)),
        st.builds(
            lambda kind, where, meta: {"type": kind, **where, "meta": meta},
            st.sampled_from(["image", "file"]),
            st.sampled_from([{"url": "http://x"}, {"data": "aGk="}, {"blob": _BLOB}]),
            _meta,
        ),
        st.builds(
            lambda kind, more: {**more, "type": kind},
            st.sampled_from(["document", "tool_call", "tool_result", "data", "refusal"]),
            st.dictionaries(
                st.sampled_from(["document", "tool_call_id", "name", "output", "is_error"]),
                json_values,
            ),
        ),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
reports = st.builds(
    lambda kind, more: {**more, "type": kind},
    st.sampled_from(sorted(DOCUMENTED)) | json_values,
    st.dictionaries(
        st.sampled_from(sorted({"agent_name", "timestamp"}.union(*DOCUMENTED.values()))).map(
            lambda name: name.removesuffix("?")
        ),
        json_values | st.sampled_from(["x", 1, True, {"type": "function", "function": {}}]),
    ),
)
_odd = st.one_of(
    st.builds(MessageAdded, message_id=message_ids, parts=_parts, meta=_meta,
              role=st.sampled_from(["user", "agent", "system", "tool"])),
    st.builds(TurnStarted, turn_id=st.just("t1"), source=st.just("user"), parts=_parts,
              message_id=message_ids),
    st.builds(AgentMessage, parts=_parts, meta=_meta),
    st.builds(AgentThought, parts=_parts, meta=_meta),
    st.builds(UsageReported, input_tokens=st.just(1), meta=_meta),
    st.builds(RuntimeEvent, kind=st.just(KIND), data=reports),
    st.builds(PermissionDecided, request_id=st.just("r1"), grant=st.sampled_from(
        [None, "once", "session", "tool"]), decision=st.sampled_from(
        ["allow_once", "allow_always", "reject_once", "timeout", "cancelled"])),
)  # fmt: skip
_kinds = st.sampled_from(
    [c.RecordActivity, c.CompleteTurn, c.DecidePermission, c.StartTurn, c.ExpireDue,
     c.RewindConversation, c.StopSession, c.DeleteSession]
)  # fmt: skip
lives = st.one_of(
    _kinds.flatmap(suiting).map(lambda life: life[1]),
    st.lists(events, max_size=12).map(history),
    st.lists(_odd, max_size=6).map(history),
)
"""Logs that commands led to, and such as only a damaged log or a driver of another mind has."""


def rows_of(log: list[Recorded]) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    for one in log:
        is_unknown = isinstance(one.event, Unrecognised)
        event = SessionStarred() if is_unknown else one.event
        name, record = CODEC.encode(event, Envelope(EVENT_ID, one.at, "a", "http", one.turn_id))
        name = "of.a.later.program" if is_unknown else name
        found.append(StoredEvent(SESSION_ID, one.sequence, one.sequence, name, record, b""))
    return found


def blocks_of(frames: bytes) -> list[Block]:
    found: list[Block] = []
    for block in frames.decode().split("\n\n")[:-1]:
        *head, data = block.split("\n")
        assert data.startswith("data: "), block
        assert len(head) < 2, block
        number = int(head[0].removeprefix("id: ")) if head else None
        found.append((number, json.loads(data[6:])))
    return found


_told: set[str] = set()


@examples(300)
@given(lives, st.data())
def check_frames(log: list[Recorded], data: st.DataObject):
    rows = rows_of(log)
    translation = Translation(CODEC, SESSION_ID, ABSENT)
    frames = [translation.frames(row) for row in rows]
    for one, row, told in zip(log, rows, frames, strict=True):
        blocks = blocks_of(told)
        for _, event in blocks:
            assert faults_of(event, is_reported=isinstance(one.event, RuntimeEvent)) == [], one
            _told.add(event["type"])
        numbers = [number for number, _ in blocks]
        assert numbers == ([*[None] * (len(blocks) - 1), row.sequence] if blocks else [])
    # Whoever goes on from a cursor is told the same, to the byte.
    cursor = data.draw(st.integers(0, len(rows)))
    again = Translation(CODEC, SESSION_ID, fold(log[:cursor]))
    assert [again.frames(row) for row in rows[cursor:]] == frames[cursor:]


def test_every_history_is_told_in_documented_events_the_same_from_every_cursor():
    for _ in attempts(check_frames, lambda: len(_told) >= 20):
        check_frames()
    assert len(_told) >= 20, _told


@examples(200)
@given(lives)
def test_every_transcript_is_read_as_messages_of_docker_agent(log: list[Recorded]):
    transcript = Transcript()
    for one in log:
        transcript.apply(one)
    entries = [CODEC.to_json(entry) for entry in transcript.entries]
    for message in messages_of(str(SESSION_ID), entries):
        assert faults_in(message, WRAPPED) == []


@examples(200)
@given(reports)
def test_what_a_driver_reports_is_told_only_if_it_can_be_read(report: Any):
    (row,) = rows_of(history([RuntimeEvent(kind=KIND, data=report)]))
    for _, event in blocks_of(Translation(CODEC, SESSION_ID, ABSENT).frames(row)):
        assert faults_of(event, is_reported=True) == []


def test_an_answer_is_of_one_turn_and_has_each_of_its_calls_once():
    call = {"type": "tool_call", "tool_call_id": "c", "name": "ls", "input": {}}
    thought = ({"type": "reasoning", "text": "hm"},)
    transcript = Transcript()
    story = [
        created(), started("t1"), AgentMessage(parts=(*text("so"), call)),
        ToolCalled(tool_call_id="c", name="ls", input={}), AgentThought(parts=thought),
        completed("t1"), AgentThought(parts=thought), MessageAdded(
            message_id="a", role="agent", parts=({"type": "text", "text": "aside"},)),
    ]  # fmt: skip
    for one in history(story):
        transcript.apply(one)
    entries = [CODEC.to_json(entry) for entry in transcript.entries]
    told = [one["message"] for one in messages_of(str(SESSION_ID), entries)]
    said = [(one["role"], one["content"], one.get("reasoning_content")) for one in told]
    assert said == [
        ("user", "go", None), ("assistant", "so", None), ("assistant", "", "hm"),
        ("assistant", "aside", "hm"),
    ]  # fmt: skip
    assert [one["id"] for one in told[1]["tool_calls"]] == ["c"]
