"""Folding a log: all events at once come to the same as one after the other."""

from domain.session import events as e
from domain.session.evolve import Folding, evolve
from domain.session.state import ABSENT
from tests.support.builders import called, completed, created, history, returned, started

HISTORY: list[e.SessionEvent] = [
    created(),
    started("t1"),
    called("a"),
    e.AgentMessage(parts=({"type": "text", "text": "hm"},), message_id="said"),
    called("b"),
    returned("a", status="failed", output=None),
    e.UsageReported(input_tokens=3),
    e.PlanUpdated(entries=({"content": "x"},)),
    returned("b"),
    completed("t1"),
    started("t2"),
    called("c"),
    returned("a", called_in_turn="t1"),
    returned("c"),
]


def test_a_fold_comes_to_what_each_event_came_to_by_itself():
    one_by_one, folding = ABSENT, Folding()

    for recorded in history(HISTORY):
        one_by_one = evolve(one_by_one, recorded)
        folding.take(recorded)

    assert folding.session == one_by_one


def test_a_state_that_was_read_in_the_middle_stays_as_it_was():
    one_by_one, folding = ABSENT, Folding()
    read, should = [], []

    for recorded in history(HISTORY):
        one_by_one = evolve(one_by_one, recorded)
        folding.take(recorded)
        read.append(folding.session)
        should.append(one_by_one)

    assert read == should


def test_a_fold_leaves_the_state_that_it_began_with_as_it_was():
    first, later = history(HISTORY[:3]), history(HISTORY)[3:]
    start = Folding()
    for recorded in first:
        start.take(recorded)
    begun = start.session
    again = Folding(begun)

    for recorded in later:
        again.take(recorded)
        start.take(recorded)

    fresh = Folding()
    for recorded in first:
        fresh.take(recorded)
    assert begun == fresh.session
    assert again.session == start.session
