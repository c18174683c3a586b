"""Streams at the recorded pace, on a clock that moves only when somebody waits."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.composition.over_store import tails_over
from application.errors import StoreUnavailable
from application.fan_out import FanOut
from application.ports.session.session_row import NEVER
from application.reads.streams.pace import LONGEST_GAP, Pace
from application.reads.streams.replay import Replays
from application.reads.streams.selecting import ALL, Filter
from application.reads.streams.stream_items import CaughtUp, Closing, StreamItem, StreamTiming
from infrastructure.memory.store import MemoryStore
from tests.support.appends import START, Chain, at

LARGE = "x" * 100_000
"""More than is read at once."""


class Theatre:
    """One session, and a clock that whoever waits moves on."""

    def __init__(self, longest: float = 3600.0) -> None:
        self.store, self.chain, self.fan_out = MemoryStore(), Chain(), FanOut()
        self.now = 1000.0
        self.stops_at: float | None = None
        timing = StreamTiming(longest=longest)
        self.replays = Replays(
            self.store.log,
            self.store.codec,
            self.fan_out,
            tails_over(self.store, self.fan_out),
            timing,
            closes_within=self.closes_within,
            clock=lambda: self.now,
        )

    async def closes_within(self, seconds: float) -> bool:
        self.now += seconds
        return self.stops_at is not None and self.now >= self.stops_at

    async def happens(self, second: float, name: str = "message.added", text: str = "") -> None:
        append = self.chain.next([name], at=at(second), text=text)
        await self.store.log.append(append)
        self.fan_out.publish(self.chain.session_id, append, self.chain.sequence)

    async def play(
        self, speed: float, since: int = 0, wanted: Filter = ALL
    ) -> AsyncIterator[tuple[float, StreamItem]]:
        began = self.now
        items = self.replays.stream(self.chain.session_id, since, wanted, speed)
        async with aclosing(items):
            async for item in items:
                yield round(self.now - began, 6), item

    async def past(
        self, speed: float, since: int = 0, wanted: Filter = ALL
    ) -> list[tuple[float, int]]:
        """When each event of the past came, until the reader has caught up."""
        found: list[tuple[float, int]] = []
        async for second, item in self.play(speed, since, wanted):
            if isinstance(item, CaughtUp):
                return found
            assert isinstance(item, tuple)
            found += [(second, event.sequence) for event in item]
        raise AssertionError("it never caught up")


async def test_events_come_as_fast_as_they_were_recorded_times_the_speed() -> None:
    theatre = Theatre()
    for second in (0, 2, 2, 8):
        await theatre.happens(second)

    assert await theatre.past(1) == [(0, 1), (2, 2), (2, 3), (2 + LONGEST_GAP, 4)]
    assert await theatre.past(4) == [(0, 1), (0.5, 2), (0.5, 3), (2, 4)]
    assert await theatre.past(0.5, since=2) == [(0, 3), (LONGEST_GAP, 4)]


async def test_after_the_past_comes_what_happens() -> None:
    theatre = Theatre()
    await theatre.happens(0)
    await theatre.happens(4)
    found: list[StreamItem] = []
    async for _, item in theatre.play(2):
        found.append(item)
        if len(found) == 1:
            # What happens while the past is given waits for its turn there.
            await theatre.happens(8)
        elif isinstance(item, CaughtUp):
            await theatre.happens(9)
        elif len(found) == 5:
            break

    *past, caught_up, live = found
    assert [one[0].sequence for one in past if isinstance(one, tuple)] == [1, 2, 3]
    assert caught_up == CaughtUp(3)
    assert not isinstance(live, (CaughtUp, Closing))
    assert theatre.now == 1000 + 2 + 2


async def test_the_time_of_what_is_not_wanted_passes_too() -> None:
    theatre = Theatre()
    for second, name in enumerate(("message.added", "tool.called", "tool.called", "message.added")):
        await theatre.happens(second, name)

    found = await theatre.past(1, wanted=Filter(frozenset({"message.added"})))

    assert found == [(0, 1), (3, 4)]


@pytest.mark.parametrize(("stops_at", "reason"), [(1003, "server_shutdown"), (None, "maximum_age")])
async def test_a_replay_that_is_ended_says_where_to_go_on(
    stops_at: float | None, reason: str
) -> None:
    theatre = Theatre(longest=3.0)
    theatre.stops_at = stops_at
    for second in (0, 2, 4, 6):
        await theatre.happens(second)

    found = [item async for _, item in theatre.play(1)]

    assert found[-1] == Closing(2, reason)
    assert len(found) == 3
    theatre.stops_at = None
    assert (await theatre.past(1000, since=2))[0] == (0, 3)


async def test_events_that_are_read_again_when_they_are_due_come_once_and_in_time() -> None:
    theatre = Theatre()
    for second, text in enumerate(("", LARGE, LARGE, "", LARGE)):
        await theatre.happens(second, text=text)

    assert await theatre.past(1) == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    assert await theatre.past(1, since=1) == [(0, 2), (1, 3), (2, 4), (3, 5)]


@pytest.mark.parametrize("is_away", [True, False])
async def test_a_large_event_that_was_not_given_stands_behind_the_goodbye(
    is_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    theatre = Theatre()
    await theatre.happens(0)
    await theatre.happens(2, text=LARGE)
    read = theatre.store.log.read

    async def reading(*which: Any, **wanted: Any) -> Any:
        if theatre.now == 1002 and not theatre.fan_out.closing.is_set():
            # It is due, and about to be read again.
            theatre.fan_out.close()
            theatre.stops_at = theatre.now
            if is_away:
                raise StoreUnavailable
        return await read(*which, **wanted)

    monkeypatch.setattr(theatre.store.log, "read", reading)

    (_, given), (_, last) = [item async for item in theatre.play(1)]

    assert isinstance(given, tuple)
    assert [event.sequence for event in given] == [1]
    assert last == Closing(1, "server_shutdown")


@given(st.lists(st.tuples(st.integers(-9, 90), st.floats(0, 9)), min_size=1), st.floats(0.01, 1000))
def test_no_wait_is_longer_than_the_longest_gap_whatever_the_times(
    events: list[tuple[int, float]], speed: float
) -> None:
    pace, now = Pace(speed), 0.0
    for second, taken in events:
        wait = pace.wait(START + timedelta(seconds=second), now)
        assert 0 <= wait <= LONGEST_GAP
        now += wait + taken


def test_a_reader_that_was_slow_is_made_up_for_only_a_little() -> None:
    pace = Pace(1)
    assert pace.wait(at(0), 0.0) == 0
    # Half a second late: the one after it is on time.
    assert pace.wait(at(1), 1.5) == 0
    assert pace.wait(at(2), 1.5) == 0.5
    # A minute late: it goes on from there, instead of all at once.
    assert pace.wait(at(3), 62.0) == 0
    assert pace.wait(at(4), 62.0) == 1


def test_times_that_go_back_or_cannot_be_read_take_no_time() -> None:
    pace = Pace(1)
    assert [pace.wait(when, 0.0) for when in (at(9), at(1), NEVER, at(2), at(3))] == [0, 0, 0, 0, 1]
