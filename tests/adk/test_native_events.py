"""What others record natively, in the words of google-adk: its own models take all of it."""

import warnings
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.adk import log as adk_log
from api.adk.log import Item, Unfolding
from api.adk.requests import parsed
from api.adk.wire import Event, event_record
from api.http.outgoing.responses import from_json
from application.ports.log.events import Envelope, StoredEvent
from domain.errors import CairnError
from domain.parts import require_parts
from domain.session import commands as c
from domain.session import events as e
from domain.session.content.conversation import Past, past_at
from domain.session.state import ABSENT
from infrastructure.records.codec import JsonCodec
from tests.property.effort import examples
from tests.support.builders import (
    NOON,
    OWNER,
    added,
    called,
    failed,
    foreign,
    obey,
    returned,
    started,
    state_after,
    text,
)
from tests.support.strategies import EVENTS, json_values, turn_ids

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sessions: Any = pytest.importorskip(
        "google.adk.sessions.session", reason="google-adk is installed by make setup-importers"
    )
    rewinds: Any = pytest.importorskip("google.adk.events._rewind_events")

Json = dict[str, Any]
pytestmark = pytest.mark.filterwarnings("ignore")
CODEC = JsonCodec()


def made_of(kind: str, fields: Json) -> Json:
    return {**fields, "type": kind}


def alone(part: Json) -> tuple[Json, ...]:
    return (part,)


def as_kept(event: Json) -> Json:
    return event_record(parsed(Event, event), new_id="e1", now=1.0)


def is_taken(part: Json) -> bool:
    try:
        require_parts((part,))
    except CairnError:
        return False
    return True


def log_of(events: list[Any], turns: list[str | None], origin: str = "http") -> list[StoredEvent]:
    """A log of these events, each in its turn."""
    found: list[StoredEvent] = []
    for number, (event, turn) in enumerate(zip(events, turns, strict=True), 1):
        envelope = Envelope(
            id=UUID(int=number), at=NOON, actor="agent", origin=origin, turn_id=turn,
            causation=None, idempotency_key=None,
        )  # fmt: skip
        name, record = CODEC.encode(event, envelope)
        found.append(StoredEvent(envelope.id, number, number, name, record, b""))
    return found


def read_by_google_adk(items: list[Item]) -> Any:
    told = b",".join(one.json for one in items)
    head = b'{"id":"s","appName":"a","userId":"u","lastUpdateTime":1.0,"state":{},"events":['
    return sessions.Session.model_validate_json(head + told + b"]}")


_fields = st.sampled_from(
    ["text", "data", "url", "blob", "media_type", "name", "tool_call_id", "input", "output"]
)
_kinds = st.sampled_from(["text", "reasoning", "image", "file", "tool_call", "tool_result", "x"])
odd_parts = (
    st.builds(
        made_of,
        _kinds,
        st.dictionaries(_fields, json_values | st.sampled_from(["-__-", "aGk="]), max_size=4),
    )
    .filter(is_taken)
    .map(alone)
)
"""Parts with any value in the fields that something is made of, as far as they are taken."""
_said = st.one_of(
    st.builds(e.MessageAdded, message_id=st.just("m1"), role=st.just("user"), parts=odd_parts),
    st.builds(e.AgentMessage, parts=odd_parts),
    st.builds(
        e.TurnStarted,
        turn_id=turn_ids,
        source=st.just("user"),
        message_id=st.just("m1"),
        parts=odd_parts,
    ),
)


@examples(600)
@given(st.lists(st.tuples(_said | st.one_of(*EVENTS.values()), st.none() | turn_ids), max_size=8))
def test_no_event_of_a_log_is_one_that_google_adk_refuses(made: list[tuple[Any, str | None]]):
    log = log_of([event for event, _ in made], [turn for _, turn in made])
    read_by_google_adk(Unfolding(CODEC).items(log))


_steps = st.lists(st.just("say") | st.just("clear") | st.integers(0, 20), max_size=12)


@examples(200)
@given(_steps)
def test_google_adk_sees_what_counts_after_going_back(steps: list[str | int]):
    said: list[list[str]] = [[]]
    """What counts after each event, as the native transcript has it."""
    events: list[Any] = []
    for number, step in enumerate(steps, 1):
        if step == "say":
            events.append(added(f"m{number}", str(number)))
            said.append([*said[-1], str(number)])
        elif step == "clear":
            events.append(e.ConversationCleared(epoch=number))
            said.append([])
        else:
            to = min(int(step), number - 1)
            events.append(e.ConversationRewound(to=to, epoch=number))
            said.append(said[to])
    items: list[Item] = []
    Unfolding(CODEC, items).items(log_of(events, [None] * len(events)))
    session = read_by_google_adk(items)
    counts = [one for one in rewinds._apply_rewinds(session.events) if one.content is not None]
    assert [one.content.parts[0].text for one in counts] == said[-1]


