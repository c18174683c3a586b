"""Which of many open calls began last is known, whichever return, without a look at the others."""

from random import Random

import pytest

from domain.persistent_map import PersistentMap
from domain.session import events as e
from domain.session.evolve import Folding
from tests.support.builders import called, created, history, returned, started

MANY = 300


def newest_after_each(log: list[e.SessionEvent]) -> None:
    """Fold a log, and hold the newest call against a list of those that are open."""
    open_now: list[str] = []
    folding = Folding()
    for recorded in history(log):
        folding.take(recorded)
        match recorded.event:
            case e.ToolCalled(tool_call_id=call):
                open_now = [*(one for one in open_now if one != call), call]
            case e.ToolReturned(tool_call_id=call):
                open_now = [one for one in open_now if one != call]
            case _:
                pass
        turn = folding.session.turns.running
        assert turn is None or set(turn.open_calls) == set(open_now)
        assert turn is None or turn.newest_call == (open_now[-1] if open_now else None)


@pytest.mark.parametrize("order", ["first", "last", "any"])
def test_the_newest_is_the_one_that_began_last_of_those_that_are_open(order: str):
    calls = [f"c{number}" for number in range(MANY)]
    back = calls[::-1] if order == "last" else list(calls)
    if order == "any":
        Random(7).shuffle(back)
    again = [called("c1"), called("c2"), returned("c2"), returned("c1")]

    newest_after_each([created(), started("t1"), *map(called, calls), *map(returned, back), *again])


def test_a_log_from_elsewhere_may_open_a_call_twice_or_close_one_that_is_not_open():
    twice = [called("a"), called("b"), called("a"), returned("x"), returned("a"), returned("b")]

    newest_after_each([created(), started("t1"), *twice, called("c"), called("c"), returned("c")])


def test_the_newest_returns_without_a_look_at_the_others(monkeypatch: pytest.MonkeyPatch):
    folding = Folding()
    calls = [f"c{number}" for number in range(MANY)]
    log: list[e.SessionEvent] = [created(), started("t1"), *map(called, calls)]
    log += [returned(call) for call in reversed(calls)]

    def never(_: object) -> None:
        raise AssertionError("all open calls were looked at")

    monkeypatch.setattr(PersistentMap, "_copy", never)
    for recorded in history(log):
        folding.take(recorded)

    assert folding.session.turns.running is not None
    assert folding.session.turns.running.newest_call is None
