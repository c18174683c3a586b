"""What the analyser promises of any log: pure, repeatable, bounded, and blind to nothing."""

import json
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

import pytest

from domain.log.chain import genesis, link, record_hash
from domain.log.erased_records import left_of
from domain.repair.analyser import MOST_ISSUES, Facts, analyse
from domain.repair.cairn_rows import CairnRows
from domain.repair.codes import ISSUES
from domain.repair.report import Options, Report
from domain.repair.rows import INTERRUPTED, Role, Row, Standing
from domain.repair.turns import Turns

SESSION = UUID(int=7)
AT = "2031-03-01T10:00:00.000000Z"
Stored = tuple[int, str, bytes, int, bytes]
Damage = Callable[[list[Stored]], list[Stored]]


def record(
    number: int, type_: str, turn: str | None = None, version: int = 1, **data: Any
) -> bytes:
    value = {"id": f"e{number}", "type": type_, "v": version, "at": AT, "actor": "a", "origin": "o"}
    if turn:
        value["turn_id"] = turn
    return json.dumps({**value, "data": data}).encode()


def chained(*records: tuple[str, bytes]) -> list[Stored]:
    digest, stored = genesis(SESSION), list[Stored]()
    for number, (type_, raw) in enumerate(records, 1):
        digest = link(digest, record_hash(raw))
        stored.append((number, type_, raw, number + 100, digest))
    return stored


def begun(*, stopped: str | None = "agent_crashed") -> list[Stored]:
    rows = [
        ("session.created", record(1, "session.created", version=2, owner={"app": "a"})),
        (
            "turn.started",
            record(2, "turn.started", "t1", turn_id="t1", source="user", message_id="m", parts=[]),
        ),
        ("tool.called", record(3, "tool.called", "t1", tool_call_id="c1", name="grep")),
    ]
    if stopped:
        stop = record(4, "session.stopped", cause="process_exited", reason=stopped)
        rows.append(("session.stopped", stop))
    return chained(*rows)


def report(
    stored: list[Stored],
    *,
    head: tuple[int, bytes, int] | None = None,
    found: tuple[tuple[str, str], ...] = (),
    options: Options = Options(),  # noqa: B008 - it cannot change
) -> Report:
    reader = CairnRows(str(SESSION))
    rows = [reader.row(n, t, raw, position=p, digest=d) for n, t, raw, p, d in stored]
    if head is None and stored:
        head = (stored[-1][0], stored[-1][4], stored[-1][3])
    facts = Facts(source="live", standing=reader.standing, head=head, keeps_head=True, found=found)
    return analyse(rows, facts, options, reader, genesis(SESSION))


def codes(made: Report) -> list[str]:
    return [issue.code for issue in made.issues]


def test_what_is_open_is_planned_byte_for_byte() -> None:
    made = report(begun()).document()

    assert [(one["type"], one["turn_id"]) for one in made["planned_events"]] == [
        ("tool.returned", "t1"),
        ("turn.failed", "t1"),
    ]
    assert made["planned_events"][0]["data"] == {
        "tool_call_id": "c1",
        "status": "failed",
        "output": {"error": INTERRUPTED},
    }
    assert made["actions"][0]["tool_name"] == "grep"
    assert not made["blocked"]


def test_the_digest_depends_on_the_log_and_the_options_alone() -> None:
    first = report(begun())
    dry = first.document()
    done = first.applied("r", ["e9", "e10"], 7, 107).document()

    assert dry["report_digest"] == report(begun()).digest == done["report_digest"]
    assert dry["report_digest"] != report(begun(), options=Options(force=True)).digest
    assert dry["report_digest"] != report(begun()[:3]).digest


