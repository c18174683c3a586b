"""All waits of a request share one patience; what is answered promptly is progress."""

import asyncio
from typing import cast

import pytest

from api.http.incoming.requests import HttpRequest
from api.http.outgoing.responses import Reply
from api.http.routing import Route
from application import patience
from application.patience import (
    PROMPT,
    SharedPatience,
    Waited,
    is_waited_for,
    left_of,
    waited,
    waiting,
)
from domain.principal import Right


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [100.0]
    monkeypatch.setattr(patience, "monotonic", lambda: time[0])
    return time


def wait(clock: list[float], seconds: float) -> None:
    with waiting():
        clock[0] += seconds


def test_slow_waits_add_up_and_prompt_ones_do_not(clock: list[float]) -> None:
    with SharedPatience(Waited(0.25)):
        for seconds in (2.0, PROMPT - 0.01, 1.5, 0.0):
            wait(clock, seconds)
        clock[0] += 60.0  # a client that is slow to send

        assert waited() == 3.75
        assert left_of(5.0) == 1.25
        assert left_of(3.0) == 0.0


def test_waits_at_one_time_count_once(clock: list[float]) -> None:
    with SharedPatience(Waited()):
        with waiting():
            clock[0] += 1.0
            with waiting():
                clock[0] += 1.0
            clock[0] += 1.0

        assert waited() == 3.0


def test_outside_of_a_request_nothing_adds_up(clock: list[float]) -> None:
    wait(clock, 9.0)
    assert (waited(), left_of(5.0), is_waited_for()) == (0.0, 5.0, False)
    with SharedPatience(Waited(4.0)):
        assert is_waited_for()
        with SharedPatience(None):
            wait(clock, 9.0)
            assert (left_of(5.0), is_waited_for()) == (5.0, False)
        assert left_of(5.0) == 1.0
    assert left_of(5.0) == 5.0


async def test_tasks_of_a_request_share_it_and_start_afresh_when_they_outlive_it(
    clock: list[float],
) -> None:
    answered, seen = asyncio.Event(), list[float]()

    async def task() -> None:
        wait(clock, 2.0)
        seen.append(waited())
        await answered.wait()
        wait(clock, 9.0)
        seen.append(waited())

    with SharedPatience(Waited(1.0)):
        outlives = asyncio.create_task(task())
        await asyncio.sleep(0)
        assert waited() == 3.0
    answered.set()
    await outlives

    assert seen == [3.0, 0.0]


@pytest.mark.parametrize(
    ("right", "lasts", "shares"),
    [
        ("read", False, True),
        ("write", False, True),
        (None, False, True),
        ("write", True, False),
        ("admin", False, False),
        ("audit", False, False),
        ("erase", False, False),
        ("repair", False, False),
    ],
)
async def test_what_may_take_minutes_does_not_share_a_patience(
    right: Right | None, lasts: bool, shares: bool
) -> None:
    found = list[bool]()

    async def handler(_: HttpRequest) -> Reply:
        found.append(is_waited_for())
        return Reply(b"")

    route = Route("GET", "/", handler, right=right, lasts=lasts)
    with SharedPatience(Waited()):
        await route.answer(cast("HttpRequest", None))

    assert found == [shares]