_NAMES = st.sampled_from("abcd")
_DONE = st.lists(st.tuples(st.just("say") | st.just("back"), _NAMES), max_size=4)


@examples(200)
@given(_DONE, st.lists(_DONE, max_size=8))
def test_the_native_conversation_goes_back_where_google_adk_goes_back(
    began: list[tuple[str, str]], later: list[list[tuple[str, str]]]
):
    """What is said in invocations of four names, in the creation and after it, and taken back."""
    events: list[Any] = []
    known: dict[str, Past] = {}
    session = ABSENT
    numbers = count(1)

    def made(steps: list[tuple[str, str]]) -> tuple[c.ForeignEvent, ...]:
        found: list[c.ForeignEvent] = []
        for do, name in steps:
            event_id = f"e{next(numbers)}"
            actions = {"rewindBeforeInvocationId": name} if do == "back" else {}
            invocation = name if do == "say" else event_id
            record = {"id": event_id, "author": "user", "invocationId": invocation}
            said = {"content": {"parts": [{"text": event_id}]}} if do == "say" else {}
            found.append(
                foreign(
                    event_id,
                    turn_id=invocation,
                    record=as_kept({**record, **said, "actions": actions}),
                    means=(e.AgentMessage(parts=text(event_id)),) if said else (),
                    back_before=name if actions else None,
                    past=known.get(name) if actions else None,
                )
            )
        return tuple(found)

    def ask(command: Any) -> None:
        nonlocal session
        session, recorded = obey(session, command)
        events.extend(one.event for one in recorded)

    def find() -> list[Item]:
        items: list[Item] = []
        Unfolding(CODEC, items).items(log_of(events, [None] * len(events)))
        for one in items:
            if one.glance.invocationId not in known:
                to = one.first - 1
                known[one.glance.invocationId] = past_at(to, state_after(events[:to]))
        return items

    ask(c.CreateSession(owner=OWNER, foreign=made(began)))
    items = find()
    for steps in filter(None, later):
        ask(c.RecordForeignEvents(events=made(steps)))
        items = find()
    said: list[list[str]] = [[]]
    for event in events:
        if isinstance(event, e.MessageAdded):
            said.append([*said[-1], event.message_id])
        else:
            to = event.to if isinstance(event, e.ConversationRewound) else -1
            said.append(said[to])
    counts = [
        one for one in rewinds._apply_rewinds(read_by_google_adk(items).events) if one.content
    ]
    assert [one.id for one in counts] == said[-1]
    assert session.spoken.messages == len(said[-1])


@pytest.mark.parametrize(("origin", "codes"), [("http", []), ("recovery", ["crash"])])
def test_how_a_run_failed_is_told_when_nobody_is_left_who_has_told_it(
    origin: str, codes: list[str]
):
    meta = {"adk.event": None}
    call = {"author": "helper", "content": {"parts": [{"functionCall": {"id": "c1"}}]}}
    data = {"covers": 1, "event": as_kept(call)}
    events = [
        started("t1", meta=meta),
        e.RuntimeEvent(kind="adk.event", data=data),
        called("c1"),
        e.ToolReturned(tool_call_id="c1", status="failed"),
        failed("t1", kind="crash"),
    ]
    items: list[Item] = []
    Unfolding(CODEC, items).items(log_of(events, ["t1"] * 5, origin))
    session = read_by_google_adk(items)
    assert [one.error_code for one in session.events if one.error_code] == codes
    answers = [one for one in session.events if one.get_function_responses()]
    assert [one.author for one in answers] == ["helper"] * len(codes)


def test_many_calls_that_a_stop_left_open_are_answered_and_each_event_is_read_once(
    monkeypatch: pytest.MonkeyPatch,
):
    count, reads = 200, list[bytes]()

    def counted(content: bytes) -> Any:
        reads.append(content)
        return from_json(content)

    monkeypatch.setattr(adk_log, "from_json", counted)
    events: list[Any] = [started("t1", meta={"adk.event": None})]
    for number in range(count):
        call = {"functionCall": {"id": f"c{number}", "name": "look"}}
        data = {"covers": 1, "event": as_kept({"author": "helper", "content": {"parts": [call]}})}
        events += [e.RuntimeEvent(kind="adk.event", data=data), called(f"c{number}")]
    events += [returned(f"c{number}", status="cancelled") for number in range(count)]
    items: list[Item] = []
    Unfolding(CODEC, items).items(log_of(events, ["t1"] * len(events)))
    session = read_by_google_adk(items)
    answered = [one.id for event in session.events for one in event.get_function_responses()]
    assert answered == [f"c{number}" for number in range(count)]
    assert len(reads) <= len(items)
