"""Allowances in memory and on Postgres, and how processes share them."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from application.errors import RateLimited, StoreUnavailable
from application.limits.limiter import Limiter, PrincipalLimits
from application.ports.access.allowances import Allowances, Granted, Kind
from domain.principal import Principal
from infrastructure.memory.access.allowances import MemoryAllowances
from infrastructure.postgres.access.allowances import PostgresAllowances
from infrastructure.postgres.connecting.database import Database

DAY = 86_400.0
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TILL = Principal(actor="till", token_id="t1")


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def new_id(self) -> UUID:
        return uuid4()

    def new_name(self) -> str:
        return str(self.new_id())

    def seconds(self) -> float:
        return self.at.timestamp()


@pytest.fixture(params=["memory", "postgres"])
async def allowances(request: pytest.FixtureRequest) -> AsyncIterator[Allowances]:
    if request.param == "memory":
        yield MemoryAllowances(Clock())
        return
    database = Database(request.getfixturevalue("database_url"), readers=8)
    await database.open()
    yield PostgresAllowances(database)
    await database.close()


async def take(
    allowances: Allowances, wanted: int, who: str = "a", kind: Kind = "bytes"
) -> Granted:
    return await allowances.take(who, kind, wanted, most=10, period=DAY)


async def test_no_more_is_given_out_than_there_is(allowances: Allowances):
    first = await take(allowances, 7)
    assert (first.amount, first.left) == (7, 3)
    assert 0 < first.resets_in <= DAY
    assert (await take(allowances, 7))[:2] == (3, 0)
    assert (await take(allowances, 1))[:2] == (0, 0)
    assert (await take(allowances, 4, "b"))[:2] == (4, 6)
    assert (await take(allowances, 4, kind="sessions"))[:2] == (4, 6)


async def test_nothing_is_given_out_where_less_is_left_than_is_of_use(allowances: Allowances):
    def take_at_least(least: int, wanted: int) -> Coroutine[Any, Any, Granted]:
        return allowances.take("a", "bytes", wanted, most=10, period=DAY, least=least)

    assert (await take_at_least(4, 6))[:2] == (6, 4)
    assert (await take_at_least(5, 5))[:2] == (0, 4)
    assert (await take_at_least(4, 9))[:2] == (4, 0)


async def test_those_who_ask_at_once_share_what_there_is(allowances: Allowances):
    granted = await asyncio.gather(*(take(allowances, 3) for _ in range(8)))
    assert sum(one.amount for one in granted) == 10


async def test_a_new_period_begins_anew(allowances: Allowances):
    granted = 0
    async with asyncio.timeout(60):
        # Of 2 ms each: they go by while this asks.
        while granted < 3:
            granted += (await allowances.take("a", "requests", 1, most=1, period=0.002)).amount
            if isinstance(allowances, MemoryAllowances):
                allowances.clock.at += timedelta(milliseconds=1)  # type: ignore[attr-defined]


async def test_open_streams_are_counted_over_processes(allowances: Allowances):
    one, two = uuid4(), uuid4()
    assert await allowances.open_stream(one, "a", 2)
    assert await allowances.open_stream(two, "a", 2)
    assert not await allowances.open_stream(one, "a", 2)
    assert await allowances.open_stream(one, "b", 2)
    await allowances.close_stream(two, "a")
    await allowances.keep_streams(one)
    assert await allowances.open_stream(one, "a", 2)
    await allowances.sweep()
    assert not await allowances.open_stream(two, "a", 2)


async def test_of_many_who_open_at_once_so_many_get_a_stream(allowances: Allowances):
    process = uuid4()
    found = await asyncio.gather(*(allowances.open_stream(process, "a", 3) for _ in range(8)))
    assert found.count(True) == 3


async def test_the_streams_of_a_process_that_is_gone_do_not_count(database_url: str):
    database = Database(database_url, readers=2)
    await database.open()
    try:
        allowances = PostgresAllowances(database)
        assert await allowances.open_stream(uuid4(), "a", 1)
        with psycopg.connect(database_url) as connection:
            connection.execute("update open_streams set seen_at = seen_at - interval '20 seconds'")
        assert await allowances.open_stream(uuid4(), "a", 1)
    finally:
        await database.close()


# ── how a process gives it out ───────────────────────────────────────────────────────────────


class Counting(MemoryAllowances):
    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.asked = 0

    async def take(
        self,
        principal: str,
        kind: Kind,
        wanted: int,
        *,
        most: int,
        period: float,
        least: int = 1,
    ) -> Granted:
        self.asked += 1
        return await super().take(principal, kind, wanted, most=most, period=period, least=least)


def limiter(allowances: Allowances, clock: Clock, **limits: int) -> Limiter:
    return Limiter(allowances, PrincipalLimits(**limits), uuid4(), clock.seconds)


async def spent(one: Limiter, kind: Kind = "requests", most: int = 10_000) -> int:
    for number in range(most):
        try:
            await one.spend(TILL, kind)
        except RateLimited:
            return number
    return most


async def test_a_limit_is_kept_with_few_questions():
    clock = Clock()
    allowances = Counting(clock)
    one = limiter(allowances, clock, requests=100)
    assert await spent(one) == 100
    assert allowances.asked <= 21
    asked = allowances.asked
    for _ in range(100):
        with pytest.raises(RateLimited) as refused:
            await one.spend(TILL, "requests")
    assert allowances.asked == asked
    assert refused.value.facts == {"limit": "requests", "most": 100, "retry_after_seconds": 1.0}
    clock.at += timedelta(seconds=1)
    assert await spent(one) == 100


async def test_processes_share_a_limit_within_a_fifth():
    clock = Clock()
    allowances = MemoryAllowances(clock)
    processes = [limiter(allowances, clock, requests=100) for _ in range(4)]
    given, tired = 0, set[int]()
    while len(tired) < 4:
        for number, one in enumerate(processes):
            if number not in tired and await spent(one, most=1):
                given += 1
            else:
                tired.add(number)
    assert 80 <= given <= 100


async def test_those_who_ask_one_process_at_once_get_what_there_is_and_no_more():
    clock = Clock()
    one = limiter(MemoryAllowances(clock), clock, requests=50)
    results = await asyncio.gather(
        *(one.spend(TILL, "requests") for _ in range(80)), return_exceptions=True
    )
    assert sum(isinstance(result, RateLimited) for result in results) == 30


async def test_a_large_amount_is_all_or_nothing_and_a_smaller_one_still_fits():
    clock = Clock()
    one = limiter(MemoryAllowances(clock), clock, bytes=1000)
    await one.spend(TILL, "bytes", 900)
    with pytest.raises(RateLimited, match="1000 bytes a day"):
        await one.spend(TILL, "bytes", 200)
    standing = await one.spend(TILL, "bytes", 100)
    assert standing is not None
    assert (standing.limit, standing.left, standing.resets_in) == (1000, 0, DAY / 2)
    with pytest.raises(RateLimited):
        await one.spend(TILL, "bytes", 1)


async def test_what_is_too_much_for_one_process_is_left_to_the_others():
    clock = Clock()
    allowances = MemoryAllowances(clock)
    one, two = (limiter(allowances, clock, bytes=1000) for _ in range(2))
    await two.spend(TILL, "bytes", 500)
    for _ in range(3):
        with pytest.raises(RateLimited):
            await one.spend(TILL, "bytes", 700)
    # At most a twentieth is where nobody can have it.
    await two.spend(TILL, "bytes", 450)
    await one.spend(TILL, "bytes", 50)
    with pytest.raises(RateLimited):
        await one.spend(TILL, "bytes", 1)


async def test_what_was_not_used_is_given_back_in_its_own_period_alone():
    clock = Clock()
    one = limiter(MemoryAllowances(clock), clock, sessions=1)
    standing = await one.spend(TILL, "sessions")
    assert standing is not None
    with pytest.raises(RateLimited):
        await one.spend(TILL, "sessions")
    one.give_back(TILL, "sessions", standing)
    assert await spent(one, "sessions") == 1
    clock.at += timedelta(days=1)
    assert await spent(one, "sessions") == 1
    one.give_back(TILL, "sessions", standing)
    assert await spent(one, "sessions") == 0


async def test_a_store_that_says_nothing_keeps_all_waiting_for_no_longer_than_one():
    class Silent(MemoryAllowances):
        async def take(self, *_: object, **__: object) -> Granted:
            await asyncio.Event().wait()
            raise AssertionError

    one = Limiter(Silent(Clock()), PrincipalLimits(requests=10), uuid4(), patience=0.05)
    began = monotonic()
    asked = [one.spend(TILL, "requests") for _ in range(1000)]

    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert {type(answer) for answer in answers} == {StoreUnavailable}
    # One after the other they would take 50 s.
    assert monotonic() - began < 20


async def test_a_stream_that_ends_while_the_store_is_gone_does_not_count_for_ever():
    class Lost(MemoryAllowances):
        is_gone = False

        async def close_stream(self, process: UUID, principal: str) -> None:
            if self.is_gone:
                raise StoreUnavailable
            await super().close_stream(process, principal)

    allowances = Lost(Clock())
    one = Limiter(allowances, PrincipalLimits(streams=2), uuid4())
    assert await one.open_stream(TILL)
    assert await one.open_stream(TILL)
    allowances.is_gone = True
    for _ in range(2):
        await one.close_stream(TILL)
    with pytest.raises(RateLimited):
        await one.open_stream(TILL)
    allowances.is_gone = False
    await one.start()
    try:
        async with asyncio.timeout(60):
            opened = 0
            while opened < 2:
                with suppress(RateLimited):
                    opened += await one.open_stream(TILL)
                await asyncio.sleep(0)
    finally:
        await one.stop()
    with pytest.raises(RateLimited):
        await one.open_stream(TILL)


async def test_without_a_limit_nothing_is_asked():
    clock = Clock()
    allowances = Counting(clock)
    one = limiter(allowances, clock)
    assert await one.spend(TILL, "requests") is None
    assert not await one.open_stream(TILL)
    assert allowances.asked == 0


def test_who_is_counted_together():
    one = Principal(actor="ada", app="shop")
    assert one.key == Principal(actor="ada", app="shop", rights=frozenset({"read"})).key
    assert one.key != Principal(actor="ada", app="bank").key
    assert one.key != Principal(actor="ada", app="shop", user="ada").key
    assert TILL.key == "t1"
    # What a ticket shows less of is counted with what its maker does.
    assert Principal(actor="ada", app="bank", user="bob", counted_by=one.key).key == one.key


@pytest.mark.parametrize(("kind", "period"), [("requests", 1.0), ("bytes", DAY)])
async def test_a_clock_that_is_set_back_by_days_lets_those_in_who_had_used_up_a_later_period(
    database_url: str, kind: Kind, period: float
):
    database = Database(database_url, readers=2)
    await database.open()
    allowances = PostgresAllowances(database)
    move = (
        "update allowances set number = number + %s::bigint,"
        " ends_at = ends_at + make_interval(secs => %s::float)"
    )

    async def one() -> int:
        return (await allowances.take("a", kind, 10, most=10, period=period)).amount

    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as by_hand:
        assert await one() == 10
        # As if it had been asked for in the next period: whoever was late gets nothing of it.
        await by_hand.execute(move, [1, period])
        if period == DAY:
            assert await one() == 0
        # As if the clock had said two more days then.
        await by_hand.execute(move, [2 * DAY / period, 2 * DAY])
        assert await one() == 10
        if period == DAY:
            assert await one() == 0
    await database.close()
