"""Readers of streams who stop reading: what is held for them, and that it is let go of."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator, Callable, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from api.composition.over_store import tails_over
from api.http.outgoing import giving
from api.http.outgoing.downloads import Download
from api.http.outgoing.giving import Readers
from api.http.outgoing.responses import Reply
from api.http.outgoing.streams import EventStream
from application.errors import Overloaded
from application.fan_out import FanOut
from application.memory_budget import Share
from application.ports.log.events import FeedPage, SessionPage, StoredEvent
from application.ports.store import Store
from application.reads.streams.feed import Feed, FeedFilter
from application.reads.streams.replay import Replays
from application.reads.streams.selecting import ALL
from application.reads.streams.stream_items import StreamItem
from domain.principal import Principal
from infrastructure.memory.store import MemoryStore
from tests.support.appends import START, Chain, row

READERS = 4
LARGE = 200_000
EVENTS = 60
PAGE = 256 * 1024 + 2 * LARGE
"""The bytes at which a page of a stream is full, its last record, and one frame more."""

ONE_EVENT = LARGE + LARGE // 2
"""The bytes of one frame, and what a stream takes beside it."""


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


def as_a_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each read give records of its own, as one of a database does."""

    def fresh(event: StoredEvent) -> StoredEvent:
        return event._replace(record=bytes(bytearray(event.record)))

    read, read_all, read_page = store.log.read, store.log.read_all, store.log.read_page

    async def read_anew(session_id: UUID, **wanted: Any) -> Sequence[StoredEvent]:
        return tuple(map(fresh, await read(session_id, **wanted)))

    async def read_all_anew(**wanted: Any) -> FeedPage:
        page = await read_all(**wanted)
        return page._replace(events=tuple(map(fresh, page.events)))

    async def read_page_anew(session_id: UUID, **wanted: Any) -> SessionPage | None:
        page = await read_page(session_id, **wanted)
        return page and page._replace(events=tuple(map(fresh, page.events)))

    monkeypatch.setattr(store.log, "read", read_anew)
    monkeypatch.setattr(store.log, "read_all", read_all_anew)
    monkeypatch.setattr(store.log, "read_page", read_page_anew)


def of_the_feed(store: Store, chain: Chain, fan_out: FanOut) -> AsyncGenerator[StreamItem]:
    assert chain.sequence == EVENTS
    return Feed(store.log, store.codec, fan_out).stream(0, FeedFilter())


def of_a_session(store: Store, chain: Chain, fan_out: FanOut) -> AsyncGenerator[StreamItem]:
    return tails_over(store, fan_out).stream(chain.session_id, 0, ALL)


def of_a_replay(store: Store, chain: Chain, fan_out: FanOut) -> AsyncGenerator[StreamItem]:
    return Replays(store.log, store.codec, fan_out, tails_over(store, fan_out)).stream(
        chain.session_id, 0, ALL, 1000.0
    )


def open_streams() -> set[int]:
    """Return who the streams of this process are."""
    return {id(one) for one in gc.get_objects() if isinstance(one, EventStream)}


