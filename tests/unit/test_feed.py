"""What the global feed gives is whole and in order, however it is read and whatever comes between.

Nothing is missed, nothing comes twice, and a stream that is ended says where to go on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from application.errors import CursorAhead, StoreUnavailable
from application.fan_out import FanOut
from application.ports.log.events import FeedPage
from application.reads.streams import feed as feeds
from application.reads.streams.feed import Feed, FeedFilter
from application.reads.streams.stream_items import CaughtUp, Closing, StreamItem, StreamTiming
from infrastructure.memory.store import MemoryStore
from tests.support.appends import Chain

NEVER = StreamTiming(ping=3600.0)
SAID, CALLED = "message.added", "tool.called"


class Shop:
    """A store of some sessions, by turns, and who reads its feed."""

    def __init__(self, timing: StreamTiming = NEVER) -> None:
        self.store, self.fan_out = MemoryStore(), FanOut()
        self.chains = [Chain(), Chain()]
        self.feed = Feed(self.store.log, self.store.codec, self.fan_out, timing)
        self.types: list[str] = []

    async def happens(self, *types: str) -> None:
        for name in types:
            chain = self.chains[len(self.types) % len(self.chains)]
            append = chain.next([name])
            self.types.append(name)
            position = await self.store.log.append(append)
            self.fan_out.publish(chain.session_id, append, position)
            self.fan_out.reached(position)

    def positions(self, *types: str) -> list[int]:
        return [at for at, name in enumerate(self.types, 1) if not types or name in types]

    def before_each_read(self, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
        read = self.store.log.read_all

        async def reading(**wanted: Any) -> FeedPage:
            await happens()
            return await read(**wanted)

        monkeypatch.setattr(self.store.log, "read_all", reading)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a stream read little at once, so that few events are many reads."""
    monkeypatch.setattr(feeds, "READ", 2)
    monkeypatch.setattr(feeds, "SCANNED", 5)
    monkeypatch.setattr(feeds, "LOOK_AGAIN", 0.0)


@pytest.mark.parametrize("wanted", [(), (SAID,), (CALLED,)])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_that_follow_each_other_have_everything_once(
    wanted: tuple[str, ...], limit: int
) -> None:
    shop = Shop()
    await shop.happens(*[SAID] * 4, *[CALLED] * 11, *[SAID] * 3)
    found: list[int] = []
    after, ended = 0, False
    while not ended:
        page = await shop.feed.page(after, limit, FeedFilter(types=wanted), 0.0)
        assert page.head == len(shop.types)
        assert len(page.events) <= limit
        assert all(after < event.position <= page.next for event in page.events)
        assert page.next > after
        found += [event.position for event in page.events]
        after, ended = page.next, page.up_to_date
    assert found == shop.positions(*wanted)
    assert after == len(shop.types)


async def told(
    shop: Shop, wanted: FeedFilter, after: int, ends: Callable[[], Awaitable[None]]
) -> tuple[list[int], StreamItem]:
    """Return the positions that a stream gave and its last item; it is ended when it waits."""
    given: list[int] = []
    items: list[StreamItem] = []
    async for item in shop.feed.stream(after, wanted):
        items.append(item)
        if isinstance(item, list | tuple):
            given += [event.position for event in item]
        elif isinstance(item, CaughtUp):
            await ends()
    assert sum(isinstance(item, CaughtUp) for item in items) == 1
    return given, items[-1]


