"""States as bytes; `tests/property` has the round trip of arbitrary ones."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from domain.session import events as e
from domain.session.state import ABSENT, FORMAT, OLDEST_FORMAT, Session
from infrastructure.records import state_codec
from infrastructure.records.state_codec import decode_state, encode_state
from tests.support.builders import (
    SAMPLES,
    called,
    created,
    queued,
    requested,
    started,
    state_after,
)

SHAPE = Path(__file__).parent / "golden" / "state_shape.txt"
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


@pytest.mark.parametrize("large", [False, True])
def test_integers_of_any_length_come_back_digit_for_digit(large: bool):
    """Those that MessagePack has no place for: JSON has, and agents send them."""
    longest = {"n": 2**64, "least": [-(2**63) - 1, 10**300], "pad": "x" * (200_000 if large else 1)}
    session = state_after(
        [
            created(state={"a": 12345678901234567890123, "b": longest}, metadata={"k": -(10**30)}),
            started(parts=({"type": "custom", "n": 10**20},)),
            called("c1", input={"x": 2**64}),
            requested("r1"),
            queued(parts=({"type": "custom", "n": 10**20},)),
        ]
    )

    assert decode_state(encode_state(session)) == session


def test_a_large_state_is_read_value_by_value(monkeypatch: pytest.MonkeyPatch):
    """Each value is one call, during which no other thread of Python can do anything."""
    keys = {f"k{n}": [{"n": n, "said": "x" * 50}] * 500 for n in range(20)}
    session = state_after([*BUSY, *(e.StatePatched(set={k: v}) for k, v in keys.items())])
    raw = encode_state(session)
    sizes, value = list[int](), state_codec._value

    def measured(one: msgspec.Raw) -> Any:
        sizes.append(len(one))
        return value(one)

    monkeypatch.setattr(state_codec, "_value", measured)
    assert decode_state(raw) == session
    assert len(sizes) == len(session.state)
    assert max(sizes) < len(raw) / 15


def test_a_session_goes_on_from_a_kept_state_as_if_it_had_never_been_away():
    back = decode_state(encode_state(state_after(BUSY)))
    more = [e.ToolReturned(tool_call_id="c1"), e.StatePatched(set={"z": 1}, delete=("a",))]

    assert state_after(more, back) == state_after([*BUSY, *more])


def test_the_shape_of_the_state_changes_only_with_its_format():
    lines = [f"format {FORMAT}", *sorted(set(shape(Session)))]
    known = SHAPE.read_text().splitlines()
    if lines == known:
        return
    changed = [*(f"+ {line}" for line in lines if line not in known)]
    changed += [f"- {line}" for line in known if line not in lines]
    told = "\n".join(changed)
    if lines[0] == known[0]:
        pytest.fail(
            f"The shape of the state has changed:\n{told}\n"
            f"Raise FORMAT in domain/session/state.py from {FORMAT} to {FORMAT + 1}. If states "
            "that were kept before give the right state with the defaults of new fields, leave "
            "OLDEST_FORMAT; if not, raise it to the same number."
        )
    SHAPE.write_text("\n".join(lines) + "\n")
    pytest.fail(f"The shape of format {FORMAT} was written to {SHAPE.name}; commit it:\n{told}")


def test_the_formats_that_are_read_end_with_the_one_that_is_written():
    assert 1 <= OLDEST_FORMAT <= FORMAT


def test_fields_that_a_kept_state_does_not_have_take_their_defaults():
    session = state_after(BUSY)
    kept = msgspec.msgpack.decode(encode_state(session))
    for field in dataclasses.fields(Session):
        older = {name: value for name, value in kept.items() if name != field.name}

        back = decode_state(msgspec.msgpack.encode(older))

        default = getattr(ABSENT, field.name)
        assert back == dataclasses.replace(session, **{field.name: default})


def test_fields_that_the_state_no_longer_has_are_passed_over():
    session = state_after(BUSY)
    kept = msgspec.msgpack.decode(encode_state(session))

    back = decode_state(msgspec.msgpack.encode({**kept, "gone": {"a": 1}}))

    assert back == session


def shape(kind: Any) -> Iterator[str]:
    """The fields of a class and of all classes that it holds, each with its type and default."""
    for part in get_args(kind):
        yield from shape(part)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            missing = field.default is field.default_factory is dataclasses.MISSING
            yield f"{kind.__name__}.{field.name}: {field.type}{'' if missing else ', a default'}"
            yield from shape(field.type)


def test_what_is_no_part_of_a_state_is_not_kept_by_accident():
    class Stranger:
        pass

    odd = state_after([created(metadata={"k": Stranger()})])

    with pytest.raises(NotImplementedError):
        encode_state(odd)
    assert decode_state(encode_state(ABSENT)) == ABSENT
