"""Any log, damaged in any way: it can be looked at, what is whole can be read, and repair ends."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from application.ports.log.events import Envelope
from application.ports.log.inspection import FoundEvent
from domain.errors import CairnError
from domain.log.chain import genesis, link, record_hash
from domain.repair.analyser import Analyser, Facts
from domain.repair.cairn_rows import CairnRows
from domain.repair.codes import ISSUES
from domain.repair.integrity import Placed
from domain.repair.report import Options, PlannedEvent, Report
from domain.session.commands import (
    InterruptedTurn,
    RecordActivity,
    RepairSession,
    ResumeSession,
    StartTurn,
    StopSession,
)
from domain.session.events import Recorded
from domain.session.evolve import fold
from infrastructure.records.codec import JsonCodec
from tests.property.effort import attempts, examples
from tests.support.builders import NOON, SESSION_ID, called, obey, returned, text
from tests.support.strategies import EVENTS, suiting

CODEC = JsonCodec()
GENESIS = genesis(SESSION_ID)
_PAGE = 4


@dataclass(frozen=True)
class Log:
    """A log as it lies in a store, and the head that is kept of it."""

    rows: Sequence[Placed]
    head: tuple[int, bytes, int]

    def grown(self, recorded: Sequence[Recorded]) -> "Log":
        """Return the log with more events, chained on the head."""
        rows, (sequence, digest, position) = [*self.rows], self.head
        for one in recorded:
            sequence, position = sequence + 1, position + 2
            envelope = Envelope(UUID(int=sequence), one.at, "ada", "api", one.turn_id)
            type_, record = CODEC.encode(one.event, envelope)
            digest = link(digest, record_hash(record))
            rows.append((sequence, position, type_, record, digest, None))
        return Log(rows, (sequence, digest, position))

    def decoded(self) -> list[Recorded]:
        """Return what every reader of the log makes of it."""
        return [CODEC.decode(FoundEvent(*row)) for row in self.rows]


EMPTY = Log((), (0, GENESIS, 0))
Damage = Callable[[Log], Log]
places = st.integers(0, 40)


def _changed(at: int, change: Callable[[Placed], list[Placed]]) -> Damage:
    """Return the damage that puts other rows in the place of one."""

    def damage(log: Log) -> Log:
        number = at % len(log.rows) if log.rows else 0
        rows = [*log.rows[:number], *change(log.rows[number]), *log.rows[number + 1 :]]
        return Log(sorted(rows, key=lambda row: row[:2]), log.head)

    return lambda log: damage(log) if log.rows else log


def _record(row: Placed, record: bytes) -> list[Placed]:
    return [(*row[:3], record, *row[4:])]


def _field(row: Placed, name: str, value: Any) -> list[Placed]:
    try:
        record = msgspec.json.decode(row[3]) | {name: value}
    except (msgspec.DecodeError, TypeError, UnicodeDecodeError):
        return [row]
    return _record(row, msgspec.json.encode(record))


def _other_byte(row: Placed, at: int, byte: int) -> list[Placed]:
    record = bytearray(row[3] or b"-")
    record[at % len(record)] = byte
    return _record(row, bytes(record))


def _swapped(one: int, other: int) -> Damage:
    """Return the damage that exchanges what two rows say, and leaves their sequences."""

    def damage(log: Log) -> Log:
        rows = [*log.rows]
        if rows:
            a, b = one % len(rows), other % len(rows)
            first, second = rows[a], rows[b]
            rows[a], rows[b] = (first[0], *second[1:]), (second[0], *first[1:])
        return Log(sorted(rows, key=lambda row: row[:2]), log.head)

    return damage


_UNREADABLE = [
    b"",
    b"\xff{",
    b"[]",
    b"null",
    b"{",
    b"[" * 5000,
    b'{"type":"turn.started","v":1,"at":"2026-01-01T00:00:00Z","data":{"n":1' + b"0" * 400 + b"}}",
    b'{"type":"tool.called","v":1e400,"at":"2026-01-01T00:00:00Z","data":{}}',
]
_ODD = st.sampled_from([None, "", "turn.started", "x", 0, -1, 99, 2**70, 1e300, [], {}, "\ud800"])
_FIELDS = st.sampled_from(["id", "type", "v", "at", "turn_id", "data", "actor"])
_LOST_ENDS = st.sampled_from(["turn.failed", "turn.cancelled", "turn.completed", "tool.returned"])


def _without(type_: str) -> Damage:
    """Return the damage that takes all events of a type away, as a partial restore does."""
    return lambda log: Log([row for row in log.rows if row[2] != type_], log.head)


DAMAGES: dict[str, st.SearchStrategy[Damage]] = {
    "hole": places.map(lambda at: _changed(at, lambda _: [])),
    "duplicate": st.builds(
        lambda at, by: _changed(at, lambda row: [row, (row[0], row[1] + by, *row[2:])]),
        places, st.integers(-3, 50),
    ),
    "swapped": st.builds(_swapped, places, places),
    "byte": st.builds(
        lambda at, where, byte: _changed(at, lambda row: _other_byte(row, where, byte)),
        places, st.integers(0, 500), st.integers(0, 255),
    ),
    "unreadable": st.builds(
        lambda at, record: _changed(at, lambda row: _record(row, record)),
        places, st.sampled_from(_UNREADABLE) | st.binary(max_size=20),
    ),
    "field": st.builds(
        lambda at, name, value: _changed(at, lambda row: _field(row, name, value)),
        places, _FIELDS, _ODD,
    ),
    "version": places.map(lambda at: _changed(at, lambda row: _field(row, "v", 99))),
    "type": st.builds(
        lambda at, name: _changed(at, lambda row: [(*row[:2], name, *row[3:])]),
        places, st.sampled_from(["turn.started", "tool.called", "another.thing", ""]),
    ),
    "digest": places.map(lambda at: _changed(at, lambda row: [(*row[:4], bytes(32), row[5])])),
    "position": st.builds(
        lambda at, by: _changed(at, lambda row: [(row[0], row[1] + by, *row[2:])]),
        places, st.integers(-60, 60),
    ),
    "cut": places.map(lambda at: lambda log: Log(log.rows[:at], log.head)),
    "cut, and the head with it": places.map(
        lambda at: lambda log: (
            Log(log.rows[:at], (log.rows[:at][-1][0], log.rows[:at][-1][4], log.rows[:at][-1][1]))
            if log.rows[:at] else Log((), EMPTY.head)
        )
    ),
    "head ahead": st.integers(1, 9).map(
        lambda by: lambda log: Log(log.rows, (log.head[0] + by, log.head[1], log.head[2] + by))
    ),
    "ends lost": _LOST_ENDS.map(_without),
}  # fmt: skip
"""What hands and failing disks do to a log, and to the head that is kept of it."""

_named = st.sampled_from(sorted(DAMAGES)).flatmap(
    lambda name: st.tuples(st.just(name), DAMAGES[name])
)
damages = st.lists(_named, max_size=3)
_lost = st.lists(_LOST_ENDS.map(lambda name: ("ends lost", _without(name))), min_size=1, max_size=3)
_lives = suiting(RepairSession)
_CRASH = (
    ResumeSession(),
    StartTurn(turn_id="t9", message_id="m9", parts=text()),
    RecordActivity(turn_id="t9", events=(called("c8"), called("c9"), returned("c8"))),
    StopSession(cause="process_exited"),
)
_made_up = st.lists(st.one_of(*EVENTS.values()), max_size=12)


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Give logs that commands lead to, and now and then ones that only imports have."""
    if draw(st.integers(0, 3)):
        session, log = draw(_lives)
        for command in draw(st.sampled_from([_CRASH, ()])):
            with suppress(CairnError):
                session, made = obey(session, command)
                log = [*log, *made]
        return EMPTY.grown(log)
    made = draw(_made_up)
    return EMPTY.grown([Recorded(n, NOON, one, "t1") for n, one in enumerate(made, 1)])


