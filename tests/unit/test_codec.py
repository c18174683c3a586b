"""Between events and their records."""

import json
import re
from collections import Counter
from dataclasses import fields
from typing import Any, get_args
from uuid import UUID

import pytest

from application.ports.log.events import Envelope, StoredEvent
from domain.access.events import AccessGranted
from domain.log.catalogue import NAMES
from domain.scope.events import ScopeErased, ScopeOpened
from domain.session import events as e
from domain.session.events import Recorded, Unrecognised
from domain.values import Agent, Failure, Option, Owner, Usage
from infrastructure.records.codec import JsonCodec
from tests.support.builders import (
    EVENT_ID,
    GROWN,
    NOON,
    SAMPLES,
    SESSION_ID,
    added,
    created,
    started,
)

CODEC = JsonCodec()
PLAIN = Envelope(EVENT_ID, NOON, "user:ada", "http")
ONLY_WHAT_IS_NEEDED = {
    e.SessionCreated: created(),
    e.TurnCompleted: e.TurnCompleted(turn_id="t1", stop_reason="end_turn"),
    e.MessageAdded: added(),
    e.TurnStarted: started(),
    e.AgentMessage: e.AgentMessage(parts=()),
    e.ToolCalled: e.ToolCalled(tool_call_id="c1", name="shell"),
    e.UsageReported: e.UsageReported(),
    e.StatePatched: e.StatePatched(),
    e.SessionRenamed: e.SessionRenamed(title=None),
}


def stored(name: str, record: bytes, sequence: int = 7) -> StoredEvent:
    return StoredEvent(SESSION_ID, sequence, 70, name, record, b"")


def read(name: str, data: Any, v: int = 1, **more: Any) -> Recorded:
    record = {"id": str(EVENT_ID), "type": name, "v": v, "at": "2026-11-21T12:00:00.123456Z"}
    return CODEC.decode(stored(name, json.dumps({**record, "data": data, **more}).encode()))


def test_every_event_of_the_catalogue_has_a_stored_name():
    catalogued = {member for member in get_args(e.SessionEvent) if member is not Unrecognised}

    # `tests/architecture/test_declarations.py` asks the other way round.
    assert catalogued | {ScopeErased, ScopeOpened, AccessGranted} <= set(NAMES)


def test_no_event_class_is_missing_from_the_catalogue():
    classes = {
        value
        for value in vars(e).values()
        if isinstance(value, type) and value.__module__ == e.__name__
    }

    assert classes - {Recorded, Unrecognised} | {ScopeErased, ScopeOpened, AccessGranted} == set(
        NAMES
    )


def test_a_stored_name_belongs_to_one_event():
    names = [name for name, _ in NAMES.values()]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", [name for name, _ in NAMES.values()])
def test_a_stored_name_is_a_topic_and_what_happened(name):
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", name)


@pytest.mark.parametrize("version", [version for _, version in NAMES.values()])
def test_versions_count_from_one(version):
    assert version >= 1


def test_there_is_a_sample_of_every_event():
    sampled = Counter(type(event) for event in SAMPLES)

    assert NAMES.keys() - sampled.keys() == set(), "add one of each to SAMPLES"
    assert max(sampled.values()) == 1


@pytest.mark.parametrize("cls", [*NAMES, Agent, Failure, Option, Owner, Usage], ids=str)
def test_a_field_that_a_record_leaves_out_has_a_default_to_be_read_as(cls):
    for field in fields(cls):
        if field.type is Any or type(None) in get_args(field.type):
            assert field.default is None, field.name


@pytest.mark.parametrize(
    "event",
    [*SAMPLES, *GROWN, *ONLY_WHAT_IS_NEEDED.values()],
    ids=lambda event: type(event).__name__,
)
def test_what_was_written_is_read_again(event):
    name, record = CODEC.encode(event, PLAIN)

    recorded = CODEC.decode(stored(name, record))

    assert recorded == Recorded(7, NOON, event, None, PLAIN.actor)
    assert type(recorded.event) is type(event)