@pytest.mark.parametrize("items_of", [of_the_feed, of_a_session, of_a_replay])
async def test_a_stalled_reader_costs_a_page_and_nothing_once_it_has_left(
    items_of: Callable[[Store, Chain, FanOut], AsyncGenerator[StreamItem]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, chain = MemoryStore(), Chain()
    as_a_database(store, monkeypatch)
    for _ in range(EVENTS):
        await store.log.append(
            chain.next(1, row=row() if chain.sequence == 0 else None, text="x" * LARGE)
        )
    fan_out = FanOut()
    fan_out.position = EVENTS
    gc.collect()
    gc.disable()
    # Another program in this process may have some too.
    elsewhere = open_streams()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        readers = [StalledReader() for _ in range(READERS)]
        streams = [_serve(items_of(store, chain, fan_out), reader) for reader in readers]
        await asyncio.gather(*(reader.stalled.wait() for reader in readers))
        held = tracemalloc.get_traced_memory()[0] - before
        # What is in the buffer of the socket, and not the page beside it or the next one.
        assert held < READERS * (PAGE if items_of is not of_a_replay else ONE_EVENT)
        assert all(len(reader.buffered) == 1 for reader in readers)
        for reader in readers:
            reader.leave()
        await asyncio.gather(*streams)
        streams.clear()
        # Without the help of the collector, which looks for cycles far too seldom.
        assert tracemalloc.get_traced_memory()[0] - before < LARGE
        assert open_streams() <= elsewhere
    finally:
        tracemalloc.stop()
        gc.enable()


def _serve(items: AsyncGenerator[StreamItem], reader: StalledReader) -> asyncio.Task[None]:
    def cursor(event: StoredEvent) -> int:
        return event.position

    readers = Readers(Share("streams", 1 << 20))
    stream = EventStream(items, lambda: START, "r1", cursor, readers, Principal(actor="reader"))
    scope: Any = {}
    return asyncio.create_task(stream(scope, reader.receive, reader.send))


def _scope(readers: Readers) -> Any:
    return {
        "cairn": SimpleNamespace(readers=readers),
        "cairn_principal": Principal(actor="somebody"),
    }


async def _of(pieces: list[bytes]) -> AsyncGenerator[bytes]:
    while pieces:
        yield pieces.pop(0)


async def test_a_large_answer_counts_until_its_reader_has_taken_it_or_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(giving, "_STALLED", 0.0)
    share, reader = Share("streams", 3 * LARGE), StalledReader()
    answer = Reply(b"x" * 2 * LARGE)
    readers = Readers(share)
    scope = _scope(readers)
    sent = asyncio.create_task(answer(scope, reader.receive, reader.send))
    await reader.stalled.wait()

    # The socket has a part of it, and the whole is still there.
    assert len(reader.buffered[0]) == 256 * 1024
    assert share.used == 2 * LARGE
    readers.require_room()
    share.limit = LARGE
    with pytest.raises(Overloaded):
        readers.require_room()
    async with asyncio.timeout(60):
        await sent
    assert share.used == 0


async def test_readers_that_stand_still_make_room_though_nothing_else_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All of them came before any was too slow, and none of them is given anything more."""
    monkeypatch.setattr(giving, "_STALLED", 0.2)
    readers = Readers(Share("streams", 3 * LARGE))
    stalled, sent = [StalledReader() for _ in range(8)], list[asyncio.Task[None]]()
    for reader in stalled:
        download = await Download.of(_of([b"x" * LARGE, b"y"]), "text/plain")
        sent.append(asyncio.create_task(download(_scope(readers), reader.receive, reader.send)))
    await asyncio.gather(*(reader.stalled.wait() for reader in stalled))
    assert readers.share.used == 8 * LARGE
    async with asyncio.timeout(60):
        while readers.share.is_over:  # noqa: ASYNC110 - a share has no event for it
            await asyncio.sleep(0.01)
    # No more of them are cut than need be.
    assert readers.share.used == 3 * LARGE
    for reader in stalled:
        reader.leave()
    await asyncio.gather(*sent, return_exceptions=True)


async def test_a_download_ends_with_its_reader_unless_it_has_an_effect() -> None:
    share = Share("streams", LARGE)
    left = [b"x" * LARGE, b"y", b"z"]
    reader = StalledReader()
    download = await Download.of(_of(left), "text/plain")
    sent = asyncio.create_task(download(_scope(Readers(share)), reader.receive, reader.send))
    await reader.stalled.wait()
    assert share.used == LARGE
    reader.leave()
    await sent
    assert (left, share.used) == ([b"y", b"z"], 0)

    left, reader = [b"x" * LARGE, b"y", b"z"], StalledReader()
    erasing = await Download.of(_of(left), "text/plain", has_effect=True)
    reader.leave()

    async def send(message: Any) -> None:
        """Throw it away, as uvicorn does when nobody is there; whoever watches has its turn."""
        await asyncio.sleep(0)

    await erasing(_scope(Readers(share)), reader.receive, send)
    assert (left, share.used) == ([], 0)
