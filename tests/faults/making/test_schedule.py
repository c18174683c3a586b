"""The same seed draws the same faults, and a kind that is none is refused."""

from itertools import islice

import pytest

from tests.faults.making.actions import _ACTIONS
from tests.faults.making.broken import WAYS
from tests.faults.making.schedule import KINDS, draw


def test_the_same_seed_draws_the_same_faults() -> None:
    first, again = (list(islice(draw(7, 0), 300)) for _ in range(2))
    assert first == again
    assert first != list(islice(draw(8, 0), 300))
    assert first != list(islice(draw(7, 1), 300))


def test_every_kind_is_drawn_and_can_be_made() -> None:
    drawn = list(islice(draw(7, 0), 2000))
    assert {plan.kind for plan in drawn} == set(KINDS) == set(_ACTIONS)
    for plan in drawn:
        kind = KINDS[plan.kind]
        assert kind.shortest <= plan.seconds <= max(kind.longest, kind.long)
        assert 0 <= plan.choice < 1
    assert {plan.seconds for plan in drawn if plan.kind == "read only"} >= {17}


def test_only_the_kinds_that_are_asked_for_are_drawn() -> None:
    drawn = islice(draw(7, 0, ["kill worker", "read only"]), 200)
    assert {plan.kind for plan in drawn} == {"kill worker", "read only"}
    with pytest.raises(ValueError, match="no such fault: flood"):
        next(draw(7, 0, ["flood"]))


def test_at_least_five_ways_of_being_broken_are_written_down() -> None:
    from pathlib import Path

    text = Path(__file__).parents[1].joinpath("README.md").read_text()
    assert len(WAYS) >= 5
    assert [name for name in WAYS if f"| `{name}` |" not in text] == []