def test_a_record_is_the_public_form_of_an_event_byte_for_byte():
    envelope = Envelope(EVENT_ID, NOON, "user:ada", "http", "t1", "request-1", "key-1")

    name, record = CODEC.encode(e.ToolCalled(tool_call_id="c1", name="ls", input={}), envelope)

    assert name == "tool.called"
    assert record == (
        b'{"id":"01890a5d-ac96-774b-bcce-b302099a8058","type":"tool.called","v":1,'
        b'"at":"2026-11-21T12:00:00.123456Z","actor":"user:ada","origin":"http","turn_id":"t1",'
        b'"causation":"request-1","idempotency_key":"key-1",'
        b'"data":{"tool_call_id":"c1","name":"ls","input":{}}}'
    )


def test_what_is_not_known_is_left_out_of_a_record():
    _, record = CODEC.encode(e.SessionDeleted(), PLAIN)

    assert record == (
        b'{"id":"01890a5d-ac96-774b-bcce-b302099a8058","type":"session.deleted","v":1,'
        b'"at":"2026-11-21T12:00:00.123456Z","actor":"user:ada","origin":"http","data":{}}'
    )


def test_text_is_stored_as_utf_8_and_not_escaped():
    _, record = CODEC.encode(e.RuntimeNotice(level="info", text="Grüße 🪨\n"), PLAIN)

    assert '"text":"Grüße 🪨\\n"'.encode() in record


def test_null_in_what_a_client_gave_is_kept():
    _, record = CODEC.encode(e.StatePatched(set={"a": None}), PLAIN)

    assert b'"data":{"set":{"a":null},"delete":[]}' in record


def test_a_record_says_in_which_turn_it_happened():
    assert read("runtime.notice", {"level": "x", "text": "y"}, turn_id="t9").turn_id == "t9"


def test_unknown_fields_are_passed_over():
    data = {"turn_id": "t1", "stop_reason": "end", "usage": {"input_tokens": 1, "new": 2}, "n": 3}

    recorded = read("turn.completed", data, epoch=4)

    assert recorded.event == e.TurnCompleted(
        turn_id="t1", stop_reason="end", usage=Usage(input_tokens=1)
    )


def test_an_event_of_an_unknown_type_is_kept_as_it_is():
    recorded = read("input.queued", {"entry_id": "e1"}, turn_id="t1")

    assert recorded == Recorded(
        7, NOON, Unrecognised(type="input.queued", data={"entry_id": "e1"}), "t1"
    )


@pytest.mark.parametrize("cls", NAMES, ids=lambda cls: cls.__name__)
def test_an_event_of_a_newer_version_is_not_guessed_at(cls):
    name, version = NAMES[cls]

    recorded = read(name, {"a": 1}, v=version + 1)

    assert recorded.event == Unrecognised(type=name, data={"a": 1})


def test_values_become_json_and_json_becomes_values():
    value = {"id": EVENT_ID, "at": NOON, "usage": Usage(cost=0.5), "list": (1, None)}

    assert CODEC.from_json(CODEC.to_json(value)) == {
        "id": str(EVENT_ID),
        "at": "2026-11-21T12:00:00.123456Z",
        "usage": {
            "input_tokens": None, "output_tokens": None, "total_tokens": None,
            "cached_tokens": None, "reasoning_tokens": None, "cost": 0.5, "currency": None,
        },
        "list": [1, None],
    }  # fmt: skip
    assert CODEC.from_json('"text"') == "text"


def test_text_that_is_not_utf8_is_no_reason_to_stop():
    record = b'{"id":"\xff","at":"2026-01-01T00:00:00Z","v":1,"data":{"parts":[{"text":"\xff"}]}}'
    stored = StoredEvent(UUID(int=1), 1, 1, "agent.message", record, b"")

    assert isinstance(JsonCodec().decode(stored).event, Unrecognised)
    row = (1, 1, "agent.message", record, b"", None)
    assert list(JsonCodec().glances([row])) == [None]
