"""Lines read many at a time are judged as they are one by one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from application.transfer import log_check
from application.transfer.drafts import DraftedLog
from application.transfer.foreign import Draft, ForeignSession, foreign_session_id
from application.transfer.line_pages import events_of, page_of, plain_events
from application.transfer.lines import event_of
from application.transfer.log_check import LogCheck, LogRefused
from domain.repair.rows import decoded
from domain.session.events import (
    AgentMessage,
    SessionCreated,
    SessionEvent,
    StatePatched,
    ToolCalled,
    ToolReturned,
    TurnCompleted,
    TurnStarted,
)
from domain.values import Owner
from infrastructure.records.codec import JsonCodec
from infrastructure.records.record_check import spelling_fault_of

_AT = datetime(2026, 1, 31, tzinfo=UTC)
_SAID = ({"type": "text", "text": "ö"},)
_HAPPENED: tuple[SessionEvent, ...] = (
    TurnStarted(turn_id="t", message_id="m", source="user", parts=_SAID),
    ToolCalled(tool_call_id="c", name="shell", input={}),
    ToolReturned(tool_call_id="c", output="done"),
    StatePatched(set={"user:name": "Ana"}),
    AgentMessage(message_id="a", parts=_SAID),
    TurnCompleted(turn_id="t", stop_reason="end_turn"),
)


def _log() -> tuple[LogCheck, list[bytes]]:
    log = DraftedLog(
        ForeignSession(
            source="test",
            source_id="1",
            session_id=foreign_session_id("test", "1"),
            created=SessionCreated(owner=Owner(app="a", user="u")),
            created_at=_AT,
            drafts=[
                Draft(event=event, at=_AT + timedelta(seconds=number))
                for number, event in enumerate(_HAPPENED)
            ],
        ),
        JsonCodec(),
    )
    lines = [line.rstrip(b"\n") for line in log.lines()]
    codec = JsonCodec()
    return LogCheck(log.header(), {3}, decoded, codec, spelling_fault_of), lines


def _judged(change: Callable[[bytes], bytes], *, sealed: bool) -> object:
    """Return all that is found of the log whose fourth event is another one."""
    check, lines = _log()
    event = event_of(lines[3])
    assert event is not None
    lines[3] = change(lines[3])
    if sealed:
        before = event_of(lines[2])
        assert before is not None
        record = b"{" + lines[3].partition(b'",')[2].partition(b'"digest":"')[2][66:]
        digest = sha256(before.digest + sha256(record).digest()).hexdigest().encode()
        lines[3] = lines[3].replace(event.digest.hex().encode(), digest)
    try:
        check.take(lines)
    except LogRefused as refused:
        return refused.code, refused.detail
    return check.damage(), check.digests, check.shared, check.events, check.digest


_CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda line: line,
    "digest in capitals": lambda line: line.replace(line[98:170], line[98:170].upper()),
    "another log": lambda line: line.replace(line[15:51], line[15:51][::-1]),
    "another sequence": lambda line: line.replace(b'"sequence":4', b'"sequence":9'),
    "position that goes back": lambda line: line.replace(b'"position":4', b'"position":1'),
    "position 0": lambda line: line.replace(b'"position":4', b'"position":0'),
    "another record": lambda line: line.replace(b"done", b"gone"),
    "carriage return": lambda line: line.replace(b'"data":{', b'"data":{\r'),
    "white space in data": lambda line: line.replace(b'"data":{', b'"data":{ '),
    "white space before data": lambda line: line.replace(b'"data":{', b'"data": {'),
    "not UTF-8": lambda line: line.replace(b"done", b"\xff"),
    "not JSON": lambda line: line.replace(b'"done"', b"done"),
    "no object": lambda line: line.replace(b'"done"}}', b'"done"}'),
    "a field behind the data": lambda line: line[:-1] + b',"more":{}}',
    "the data twice": lambda line: line[:-1] + b',"data":{}}',
    "30 February": lambda line: line.replace(b"2026-01-31", b"2026-02-30"),
    "hour 24": lambda line: line.replace(b"T00:", b"T24:"),
    "time without microseconds": lambda line: line.replace(b".000000Z", b"Z"),
    "newer version": lambda line: line.replace(b'"v":1', b'"v":99'),
    "unknown type": lambda line: line.replace(b"tool.returned", b"tool.returning"),
    "id in capitals": lambda line: line.replace(b'"id":"', b'"id":"A', 1),
    "turn of spaces": lambda line: line.replace(b'"turn_id":"t"', b'"turn_id":"  "'),
    "escaped turn": lambda line: line.replace(b'"turn_id":"t"', b'"turn_id":"\\u0074"'),
    "no output of a type that needs none": lambda line: line.replace(b',"output":"done"', b""),
    "call without id": lambda line: line.replace(b'"tool_call_id":"c"', b'"tool_call_id":7'),
    "no line at all": lambda _: b"",
}


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_a_line_is_judged_the_same_quickly_and_closely(
    change: Callable[[bytes], bytes], *, sealed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly = _judged(change, sealed=sealed)
    monkeypatch.setattr(log_check, "plain_events", lambda _: ())
    assert quickly == _judged(change, sealed=sealed)


def test_a_whole_log_is_read_quickly() -> None:
    check, lines = _log()
    assert len(plain_events(lines)) == len(lines)
    check.take(lines)
    assert check.damage() is None
    assert [step.sequence for step in check.shared] == [5]


def test_events_are_those_of_the_lines_one_by_one() -> None:
    _, lines = _log()
    for some in (lines, [*lines, b"{}"], [*lines, None]):
        one_by_one = [None if line is None else event_of(line) for line in some]
        assert [one and one[:5] for one in events_of(some)] == [
            one and one[1:] for one in one_by_one
        ]


def test_a_page_ends_with_the_line_with_which_it_has_a_mebibyte() -> None:
    long = b"x" * 600_000
    assert page_of(iter([long, long, b"", b""]), 9) == [long, long]
    assert page_of(iter([b"", None, b""]), 2) == [b"", None]
