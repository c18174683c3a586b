"""What is stored comes back, whatever it is."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from application.ports.log.events import Envelope, StoredEvent
from domain.log.catalogue import NAMES
from domain.session.content.transcript import Transcript
from domain.session.events import ConversationCleared, Recorded
from domain.session.evolve import fold
from domain.session.state import ABSENT, Session
from infrastructure.records.codec import JsonCodec
from infrastructure.records.state_codec import decode_state, encode_state
from tests.property.effort import examples
from tests.support.builders import history
from tests.support.strategies import EVENTS, events, json_objects, reachable, texts, unreachable

CODEC = JsonCodec()
times = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
envelopes = st.builds(
    Envelope,
    id=st.integers(0, 2**128 - 1).map(lambda number: UUID(int=number)),
    at=times,
    actor=texts,
    origin=texts,
    turn_id=st.none() | texts,
    causation=st.none() | texts,
    idempotency_key=st.none() | texts,
)


def test_every_event_can_be_made_up():
    assert EVENTS.keys() == NAMES.keys()


def _read(event: Any, envelope: Envelope) -> Recorded:
    who = envelope.actor, envelope.claimed_actor
    return Recorded(1, envelope.at, event, envelope.turn_id, *who)


@examples(400)
@given(st.one_of(*EVENTS.values()), envelopes)
def test_what_was_written_is_read_again(event: Any, envelope: Envelope):
    name, record = CODEC.encode(event, envelope)

    recorded = CODEC.decode(StoredEvent(envelope.id, 1, 1, name, record, b""))

    assert recorded == _read(event, envelope)
    assert type(recorded.event) is type(event)
    # What is read and written again is the same record: import and export lose nothing.
    assert CODEC.encode(recorded.event, envelope) == (name, record)


@examples(150)
@given(st.one_of(*EVENTS.values()), envelopes, json_objects)
def test_what_a_later_program_adds_to_a_record_is_passed_over(
    event: Any, envelope: Envelope, more: dict[str, Any]
):
    name, record = CODEC.encode(event, envelope)
    written = msgspec.json.decode(record)
    extended = {f"later {key}": value for key, value in more.items()}
    written |= extended
    written["data"] |= extended

    stored = StoredEvent(envelope.id, 1, 1, name, msgspec.json.encode(written), b"")

    assert CODEC.decode(stored) == _read(event, envelope)


@examples(200)
@given(st.just(ABSENT) | reachable | unreachable)
def test_a_kept_state_comes_back_as_it_was(session: Session):
    assert decode_state(encode_state(session)) == session


@examples(100)
@given(st.lists(events, max_size=12), st.data())
def test_a_kept_state_and_the_tail_after_it_are_the_whole_log(past: list[Any], data: st.DataObject):
    log = history(past)
    cut = data.draw(st.integers(0, len(log)), label="kept at")

    kept = decode_state(encode_state(fold(log[:cut])))

    assert fold(log[cut:], kept) == fold(log)


@examples(100)
@given(st.lists(events, max_size=15))
def test_a_transcript_says_what_it_changed_and_changes_nothing_else(past: list[Any]):
    transcript = Transcript()
    for recorded in history(past):
        before = list(transcript.entries)

        changed = transcript.apply(recorded)

        if isinstance(recorded.event, ConversationCleared):
            assert [entry["kind"] for entry in transcript.entries] == ["conversation_cleared"]
            continue
        untouched = [n for n in range(len(before)) if n not in changed]
        assert all(transcript.entries[n] is before[n] for n in untouched)
        assert len(transcript.entries) == max([len(before), *(n + 1 for n in changed)])
