"""Whatever a stream reads when the server is told to stop, it says goodbye, and where to go on."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from api.composition.over_store import tails_over
from application.fan_out import FanOut
from application.reads.streams.feed import Feed, FeedFilter
from application.reads.streams.replay import Replays
from application.reads.streams.selecting import ALL
from application.reads.streams.stream_items import CaughtUp, Closing, StreamItem, StreamTiming
from infrastructure.memory.store import MemoryStore
from tests.support.appends import Chain

PATIENCE = 20.0
NEVER = StreamTiming(ping=3600.0)
EVENTS, LARGE = 12, 400_000
"""More than one page of every stream."""
READS = 3
"""The fewest reads of a stream until it waits."""

Streaming = Callable[[MemoryStore, Chain, FanOut], AsyncGenerator[StreamItem]]


def of_the_feed(store: MemoryStore, _: Chain, fan_out: FanOut) -> AsyncGenerator[StreamItem]:
    return Feed(store.log, store.codec, fan_out, NEVER).stream(0, FeedFilter())


def of_a_session(store: MemoryStore, chain: Chain, fan_out: FanOut) -> AsyncGenerator[StreamItem]:
    return tails_over(store, fan_out, NEVER).stream(chain.session_id, 0, ALL)


def of_a_replay(store: MemoryStore, chain: Chain, fan_out: FanOut) -> AsyncGenerator[StreamItem]:
    tails = tails_over(store, fan_out, NEVER)
    return Replays(store.log, store.codec, fan_out, tails, NEVER).stream(
        chain.session_id, 0, ALL, 1e9
    )


def before_each_read(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]
) -> None:
    for port, name in (
        (store.log, "read"),
        (store.log, "read_all"),
        (store.partials, "read"),
        (store.session_rows, "session"),
    ):
        read = getattr(port, name)

        async def reading(*which: Any, read: Any = read, **wanted: Any) -> Any:
            happens()
            return await read(*which, **wanted)

        monkeypatch.setattr(port, name, reading)


async def close_when_idle(fan_out: FanOut) -> None:
    """Close when all was read that can be read without waiting, unless it is closed by then."""
    for _ in range(100):
        await asyncio.sleep(0)
    if not fan_out.closing.is_set():
        fan_out.close()


@pytest.mark.parametrize("items_of", [of_the_feed, of_a_session, of_a_replay])
async def test_a_stream_ends_at_once_whichever_read_the_stop_falls_into(
    items_of: Streaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, chain = MemoryStore(), Chain()
    for _ in range(EVENTS):
        await store.log.append(chain.next(1, text="x" * LARGE))
    closing_at, reads, fan_out = 0, 1, FanOut()

    def close() -> None:
        nonlocal reads
        reads += 1
        if reads == closing_at:
            fan_out.close()

    before_each_read(store, monkeypatch, close)
    while closing_at <= reads:
        closing_at, reads, fan_out = closing_at + 1, 0, FanOut()
        fan_out.position = EVENTS
        given, items = list[int](), list[StreamItem]()
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            async for item in items_of(store, chain, fan_out):
                items.append(item)
                if isinstance(item, list | tuple):
                    given += [event.sequence for event in item]
                elif isinstance(item, CaughtUp):
                    assert len(given) == EVENTS
                    group.create_task(close_when_idle(fan_out))
        assert given == list(range(1, len(given) + 1))
        assert items[-1] == Closing(len(given), "server_shutdown")
        # It looks once more whether the session was deleted.
        assert reads <= closing_at + 1
    assert closing_at > READS
