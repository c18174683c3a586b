"""Sums and differences of what runtimes report, as a person would work them out."""

from collections.abc import Iterable
from decimal import localcontext
from functools import reduce

import pytest

from domain.session.turn.amounts import minus, plus


@pytest.mark.parametrize(
    ("amounts", "total"),
    [
        ([0.1, 0.2], 0.3),
        ([0.1] * 10, 1.0),
        ([1.1, 2.2, 3.3], 6.6),
        ([0.000_001_5] * 1000, 0.0015),
        ([1e12, 0.01], 1_000_000_000_000.01),
        ([5e-324, 5e-324], 1e-323),
        ([1e12, 1e-20], 1e12),
        ([0.0, 3], 3.0),
    ],
)
def test_a_sum_is_that_of_the_decimals(amounts: Iterable[float], total: float) -> None:
    assert reduce(plus, amounts) == total


@pytest.mark.parametrize(
    ("first", "second", "rest"), [(0.3, 0.1, 0.2), (1.0, 0.9, 0.1), (2, 0.5, 1.5), (0.1, 0.3, -0.2)]
)
def test_a_difference_is_that_of_the_decimals(first: float, second: float, rest: float) -> None:
    assert minus(first, second) == rest


def test_counts_stay_whole_numbers() -> None:
    total, rest = plus(2**60, 1), minus(2**60 + 1, 1)
    assert (total, rest) == (2**60 + 1, 2**60)
    assert isinstance(total, int)
    assert isinstance(rest, int)


def test_what_the_process_has_set_for_decimals_changes_no_sum() -> None:
    with localcontext() as own:
        own.prec = 1
        assert plus(0.12, 0.13) == 0.25
        assert minus(0.25, 0.13) == 0.12


def test_what_is_no_number_raises_nothing() -> None:
    assert plus(float("inf"), 1.0) == float("inf")
    assert str(minus(float("inf"), float("inf"))) == "nan"
