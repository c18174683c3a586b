"""What explains that somebody waited, and what does not."""

import pytest

from tests.faults.checks.waits import (
    SLACK,
    Circumstances,
    allowed,
    answered_in_time,
    slowest,
    waits,
)
from tests.faults.history import (
    LOST,
    Attempt,
    Fault,
    History,
    Look,
    Processor,
    Record,
    Serving,
    Standing,
    Start,
)

ONE, OTHER = 41, 42
START = Start(seed=1, wall=0.0, patience=2.0, budget=100)
LIMIT = 2.0 + 1.0 + SLACK
CALLED, RETURNED = 10.0, 30.0


def alive(worker: int, since: float, until: float, starved: float = 0.0) -> list[Record]:
    """A worker that takes connections from one moment on, and is seen up to another."""
    middle = (since + until) / 2
    return [
        Serving(worker=worker, at=since),
        Processor(worker=worker, since=since, at=middle, starved=starved / 2),
        Processor(worker=worker, since=middle, at=until, starved=starved / 2),
    ]


def attempt(**facts: object) -> Attempt:
    told = {"status": 201, "worker": ONE, "called": CALLED, "returned": RETURNED} | facts
    return Attempt(key="k", session="s", kind="message", **told)  # type: ignore[arg-type]


BOTH = [*alive(ONE, 0.0, 50.0), *alive(OTHER, 0.0, 50.0)]
UNANSWERED = {"status": 0, "worker": 0, "code": LOST}

EXPLAINED: dict[str, list[Record]] = {
    "its worker was stopped": [*BOTH, Standing(worker=ONE, began=11.0, ended=28.0), attempt()],
    "the worker of its connection was stopped": [
        *BOTH,
        Standing(worker=ONE, began=11.0, ended=28.0),
        attempt(asked=ONE, **UNANSWERED),
    ],
    "some worker that it may have come to was stopped": [
        *BOTH,
        Standing(worker=ONE, began=11.0, ended=28.0),
        attempt(**UNANSWERED),
    ],
    "there was no worker until the next one": [
        *alive(OTHER, 0.0, 9.0),
        *alive(ONE, 27.0, 50.0),
        attempt(),
    ],
    "one worker was gone and the other one stopped": [
        *alive(OTHER, 0.0, 50.0),
        *alive(ONE, 27.0, 50.0),
        Standing(worker=OTHER, began=9.0, ended=27.5),
        attempt(),
    ],
    "its worker had no processor": [*alive(ONE, 0.0, 40.0, starved=32.0), attempt()],
    "the harness had no processor": [
        *BOTH,
        Processor(worker=0, since=9.0, at=31.0, starved=20.0),
        attempt(),
    ],
    "the relay held it back": [
        *BOTH,
        Fault(number=1, kind="freeze clients", began=10.5, ended=28.0),
        attempt(direct=False),
    ],
}

UNEXPLAINED: dict[str, list[Record]] = {
    "nothing": [*BOTH, attempt()],
    "nothing, and it was cut off": [*BOTH, attempt(asked=ONE, **UNANSWERED)],
    "nothing, and it changes nothing": [
        *BOTH,
        Look(session="s", way="row", called=CALLED, returned=RETURNED, status=200, worker=ONE),
    ],
    "another worker was stopped": [*BOTH, Standing(worker=OTHER, began=9.0, ended=31.0), attempt()],
    "another worker had no processor": [
        *alive(OTHER, 0.0, 40.0, starved=40.0),
        *alive(ONE, 0.0, 40.0),
        attempt(),
    ],
    "another worker was there, and the next one not yet": [
        *alive(OTHER, 0.0, 50.0),
        *alive(ONE, 27.0, 50.0),
        attempt(),
    ],
    "it was stopped before and after": [
        *BOTH,
        Standing(worker=ONE, began=1.0, ended=11.0),
        Standing(worker=ONE, began=29.0, ended=40.0),
        attempt(),
    ],
    "two things that explain the same seconds": [
        *BOTH,
        Standing(worker=ONE, began=10.0, ended=18.0),
        Standing(worker=ONE, began=11.0, ended=19.0),
        attempt(),
    ],
    "the relay held back others": [
        *BOTH,
        Fault(number=1, kind="freeze clients", began=9.0, ended=31.0),
        attempt(),
    ],
    "the database was away": [
        *BOTH,
        Fault(number=1, kind="cut database", began=9.0, ended=31.0),
        attempt(),
    ],
    "a fault that says nothing of who stood still": [
        *BOTH,
        Fault(number=1, kind="kill server", began=9.0, ended=31.0),
        attempt(),
    ],
}


def history(records: list[Record]) -> History:
    return History.of_records([START, *records])


@pytest.mark.parametrize("why", EXPLAINED)
def test_a_wait_that_is_explained_is_none_of_the_program(why: str) -> None:
    assert list(answered_in_time(history(EXPLAINED[why]))) == []


@pytest.mark.parametrize("why", UNEXPLAINED)
def test_a_wait_that_nothing_explains_is_found(why: str) -> None:
    (violation,) = answered_in_time(history(UNEXPLAINED[why]))
    assert violation.kind == "hung"


def test_the_limit_is_the_patience_and_what_is_said_of_it() -> None:
    assert allowed(history([])) == LIMIT
    just, late = attempt(returned=CALLED + LIMIT), attempt(returned=CALLED + LIMIT + 0.01)
    assert list(answered_in_time(history([*BOTH, just]))) == []
    assert len(list(answered_in_time(history([*BOTH, late])))) == 1


def test_each_part_of_a_wait_is_counted_once() -> None:
    records = [
        *alive(ONE, 0.0, 40.0, starved=20.0),
        Standing(worker=ONE, began=12.0, ended=20.0),
        attempt(),
    ]
    (wait,) = waits(history(records))
    judged = Circumstances(history(records)).judge(wait)
    # Half of the twelve seconds in which it did not stand still.
    assert (judged.nobody, judged.starved, judged.own) == (8.0, 6.0, 6.0)


def test_a_slow_answer_is_told_with_who_asked_whom_how_it_ended_and_what_happened() -> None:
    records = [
        *BOTH,
        Standing(worker=ONE, began=11.0, ended=28.0),
        Fault(number=1, kind="stop worker", began=11.0, ended=29.0, detail="41"),
        Fault(number=2, kind="lock head", began=1.0, ended=9.0),
        attempt(),
        attempt(called=1.0, returned=2.0),
    ]
    (line,), own = slowest(history(records))
    assert line == (
        "k (message) of 10.0 s was over after 20.0 s: 201, worker 41; nobody could answer for"
        " 17.0 s, no processor for 0.0 s, its own 3.0 s; stop worker 11.0 to 29.0 (41)"
    )
    assert own == 3.0