@pytest.mark.parametrize("wanted", [(), (SAID,), (CALLED,)])
@pytest.mark.parametrize("read", range(1, 7))
async def test_what_comes_between_two_reads_of_a_stream_is_in_it_once(
    wanted: tuple[str, ...], read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop()
    await shop.happens(*[SAID, CALLED] * 4)
    reads = 0

    async def something() -> None:
        nonlocal reads
        reads += 1
        if reads == read:
            await shop.happens(CALLED, SAID, CALLED)
        if reads == 3:
            raise StoreUnavailable

    async def then_live() -> None:
        await shop.happens(SAID, CALLED)
        shop.fan_out.close()

    shop.before_each_read(monkeypatch, something)
    given, last = await told(shop, FeedFilter(types=wanted), 1, then_live)

    # What came at the very end may stand behind the goodbye, which says where to go on.
    assert isinstance(last, Closing)
    assert last.reason == "server_shutdown"
    assert given == [at for at in shop.positions(*wanted) if 1 < at <= last.sequence]
    page = await shop.feed.page(last.sequence, 100, FeedFilter(types=wanted), 0.0)
    rest = [event.position for event in page.events]
    assert [*given, *rest] == [at for at in shop.positions(*wanted) if at > 1]


async def test_a_stream_that_is_old_ends_behind_what_it_has_given() -> None:
    shop = Shop(StreamTiming(ping=3600.0, longest=0.0))
    await shop.happens(*[SAID] * 5)
    items = [item async for item in shop.feed.stream(0, FeedFilter())]
    assert [type(item) for item in items[1:]] == [Closing]
    assert items[-1] == Closing(2, "maximum_age")


async def test_a_stream_whose_store_is_away_says_goodbye_when_the_server_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop()
    await shop.happens(SAID)

    async def away() -> None:
        shop.fan_out.close()
        raise StoreUnavailable

    shop.before_each_read(monkeypatch, away)
    items = [item async for item in shop.feed.stream(0, FeedFilter())]
    assert items == [Closing(0, "server_shutdown")]


async def settled() -> None:
    """Let everybody do what they can do without waiting."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_who_waits_gets_what_comes_and_no_empty_page_of_what_is_not_wanted() -> None:
    shop = Shop()
    await shop.happens(SAID)
    wanted = FeedFilter(types=(SAID,))
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        waiting = group.create_task(shop.feed.page(None, 10, wanted, 3600.0))
        for other in (CALLED, CALLED):
            await settled()
            await shop.happens(other)
        await settled()
        assert not waiting.done()
        await shop.happens(SAID)
    assert [event.position for event in waiting.result().events] == [4]
    assert waiting.result().next == 4


async def test_who_waits_is_let_go_when_the_server_stops_and_knows_where_to_go_on() -> None:
    shop = Shop()
    await shop.happens(SAID)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        waiting = group.create_task(shop.feed.page(1, 10, FeedFilter(types=(SAID,)), 3600.0))
        await settled()
        await shop.happens(CALLED)
        await settled()
        shop.fan_out.close()
    assert waiting.result().events == []
    assert (waiting.result().next, waiting.result().up_to_date) == (2, True)


async def test_a_cursor_that_is_ahead_of_the_log_is_refused_and_one_at_its_end_is_not() -> None:
    shop = Shop()
    await shop.happens(SAID, SAID)
    assert [await shop.feed.start_of(after) for after in (None, 0, 2)] == [2, 0, 2]
    assert (await shop.feed.page(2, 10, FeedFilter(), 0.0)).next == 2
    with pytest.raises(CursorAhead) as start:
        await shop.feed.start_of(3)
    with pytest.raises(CursorAhead) as page:
        await shop.feed.page(3, 10, FeedFilter(), 0.0)
    assert start.value.facts == page.value.facts == {"head": 2, "cursor": 3}


async def test_one_page_looks_at_a_part_of_the_log_alone_though_there_is_time_to_wait() -> None:
    shop = Shop()
    await shop.happens(*[SAID] * 12)
    page = await shop.feed.page(1, 10, FeedFilter(types=(CALLED,)), 60.0)
    assert (page.events, page.next, page.up_to_date) == ([], 6, False)


async def test_a_log_that_was_cut_behind_the_fan_out_is_answered_with_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop()
    await shop.happens(SAID)
    shop.fan_out.reached(9)
    reads = 0

    async def count() -> None:
        nonlocal reads
        reads += 1
        assert reads == 1

    shop.before_each_read(monkeypatch, count)
    page = await shop.feed.page(1, 10, FeedFilter(), 0.0)
    assert (page.events, page.next, page.head) == ([], 1, 1)
