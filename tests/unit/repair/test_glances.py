"""A log that is read at a glance gives the report of one that is looked at closely, row by row."""

import json
from typing import Any
from uuid import UUID

import pytest

from domain.log.chain import genesis, link, record_hash
from domain.repair.analyser import Analyser, Facts
from domain.repair.cairn_rows import CairnRows
from domain.repair.integrity import Placed
from domain.repair.report import Options, Report
from infrastructure.records.codec import JsonCodec

SESSION = UUID(int=7)
AT = "2031-03-01T10:00:00.000000Z"


def record(type_: str, *, at: Any = AT, turn: Any = None, v: int = 1, **data: Any) -> bytes:
    value = {"id": "e", "type": type_, "v": v, "at": at, "actor": "a", "origin": "o"}
    if turn is not None:
        value["turn_id"] = turn
    return json.dumps({**value, "data": data}).encode()


def said(at: Any = AT, turn: Any = None) -> bytes:
    return record("agent.message", at=at, turn=turn, parts=[])


def called(turn: Any = "t1", **data: Any) -> bytes:
    return record("tool.called", turn=turn, name="grep", **data)


def started(turn: Any = "t1") -> bytes:
    data = {"turn_id": "t1", "source": "user", "message_id": "m", "parts": []}
    return record("turn.started", turn=turn, **data)


CREATED = record("session.created", v=2, owner={"app": "a"})
STOPPED = record("session.stopped", cause="process_exited", reason="agent_crashed")


def report(records: list[tuple[str, bytes]], *, glances: bool) -> Report:
    rows: list[Placed] = []
    digest = genesis(SESSION)
    for number, (type_, raw) in enumerate(records, 1):
        digest = link(digest, record_hash(raw))
        rows.append((number, number + 100, type_, raw, digest, None))
    reader = CairnRows(str(SESSION), glances=JsonCodec().glances if glances else None)
    analyser = Analyser(reader, Options(scope="all"), genesis(SESSION))
    for at in range(0, len(rows), 3):
        analyser.page(rows[at : at + 3], reader)
    return analyser.report(Facts(source="live", standing=reader.standing))


@pytest.mark.parametrize(
    ("odd", "code"),
    [
        (said(at=""), "invalid_event_json"),
        (said(at="2031-03-01T10:00:60Z"), "invalid_event_json"),
        (said(at="2031-03-01T10:00:01"), "invalid_event_json"),
        (said(at="2031-03-01T10:00:01z"), "invalid_event_json"),
        (said(at="2031-03-01 10:00:01Z"), "invalid_event_json"),
        (said(at="2031-02-30T10:00:01Z"), "invalid_event_json"),
        (said(at=7), "invalid_event_json"),
        (said(at="2031-03-01T10:00:01.\u0661Z"), None),
        (said(at="2031-03-01T10:00:01+01:00"), None),
        (said(at="2031-03-01T10:01:01.5Z"), None),
        (said(turn=""), None),
        (said(turn=" t1 "), None),
        (said(turn=7), "invalid_event_json"),
        (said(turn="t2"), None),
        (called(), "dangling_tool_call_missing_id"),
        (called(tool_call_id=" "), "dangling_tool_call_missing_id"),
        (called(turn="", tool_call_id=" "), "dangling_tool_call_missing_id"),
        (called(turn=" ", tool_call_id="c9"), None),
        (called(tool_call_id=" c1 "), None),
        (record("tool.called", turn="t1", tool_call_id="c9"), "invalid_event_json"),
        (record("tool.returned", turn="t1", tool_call_id="c1", status="completed"), None),
        (record("agent.message", turn="t1", v=9, parts=[]), "unknown_event_version"),
        (record("agent.message", turn="t1"), "invalid_event_json"),
        (record("agent.thought", turn="t1", parts=[]), "event_type_mismatch"),
        (b'{"type":"agent.message"', "invalid_event_json"),
        (b"\xff", "invalid_event_json"),
    ],
)
def test_odd_rows_are_found_either_way(odd: bytes, code: str | None) -> None:
    log = [
        ("session.created", CREATED),
        ("turn.started", started()),
        ("agent.message", said()),
        ("tool.called", called(tool_call_id="c1")),
        (_named(odd), odd),
        ("agent.message", said(at="2031-03-01T10:00:09Z", turn="t1")),
        ("session.stopped", STOPPED),
    ]
    seen, closely = report(log, glances=True), report(log, glances=False)

    assert seen == closely
    assert code in {None, *(issue.code for issue in seen.issues)}
    assert bool(code) == any(issue.sequence == 5 for issue in seen.issues)


def test_a_type_that_this_program_does_not_know_belongs_to_its_turn_either_way() -> None:
    log = [
        ("session.created", CREATED),
        ("another.thing", record("another.thing", turn="t5", x=1)),
        ("session.stopped", STOPPED),
    ]
    seen = report(log, glances=True)

    assert seen == report(log, glances=False)
    assert "no_repairable_turn" not in {issue.code for issue in seen.issues}


def _named(raw: bytes) -> str:
    return (
        "tool.called"
        if b"tool.called" in raw
        else ("tool.returned" if b"tool.returned" in raw else "agent.message")
    )