_DAMAGE: list[tuple[Damage, str]] = [
    (lambda rows: [rows[0], *rows[2:]], "event_sequence_gap"),
    (lambda rows: [*rows[:2], rows[1], *rows[2:]], "event_sequence_duplicate"),
    (lambda rows: [rows[0], rows[2], rows[1], rows[3]], "event_sequence_regression"),
    (lambda rows: _with(rows, 1, record=b"\xff{"), "invalid_event_json"),
    (lambda rows: _with(rows, 1, record=b"[]"), "invalid_event_json"),
    (lambda rows: _with(rows, 1, record=b"[" * 200_000), "invalid_event_json"),
    (lambda rows: _with(rows, 1, record=b'{"v":' + b"9" * 5000 + b"}"), "invalid_event_json"),
    (lambda rows: _with(rows, 1, record=record(2, "turn.started", "t1")), "invalid_event_json"),
    (lambda rows: _with(rows, 1, type_="turn.completed"), "event_type_mismatch"),
    (lambda rows: _with(rows, 1, digest=bytes(32)), "digest_mismatch"),
    (lambda rows: _with(rows, 1, record=rows[1][2].replace(b'"m"', b'"n"')), "digest_mismatch"),
    (lambda rows: _with(rows, 2, position=1), "position_regression"),
    (
        lambda rows: _with(rows, 2, record=rows[2][2].replace(b'"v": 1', b'"v": 9')),
        "unknown_event_version",
    ),
]


@pytest.mark.parametrize(("damage", "expected"), _DAMAGE)
def test_damage_is_named_and_blocks(damage: Damage, expected: str) -> None:
    made = report(damage(begun()))

    assert expected in codes(made)
    assert made.blocked is ISSUES[expected].blocks
    assert bool(made.actions) is not made.blocked


def _with(
    rows: list[Stored],
    index: int,
    *,
    type_: str | None = None,
    record: bytes | None = None,
    position: int | None = None,
    digest: bytes | None = None,
) -> list[Stored]:
    number, was, raw, at, chain = rows[index]
    changed = (
        number, type_ or was, raw if record is None else record, position or at, digest or chain
    )  # fmt: skip
    return [*rows[:index], changed, *rows[index + 1 :]]


def test_one_changed_byte_is_one_finding_at_its_own_event() -> None:
    rows = begun()
    made = report(_with(rows, 2, record=rows[2][2].replace(b"grep", b"grab")))

    found = [(issue.code, issue.sequence) for issue in made.issues]
    assert found == [("digest_mismatch", 3)]


@pytest.mark.parametrize("head", [(9, bytes(32), 109), (4, bytes(32), 104)])
def test_a_head_that_is_not_the_end_of_the_log_blocks(head: tuple[int, bytes, int]) -> None:
    made = report(begun(), head=head)

    assert codes(made) == ["event_head_mismatch"]
    assert made.blocked
    assert not made.actions


def test_a_head_at_another_position_than_the_last_event_blocks() -> None:
    rows = begun()
    made = report(rows, head=(4, rows[-1][4], 109))

    assert [issue.detail for issue in made.issues] == [
        "the head is at position 109, event 4 is not"
    ]
    assert made.blocked
    assert not made.actions


def test_an_erased_event_is_explained_by_a_later_one_alone() -> None:
    reader = CairnRows(str(SESSION))
    (_, type_, raw, *_), *_ = begun()
    erased = left_of(raw, type_, AT)
    reader.row(1, type_, erased, erased_hash=record_hash(raw))

    assert reader.unexplained == [
        ("erasure_unexplained", "event 1 is erased, and nothing says why")
    ]
    said = record(2, "session.erased", reason="asked", app="a", began_at=AT)
    reader.row(2, "session.erased", said)
    assert reader.unexplained == []


def test_what_lists_show_wrongly_blocks_nothing() -> None:
    made = report(begun(), found=(("read_model_mismatch", "title"),))

    assert codes(made) == ["read_model_mismatch"]
    assert made.actions


def test_a_session_that_is_not_stopped_is_never_touched() -> None:
    made = report(begun(stopped=None), options=Options(force=True))

    assert codes(made) == ["session_not_stopped"]
    assert (made.blocked, made.gated, list(made.actions)) == (True, True, [])


def test_force_takes_one_issue_away_and_adds_the_actions() -> None:
    asked, forced = (
        report(begun(stopped="completed"), options=Options(force=force)) for force in (False, True)
    )

    assert codes(asked) == ["stop_reason_requires_force"]
    assert codes(forced) == []
    assert len(forced.actions) == 2


