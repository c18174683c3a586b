"""From a time to the event that was the newest one then, by halving."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.composition.over_store import events_over
from application.errors import BeforeFirstEvent
from application.ports.session.session_row import NEVER
from application.reads.moments import Moments

START = datetime(2026, 1, 1, tzinfo=UTC)


def seconds(number: int) -> datetime:
    return START + timedelta(seconds=number)


class Log:
    """A log of which nothing matters but the times.

    Args:
        times: Of its events.
    """

    def __init__(self, times: list[datetime]) -> None:
        self.times = times
        self.reads = 0

    async def read(self, _: UUID, *, after: int, upto: int, limit: int) -> list[datetime]:
        self.reads += 1
        return self.times[after:upto][:limit]


def found(log: Log, at: datetime) -> int:
    def decode(stored: datetime) -> SimpleNamespace:
        return SimpleNamespace(at=stored)

    codec = SimpleNamespace(decode=decode)
    store: Any = SimpleNamespace(log=log, codec=codec)
    newest = next(time for time in reversed(log.times) if time != NEVER)
    row: Any = SimpleNamespace(session_id=UUID(int=1), sequence=len(log.times), updated_at=newest)
    return asyncio.run(Moments(events_over(store)).sequence_at(row, at))


@given(st.lists(st.integers(0, 30), min_size=1).map(sorted), st.integers(0, 40))
def test_it_is_the_last_event_at_or_before_the_time(times: list[int], at: int) -> None:
    log = Log([seconds(time) for time in times])
    if at < times[0]:
        with pytest.raises(BeforeFirstEvent):
            found(log, seconds(at))
    else:
        assert found(log, seconds(at)) == sum(time <= at for time in times)


@given(st.lists(st.integers(0, 30), min_size=2), st.integers(0, 30))
def test_where_times_go_back_the_next_event_is_later(times: list[int], at: int) -> None:
    times = [0, *times]
    sequence = found(Log([seconds(time) for time in times]), seconds(at))

    assert times[sequence - 1] <= at
    assert sequence == len(times) or times[sequence] > at or times[-1] <= at


@given(st.sets(st.integers(2, 29)), st.integers(1, 29))
def test_records_that_cannot_be_read_mislead_nobody(damaged: set[int], at: int) -> None:
    times = [NEVER if number in damaged else seconds(number) for number in range(1, 31)]
    sequence = found(Log(times), seconds(at))

    readable = max(number for number in range(1, at + 1) if number not in damaged)
    assert readable <= sequence <= at or (
        sequence > at and set(range(at + 1, sequence + 1)) <= damaged
    )


def test_a_long_log_costs_a_handful_of_reads() -> None:
    log = Log([seconds(number) for number in range(100_000)])

    assert found(log, seconds(70_000)) == 70_001
    assert log.reads <= 18
