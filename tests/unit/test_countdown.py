"""Seconds that are given to others: they pass only while this process runs."""

import pytest

from api.http.around.countdown import STEP, Countdown


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_seconds_pass_while_somebody_looks() -> None:
    clock = Clock()
    countdown = Countdown(1.0, clock)
    looks = 0
    while countdown.left():
        clock.now += STEP
        looks += 1

    assert looks == pytest.approx(1.0 / STEP, abs=1)


def test_of_a_time_in_which_nobody_looked_next_to_nothing_passes() -> None:
    clock = Clock()
    countdown = Countdown(1.0, clock)
    clock.now += 3600

    assert countdown.left() == pytest.approx(1.0 - 2 * STEP)


def test_no_less_than_nothing_is_left() -> None:
    clock = Clock()
    countdown = Countdown(STEP, clock)
    clock.now += 1.5 * STEP

    assert countdown.left() == 0.0
    assert countdown.left() == 0.0