def test_earlier_turns_are_closed_only_when_all_are_asked_for() -> None:
    rows = begun(stopped=None)
    started = record(4, "turn.started", "t2", turn_id="t2", source="user", message_id="n", parts=[])
    stop = record(5, "session.stopped", cause="process_exited", reason="agent_crashed")
    whole = chained(
        *((t, raw) for _, t, raw, _, _ in rows),
        ("turn.started", started),
        ("session.stopped", stop),
    )

    final = report(whole)
    every = report(whole, options=Options(scope="all"))

    assert [one.turn_id for one in final.actions] == ["t2"]
    assert [(one.code, one.turn_id) for one in every.actions] == [
        ("append_interrupted_tool_result", "t1"),
        ("append_terminal_error", "t1"),
        ("append_terminal_error", "t2"),
    ]


def long_log(events: int, calls: int) -> Iterator[Stored]:
    digest = genesis(SESSION)
    for number in range(1, events + 1):
        if number <= 2:
            name, raw = begun()[number - 1][1:3]
        elif number <= calls + 2:
            name = "tool.called"
            raw = record(number, name, "t1", tool_call_id=f"c{number}", name="grep")
        elif number == events:
            name = "session.stopped"
            raw = record(number, name, cause="process_exited", reason="agent_crashed")
        else:
            name = "agent.message"
            raw = record(number, name, "t1", parts=[{"type": "text", "text": "x" * 200}])
        digest = link(digest, record_hash(raw))
        yield number, name, raw, number, digest


def analyse_long(stored: Iterable[Stored]) -> Report:
    reader = CairnRows(str(SESSION))
    facts = Facts(source="import", standing=Standing(str(SESSION), "stopped", "agent_crashed"))
    rows = (reader.row(n, t, raw, position=p, digest=d) for n, t, raw, p, d in stored)
    return analyse(rows, facts, Options(), reader, genesis(SESSION))


def test_a_log_of_a_hundred_thousand_events_is_analysed_in_time() -> None:
    stored = list(long_log(100_000, 20_000))
    began = time.process_time()
    made = analyse_long(stored)
    taken = time.process_time() - began

    assert len(made.actions) == 20_001
    assert taken < 6.0, "1.5 s on a machine that has nothing else to do"


def most_held_in_analysing(events: int) -> int:
    """Return the bytes that an analysis has at most, without what other threads have meanwhile.

    Servers of other tests may run in this process: what they take is more, and never less.
    """
    peaks: list[int] = []
    tracemalloc.start()
    try:
        for _ in range(5):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            analyse_long(long_log(events, 10))
            _, peak = tracemalloc.get_traced_memory()
            peaks.append(peak - before)
    finally:
        tracemalloc.stop()
    return min(peaks)


def test_the_memory_of_an_analysis_does_not_grow_with_what_was_said() -> None:
    assert most_held_in_analysing(10_000) < most_held_in_analysing(1_000) + 256 * 1024


def test_a_call_that_is_told_again_without_its_name_keeps_it() -> None:
    turns = Turns()
    for name in ("", "grep", ""):
        turns.follow(Row(None, None, "t1", "call", "c1", name))
    assert [one.tool_name for one in turns.plan("final") if one.tool_call_id] == ["grep"]


def test_calls_of_turns_that_ended_long_ago_are_known_in_little_memory() -> None:
    turns = Turns()

    def turn(number: int) -> None:
        def row(role: Role, call: str = "") -> None:
            turns.follow(Row(None, None, f"t{number}", role, call))

        row("input")
        for call in range(50):
            row("call", f"{number}-{call}-of-a-certain-length")
            row("result", f"{number}-{call}-of-a-certain-length")
        row("call", f"{number} open")
        row("terminal")

    turn(0)
    tracemalloc.start()
    try:
        for number in range(1, 400):
            turn(number)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 400 * 50 * 100
    # What was answered stays so, whatever comes late, and what was not stays open.
    turns.follow(Row(None, None, "t0", "call", "0-7-of-a-certain-length", "grep"))
    turns.follow(Row(None, None, "t0", "call", "0 new"))
    turns.follow(Row(None, None, "t1", "result", "1 open"))
    open_calls = {(one.turn_id, one.tool_call_id) for one in turns.plan("all")}
    assert open_calls == {
        ("t0", "0 new"), *((f"t{number}", f"{number} open") for number in range(400) if number != 1)
    }  # fmt: skip


def test_issues_without_end_do_not_make_a_report_without_end() -> None:
    stored = chained(*(("x.y", record(n, "x.y")) for n in range(1, 4 * MOST_ISSUES)))
    made = report(stored[::2])

    assert len(made.issues) == MOST_ISSUES
    assert made.issues_omitted > 0
