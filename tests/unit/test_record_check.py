"""What a record must be to be imported: quickly told of nearly all, and never otherwise."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from application.ports.log.events import Envelope
from domain.session.events import AgentMessage
from infrastructure.records import record_check
from infrastructure.records.codec import JsonCodec
from infrastructure.records.record_check import spelling_fault_of

SAID = AgentMessage(parts=({"type": "text", "text": "å 😀"},), message_id="m1")
ID = UUID("0190f3c2-0000-7000-8000-0000000000ab")
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def record(**more: str) -> bytes:
    return JsonCodec().encode(SAID, Envelope(ID, AT, "user:ada", "http", **more))[1]


WHOLE = record(turn_id="t1", causation="c1", idempotency_key="k1", claimed_actor="user:bob")


@pytest.mark.parametrize("field", ["turn_id", "causation", "idempotency_key", "claimed_actor"])
def test_whatever_an_event_says_of_itself_it_can_be_imported(field: str) -> None:
    assert spelling_fault_of(record(**{field: 'a "word"'})) is None
    assert spelling_fault_of(record(**{field: "word"})) is None


def test_the_quick_look_lets_nothing_through_that_the_close_one_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed = [WHOLE]
    for place in range(len(WHOLE)):
        before, after = WHOLE[:place], WHOLE[place + 1 :]
        changed += [before + new + after for new in (b"", b" ", b"\n", b"\r", b'"', b"\\", b"}")]
        changed += [before + new + after for new in (b"0", b"9", b"\xff", b"\0", b"A", b"[")]
        changed += [before + b" " + WHOLE[place:], before + WHOLE[place : place + 1] * 2 + after]
    quick = [spelling_fault_of(one) is None for one in changed]
    told_quickly = sum(map(record_check._is_plainly_spelled, changed))

    monkeypatch.setattr(record_check, "_is_plainly_spelled", lambda _: False)
    assert quick == [spelling_fault_of(one) is None for one in changed]
    assert len(changed) / 10 < told_quickly < len(changed) / 2
