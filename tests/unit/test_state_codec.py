"""States as bytes; `tests/property` has the round trip of arbitrary ones."""

import pytest

from domain.session import events as e
from domain.session.state import ABSENT
from infrastructure import state_codec
from infrastructure.state_codec import decode_state, encode_state
from tests.support.builders import SAMPLES, called, created, requested, started, state_after

BUSY = [
    created(state={"a": [1, {"b": None}]}, metadata={"k": 1}),
    started(),
    called("c1", input={"x": [1.5]}),
    called("c2"),
    requested("r1"),
    e.PlanUpdated(entries=({"step": 1},)),
    e.UsageReported(input_tokens=3, meta={"k": 1}),
]


@pytest.mark.parametrize(
    "past", [[], BUSY[:1], BUSY, SAMPLES], ids=["absent", "new", "busy", "odd"]
)
def test_a_kept_state_comes_back_as_it_was(past):
    session = state_after(past)

    back = decode_state(encode_state(session))

    assert back == session
    assert type(back.state) is type(session.state)


def test_a_session_goes_on_from_a_kept_state_as_if_it_had_never_been_away():
    back = decode_state(encode_state(state_after(BUSY)))
    more = [e.ToolReturned(tool_call_id="c1"), e.StatePatched(set={"z": 1}, delete=("a",))]

    assert state_after(more, back) == state_after([*BUSY, *more])


def test_the_format_changes_with_the_fields_of_the_state(monkeypatch):
    before = state_codec._shape()
    monkeypatch.delattr(state_codec.shapes, "Totals")

    assert state_codec._shape() != before


def test_what_is_no_part_of_a_state_is_not_kept_by_accident():
    class Stranger:
        pass

    odd = state_after([created(metadata={"k": Stranger()})])

    with pytest.raises(NotImplementedError):
        encode_state(odd)
    assert decode_state(encode_state(ABSENT)) == ABSENT
