"""Readers of streams who stop reading: what is held for them, and that it is let go of."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from api.http.outgoing.streams import EventStream
from application.fan_out import FanOut
from application.memory_budget import Share
from application.ports.log.events import StoredEvent
from application.ports.store import Store
from application.reads.streams.feed import Feed, FeedFilter
from application.reads.streams.selecting import ALL
from application.reads.streams.stream_items import StreamItem
from application.reads.streams.tail import Tails
from domain.principal import Principal
from infrastructure.memory.store import MemoryStore
from tests.support.appends import START, Chain, row

READERS = 4
LARGE = 200_000
EVENTS = 60
PAGE = 256 * 1024 + 2 * LARGE
"""The bytes at which a page of a stream is full, its last record, and one frame more."""


class StalledReader:
    """Takes nothing more than its socket's buffer does, as uvicorn would make of it."""

    def __init__(self) -> None:
        self.buffered: list[bytes] = []
        self.stalled = asyncio.Event()
        self._gone = asyncio.Event()

    async def send(self, message: Any) -> None:
        """Wait while something is in the buffer, then put this there."""
        if self.buffered:
            self.stalled.set()
            await asyncio.Event().wait()
        if message.get("body"):
            self.buffered.append(message["body"])

    async def receive(self) -> Any:
        """Say that the reader has left, once it has."""
        await self._gone.wait()
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        """Hang up."""
        self._gone.set()
        self.buffered.clear()


def of_the_feed(store: Store, chain: Chain, hub: FanOut) -> AsyncGenerator[StreamItem]:
    assert chain.sequence == EVENTS
    return Feed(store.log, store.codec, hub).stream(0, FeedFilter())


def of_a_session(store: Store, chain: Chain, hub: FanOut) -> AsyncGenerator[StreamItem]:
    return Tails(store, hub).stream(chain.session_id, 0, ALL)


@pytest.mark.parametrize("items_of", [of_the_feed, of_a_session])
async def test_a_stalled_reader_costs_a_page_and_nothing_once_it_has_left(
    items_of: Callable[[Store, Chain, FanOut], AsyncGenerator[StreamItem]],
) -> None:
    store, chain = MemoryStore(), Chain()
    for _ in range(EVENTS):
        await store.log.append(
            chain.next(1, row=row() if chain.sequence == 0 else None, text="x" * LARGE)
        )
    hub = FanOut()
    hub.position = EVENTS
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        readers = [StalledReader() for _ in range(READERS)]
        streams = [_serve(items_of(store, chain, hub), reader) for reader in readers]
        await asyncio.gather(*(reader.stalled.wait() for reader in readers))
        held = tracemalloc.get_traced_memory()[0] - before
        # What is in the buffer of the socket, and not the page beside it or the next one.
        assert held < READERS * PAGE
        assert all(len(reader.buffered) == 1 for reader in readers)
        for reader in readers:
            reader.leave()
        await asyncio.gather(*streams)
        streams.clear()
        # Without the help of the collector, which looks for cycles far too seldom.
        assert tracemalloc.get_traced_memory()[0] - before < LARGE
        assert not [one for one in gc.get_objects() if isinstance(one, EventStream)]
    finally:
        tracemalloc.stop()
        gc.enable()


def _serve(items: AsyncGenerator[StreamItem], reader: StalledReader) -> asyncio.Task[None]:
    def cursor(event: StoredEvent) -> int:
        return event.position

    share = Share("streams", 1 << 20)
    stream = EventStream(items, lambda: START, "r1", cursor, share, Principal(actor="reader"))
    scope: Any = {}
    return asyncio.create_task(stream(scope, reader.receive, reader.send))
