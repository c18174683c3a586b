"""Each check passes over a sound history, and finds what is wrong in one that is not."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.faults.checks import judge
from tests.faults.checks.commands import commands_of
from tests.faults.history import (
    GIVEN_UP,
    LOST,
    WHOLE_LOG,
    Attempt,
    Fault,
    Finding,
    FollowedTo,
    Following,
    History,
    Hostile,
    Memory,
    Processor,
    Read,
    Ready,
    Record,
    Row,
    Seen,
    Serving,
    Standing,
    Start,
    Stored,
)

WALL = 1_700_000_000.0
WORKER = 41


def attempt(key: str, called: float, returned: float, sequence: int, **rest: object) -> Attempt:
    """An append that was accepted, where session `s` is the whole log."""
    facts = {"status": 201, "worker": WORKER, "position": sequence, "kind": "message"} | rest
    return Attempt(
        key=key,
        session="s",
        called=called,
        returned=returned,
        sequence=sequence,
        **facts,  # type: ignore[arg-type]
    )


def unanswered(key: str, called: float, code: str = LOST, **rest: object) -> Attempt:
    return attempt(key, called, called + 0.1, 0, status=0, code=code, worker=0, **rest)


def refused(key: str, called: float, code: str, status: int = 409, **rest: object) -> Attempt:
    return attempt(key, called, called + 0.1, 0, status=status, code=code, **rest)


def stored(sequence: int, key: str = "", at: float = 1.0, **rest: object) -> Stored:
    facts = {"type": "message.added", "position": sequence, "id": f"e{sequence}"} | rest
    return Stored(
        session="s",
        sequence=sequence,
        key=key,
        at=WALL + at,
        **facts,  # type: ignore[arg-type]
    )


def row(sequence: int, **rest: object) -> Row:
    facts: dict[str, object] = {"title": None, "status": "idle", "starred": False, "tags": []}
    return Row(session="s", sequence=sequence, position=sequence, **facts | rest)  # type: ignore[arg-type]


def read(way: str, called: float, returned: float, head: int, **rest: object) -> Read:
    return Read(
        session="s",
        way=way,
        called=called,
        returned=returned,
        head=head,
        **rest,  # type: ignore[arg-type]
    )


SOUND: list[Record] = [
    Start(seed=1, wall=WALL, patience=2.0, budget=100),
    attempt("a", 1.0, 1.1, 1),
    attempt("b", 1.2, 1.3, 3, events=2),
    refused("c", 1.4, "turn_in_progress"),
    unanswered("d", 1.5),
    attempt("d", 1.7, 1.8, 4),
    unanswered("x", 1.5),
    read("page", 1.35, 1.4, 3, since=1, events=[(2, "e2"), (3, "e3")]),
    read("row", 1.9, 2.0, 4, status="idle"),
    read("snapshot", 1.55, 1.75, 3),
    Following(reader="r", log="s", at=0.5, after=0),
    Following(reader="f", log=WHOLE_LOG, at=0.5, after=0),
    *(Seen(reader=reader, log=log, at=2.0, number=number, id=f"e{number}")
      for reader, log in (("r", "s"), ("f", WHOLE_LOG)) for number in (1, 2, 3, 4)),
    Ready(worker=WORKER, called=2.0, returned=2.1, status=200),
    Memory(worker=WORKER, at=1.0, bytes=100),
    Fault(number=1, kind="drop clients", began=1.5, ended=1.6),
    Hostile(kind="half a head", began=1.0, ended=3.0, status=408),
    stored(1, "a", type="session.created"),
    stored(2, "b", 1.25),
    stored(3, "b", 1.25),
    stored(4, "d", 1.6),
    row(4),
]  # fmt: skip


def with_records(*more: Record) -> History:
    return History.of_records([*SOUND, *more])


def without(unwanted: Callable[[Record], bool]) -> list[Record]:
    return [one for one in SOUND if not unwanted(one)]


def changed(old: Callable[[Record], bool], **changes: object) -> History:
    return History.of_records(
        msgspec.structs.replace(one, **changes) if old(one) else one for one in SOUND
    )


def is_stored(sequence: int) -> Callable[[Record], bool]:
    return lambda one: isinstance(one, Stored) and one.sequence == sequence


def is_seen(reader: str, number: int) -> Callable[[Record], bool]:
    return lambda one: isinstance(one, Seen) and (one.reader, one.number) == (reader, number)


def is_attempt(key: str) -> Callable[[Record], bool]:
    return lambda one: isinstance(one, Attempt) and one.key == key


def is_read(way: str) -> Callable[[Record], bool]:
    return lambda one: isinstance(one, Read) and one.way == way


def test_a_sound_history_has_no_violations() -> None:
    assert judge(History.of_records(SOUND)) == []


def test_a_history_can_be_kept_and_judged_again(tmp_path: Path) -> None:
    history = History.of_records(SOUND)
    history.save(tmp_path / "history.jsonl")
    assert History.load(tmp_path / "history.jsonl").records == SOUND


TIMES = [number / 2 for number in range(20, 42)]
"""Half seconds from 10 to 20.5."""
SILENT = [refused(f"q{at}", at, "store_unavailable", 503) for at in TIMES]
AWAKE = [attempt("a", at, at + 0.1, 1) for at in TIMES]

PLANTED: dict[str, tuple[str, History]] = {
    "an acknowledged event is not stored": (
        "lost",
        History.of_records([*without(is_stored(4)), row(3)]),
    ),
    "it is stored at another place than was told": (
        "lost",
        changed(is_attempt("b"), position=2),
    ),
    "of a batch only a part is stored": (
        "lost",
        with_records(unanswered("y", 1.0, events=3), stored(5, "y"), stored(6, "y")),
    ),
    "a key is stored twice": ("doubled", with_records(stored(5, "d", 1.6))),
    "a key is answered in two ways": ("doubled", with_records(attempt("d", 1.9, 2.0, 3))),
    "what was refused is stored": ("unasked", with_records(stored(5, "c"))),
    "a refusal after an open end is one": (
        "unasked",
        with_records(unanswered("y", 1.0), refused("y", 2.0, "turn_ended"), stored(5, "y")),
    ),
    "a sequence is missing": (
        "hole",
        changed(is_stored(4), sequence=5),
    ),
    "a position is missing": ("hole", changed(is_stored(4), position=5)),
    "two events have one id": ("doubled", with_records(stored(5, position=5, id="e4"))),
    "what was answered first comes second": (
        "order",
        with_records(attempt("late", 0.1, 0.2, 5), stored(5, "late", 0.1)),
    ),
    "what was to follow a sequence follows another": (
        "order",
        changed(is_attempt("b"), after=2),
    ),
    "a read does not show what was acknowledged before it": (
        "stale",
        changed(is_read("row"), head=3),
    ),
    "a read goes back behind an earlier one": (
        "stale",
        with_records(read("snapshot", 3.0, 3.1, 3)),
    ),
    "what is so already was decided on an old state": (
        "stale",
        with_records(attempt("so", 3.0, 3.1, 2, may_be_so=True)),
    ),
    "a read shows what was not asked for yet": (
        "order",
        with_records(read("snapshot", 0.1, 0.2, 1)),
    ),
    "a page leaves an event out": ("hole", changed(is_read("page"), events=[(3, "e3")])),
    "a page shows another event": (
        "lost",
        changed(is_read("page"), events=[(2, "e2"), (3, "other")]),
    ),
    "a session that was read is not stored": (
        "lost",
        with_records(msgspec.structs.replace(read("row", 2.0, 2.1, 1), session="t")),
    ),
    "a reader misses an event": ("hole", History.of_records(without(is_seen("r", 2)))),
    "a reader of the whole log misses the last one": (
        "hole",
        History.of_records(without(is_seen("f", 4))),
    ),
    "a reader is given an event twice": (
        "doubled",
        with_records(Seen(reader="r", log="s", at=2.1, number=4, id="e4")),
    ),
    "a reader is given another event": ("lost", changed(is_seen("f", 3), id="other")),
    "a row was shown that is no fold": ("list", changed(is_read("row"), title="other")),
    "a list shows a status that is no fold": ("list", with_records(row(4, status="running"))),
    "a list ends elsewhere than the log": (
        "list",
        changed(lambda one: isinstance(one, Row), sequence=3),
    ),
    "a session is not listed": (
        "list",
        History.of_records(without(lambda one: isinstance(one, Row))),
    ),
    "a session is listed that has no events": (
        "list",
        with_records(msgspec.structs.replace(row(1), session="t")),
    ),
    "a worker takes more than its budget": (
        "memory",
        with_records(Memory(worker=WORKER, at=2.0, bytes=101)),
    ),
    "a worker is ready though nothing was acknowledged for 10 s": (
        "ready",
        with_records(*SILENT, Ready(worker=WORKER, called=20.2, returned=20.3, status=200)),
    ),
    "a worker is not ready though appends are acknowledged": (
        "ready",
        with_records(*AWAKE, Ready(worker=WORKER, called=20.2, returned=20.3, status=503)),
    ),
    "a request is answered too late": ("hung", with_records(attempt("b", 1.25, 12.0, 3))),
    "a request is never answered": (
        "hung",
        with_records(attempt("z", 1.0, 26.0, 0, status=0, code=GIVEN_UP)),
    ),
    "a hostile client is never hung up on": (
        "hung",
        with_records(Hostile(kind="nothing", began=5.0, ended=50.0, status=0, is_over=False)),
    ),
    "a hostile client finds a fault": (
        "answer",
        with_records(Hostile(kind="a deep body", began=50.0, ended=50.1, status=500)),
    ),
    "an answer is not documented": ("answer", with_records(refused("z", 1.0, "internal", 500))),
    "an event has the time of another clock": ("time", changed(is_stored(1), at=WALL + 31.0)),
    "the run finds something": ("finding", with_records(Finding(words="left behind"))),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_found(planted: str) -> None:
    kind, history = PLANTED[planted]
    assert kind in {violation.kind for violation in judge(history)}


FORGIVEN: dict[str, History] = {
    "a timer appends when readers have been ended": with_records(
        FollowedTo(log="s", head=4), FollowedTo(log=WHOLE_LOG, head=4), stored(5, at=2.0)
    ),
    "an unanswered command may be stored": with_records(
        unanswered("y", 2.0),
        stored(5, "y", 2.0),
        *(Seen(reader=one, log=log, at=2.0, number=5, id="e5")
          for one, log in (("r", "s"), ("f", WHOLE_LOG))),
    ),
    "what is so already stores nothing": with_records(attempt("so", 3.0, 3.1, 4, may_be_so=True)),
    "a worker that is stopped answers late": with_records(
        Standing(worker=WORKER, began=1.3, ended=11.0), attempt("b", 1.25, 12.0, 3)
    ),
    "a client of the relay that is frozen may wait": with_records(
        unanswered("y", 1.0, GIVEN_UP, direct=False)
    ),
    "a worker is ready when writes have just been taken again": with_records(
        *SILENT,
        Ready(worker=WORKER, called=20.2, returned=20.3, status=200),
        attempt("a", 20.1, 22.0, 1),
    ),
    "a worker that was not ready has a moment to see the next fault": with_records(
        *SILENT,
        Ready(worker=WORKER, called=17.0, returned=17.1, status=503),
        Ready(worker=WORKER, called=20.2, returned=20.3, status=200),
    ),
    "a hostile client may wait where nobody lives": with_records(
        Serving(worker=WORKER, at=0.0),
        Processor(worker=WORKER, since=0.0, at=5.0),
        Serving(worker=7, at=48.0),
        Processor(worker=7, since=47.0, at=51.0),
        Hostile(kind="nothing", began=5.0, ended=50.0, status=0, is_over=False),
    ),
    "what is so already is answered as it was at first": with_records(
        attempt("so", 1.15, 1.2, 0, status=0, code=LOST, may_be_so=True),
        attempt("so", 3.0, 3.1, 1, may_be_so=True),
    ),
    "a worker is ready when refusals are those of the rules": with_records(
        *(refused(f"q{at}", at, "turn_ended") for at in TIMES),
        Ready(worker=WORKER, called=20.2, returned=20.3, status=200),
    ),
    "a worker is ready when another one cannot write": with_records(
        *SILENT, Ready(worker=7, called=20.2, returned=20.3, status=200)
    ),
    "a worker is not ready during a fault": with_records(
        *AWAKE,
        Fault(number=2, kind="drop database", began=19.0, ended=19.1),
        Ready(worker=WORKER, called=20.2, returned=20.3, status=503),
    ),
    "a worker that stops is not ready": with_records(
        *AWAKE,
        Ready(worker=WORKER, called=20.2, returned=20.3, status=503, reasons=["stopping"]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("forgiven", FORGIVEN)
def test_what_is_no_violation_is_none(forgiven: str) -> None:
    history = FORGIVEN[forgiven]
    if history.of(Stored)[-1].sequence == 5:
        history = History.of_records(
            row(5) if isinstance(one, Row) else one for one in history.records
        )
    assert [str(violation) for violation in judge(history)] == []


@pytest.mark.parametrize(
    ("codes", "is_refused"),
    [
        (["turn_ended"], True),
        ([LOST], False),
        ([LOST, "turn_ended"], True),
        ([LOST, "store_unavailable"], False),
        (["outcome_unknown", "busy"], False),
        (["store_unavailable", "busy"], True),
        (["turn_ended", GIVEN_UP], False),
    ],
)
def test_whether_a_command_was_refused_is_told_by_all_its_answers(
    codes: list[str], is_refused: bool
) -> None:
    attempts = [
        unanswered("k", number, code) if code in (LOST, GIVEN_UP) else refused("k", number, code)
        for number, code in enumerate(codes)
    ]
    command = commands_of(History.of_records(attempts))["k"]
    assert command.is_refused == is_refused