options = st.builds(Options, force=st.booleans(), scope=st.sampled_from(["final", "all"]))


def analysed(log: Log, how: Options, *, quickly: bool = True) -> Report:
    reader = CairnRows(str(SESSION_ID), glances=CODEC.glances if quickly else None)
    analyser = Analyser(reader, how, GENESIS)
    for at in range(0, len(log.rows), _PAGE):
        if quickly:
            analyser.page(log.rows[at : at + _PAGE], reader)
        else:
            for row in log.rows[at : at + _PAGE]:
                analyser.row(reader.closely(row))
    return analyser.report(
        Facts(source="live", standing=reader.standing, head=log.head, keeps_head=True)
    )


def told(log: Log) -> list[Any]:
    """Return what digests and the kept head answer for: all but the positions."""
    return [(sequence, *rest) for sequence, _, *rest in log.rows]


def closing(planned: PlannedEvent) -> InterruptedTurn:
    """Return what a report plans as the log will have it."""
    document = {**planned.document(), "v": 1, "at": "2026-01-01T00:00:00Z"}
    record = msgspec.json.encode(document)
    event: Any = CODEC.decode(FoundEvent(1, 1, planned.type, record, b"")).event
    return InterruptedTurn(planned.turn_id, event)


def applied(log: Log, report: Report) -> Log:
    """Return the log after the plan of a report was carried out."""
    command = RepairSession(
        repair_id="r",
        report_digest=report.digest,
        report={},
        closing=tuple(map(closing, report.planned_events)),
    )
    _, made = obey(fold(log.decoded()), command)
    turns = [one.turn_id for one in report.planned_events]
    named = [one._replace(turn_id=turn) for one, turn in zip(made, [*turns, None], strict=True)]
    return log.grown(named)


def test_any_damage_can_be_looked_at_read_past_and_is_repaired_once():
    seen = Counter[str]()
    made = Counter[str]()

    @examples(40)
    @given(logs(), st.one_of(damages, _lost), options)
    def holds(whole: Log, done: list[tuple[str, Damage]], how: Options):
        log = whole
        for name, damage in done:
            log = damage(log)
            made[name] += 1
        before = (tuple(log.rows), log.head)

        report = analysed(log, how)

        seen.update(issue.code for issue in report.issues)
        # The quick look and the close one agree to the byte, and each time anew.
        assert analysed(log, how, quickly=False).document() == report.document()
        assert analysed(log, how).digest == report.digest
        assert (tuple(log.rows), log.head) == before
        if log.head == whole.head and told(log) != told(whole):
            assert {issue.severity for issue in report.issues} - {"info"}
        # Whatever was done to others, an event that is as it was says what it said.
        was = dict(zip(whole.rows, whole.decoded(), strict=True))
        for row, recorded in zip(log.rows, log.decoded(), strict=True):
            assert was.get(row, recorded) == recorded
        fold(log.decoded())
        if report.blocked:
            assert not report.actions or not report.gated
        elif report.actions:
            made["repaired"] += 1
            after = applied(log, report)
            assert [row for row in after.rows if row in log.rows] == [*log.rows]
            again = analysed(after, how)
            assert not again.actions
            assert not again.blocked

    for _ in attempts(holds, lambda: made.keys() >= {*DAMAGES, "repaired"}):
        holds()
    assert made.keys() >= {*DAMAGES, "repaired"}
    assert seen.keys() <= ISSUES.keys()
