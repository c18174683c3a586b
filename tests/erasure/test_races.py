"""What is under way when a session is erased: gates say when, so each race has one outcome."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from application.commands.request import Caller
from application.fan_out import FanOut
from application.transfer.exporting import log_pages
from domain.errors import Erased
from domain.session.commands import AddMessage
from domain.session.events import SessionErased
from infrastructure.memory.log.census import MemoryCensus
from infrastructure.memory.log.erasures import MemoryErasures
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from infrastructure.postgres.log.erasures import PostgresErasures
from infrastructure.postgres.store import PostgresStore, open_store
from tests.erasure.test_interrupted import ADA, Desk, furnished, is_gone
from tests.support.appends import Chain
from tests.support.builders import NOON, added, created, text
from tests.support.receiver import receiving
from tests.support.transfers import Place, Populated, memory_place
from tests.webhooks.desk import desk

GONE = SessionErased(reason="request 17", app="console", began_at=NOON)
OFFICER = Caller("user:officer", "http")
MESSAGES = 25


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    async with (
        open_store(database_url, fan_out=FanOut()) as one,
        open_store(database_url, fan_out=FanOut()) as other,
    ):
        yield one, other


async def test_an_append_that_comes_after_the_answer_leaves_nothing(
    stores: tuple[PostgresStore, PostgresStore],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, slow = stores
    await furnished(store)
    decided, answered = asyncio.Event(), asyncio.Event()
    append = slow.log.append

    async def gated(*what: Any) -> Any:
        decided.set()
        await answered.wait()
        return await append(*what)

    monkeypatch.setattr(slow.log, "append", gated)
    command = AddMessage(message_id="late", role="user", parts=text())
    saying = asyncio.create_task(Desk(slow).handler.handle(OFFICER.asks(ADA, command)))
    await decided.wait()
    await Desk(store).erase()
    answered.set()
    with pytest.raises(Erased):
        await saying
    await is_gone(store, database_url)


async def test_what_is_left_is_told_before_it_is_carried_out(
    stores: tuple[PostgresStore, PostgresStore],
) -> None:
    store, _ = stores
    filled = Populated(store)
    await filled.add(ADA, created(title="Ada's"), *(added(f"m{n}") for n in range(9)))
    positions = range(1, 12)
    assert await store.log.left_of_erased(positions) == {}
    await filled.add(ADA, GONE)
    told = await store.log.left_of_erased(positions)
    erasures = PostgresErasures(store.database)
    await erasures.erase_events(ADA, 4)
    assert await store.log.left_of_erased(positions) == told
    await erasures.erase_events(ADA, 100)
    await erasures.finish(ADA)
    assert await store.log.left_of_erased(positions) == told
    left = await store.log.read(ADA, limit=100)
    assert {one.position: one.record for one in left[:-1]} == told


def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_JOINED", "_PAGE"):
        monkeypatch.setattr(log_pages, name, 10)


@pytest.mark.parametrize("steps", [0, 2, 9], ids=["said", "half", "done"])
@pytest.mark.parametrize("at", range(1, 8))
async def test_an_export_has_all_of_a_session_or_what_is_left_of_it(
    at: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch)
    tables = Tables()
    place = Place(MemoryStore(tables=tables), MemoryCensus(tables))
    filled, erasures = Populated(place.store), MemoryErasures(tables)
    await filled.add(ADA, created(title="Ada's"), *(added(f"m{n}") for n in range(MESSAGES)))
    reads = 0

    def racing(read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def raced(*what: Any, **how: Any) -> Any:
            nonlocal reads
            reads += 1
            if reads == at:
                await filled.add(ADA, GONE)
                for _ in range(steps):
                    await erasures.erase_events(ADA, 8)
                if steps == 9:
                    await erasures.finish(ADA)
            return await read(*what, **how)

        return raced

    for name in ("read_joined", "read_newest", "read"):
        monkeypatch.setattr(place.store.log, name, racing(getattr(place.store.log, name)))
    bundle = await place.export()
    erased = bundle.count(b'"erased":true')
    assert erased in (0, MESSAGES + 1)
    assert (b"m7" in bundle) == (erased == 0)
    assert (await memory_place().plan(bundle)).conflicts == []


async def test_the_export_of_one_session_ends_where_it_is_erased(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_pages(monkeypatch)
    tables = Tables()
    place = Place(MemoryStore(tables=tables), MemoryCensus(tables))
    filled, erasures = Populated(place.store), MemoryErasures(tables)
    await filled.add(ADA, created(), *(added(f"m{n}") for n in range(MESSAGES)))
    pieces = (await place.exports.files.session(ADA)).pieces()
    assert json.loads(await anext(pieces))["cairn_export"] == 1
    assert b"m7" in await anext(pieces)
    await filled.add(ADA, GONE)
    await erasures.erase_events(ADA, 100)
    with pytest.raises(Erased):
        _ = [piece async for piece in pieces]


async def test_a_webhook_is_not_told_what_was_erased_since_it_was_read(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver, desk(database_url) as one:
        about_to_send, answered = asyncio.Event(), asyncio.Event()
        reader = one.dispatcher._context.batches  # pyright: ignore[reportPrivateUsage]
        looks: Callable[..., Awaitable[Any]] = reader.without_erased

        async def gated(events: Any) -> Any:
            about_to_send.set()
            await answered.wait()
            return await looks(events)

        monkeypatch.setattr(reader, "without_erased", gated)
        chain = Chain()
        await one.write(chain, 3, text="a secret")
        await one.webhook(receiver.url)
        await about_to_send.wait()
        await one.write(chain, ["session.erased"])
        erasures = PostgresErasures(one.store._database)  # pyright: ignore[reportPrivateUsage]
        assert await erasures.erase_events(chain.session_id, 100) == (3, 0)
        answered.set()
        await receiver.until(lambda: len(receiver.positions) >= 4)
        bodies = b"".join(message.body for message in receiver.messages)
        assert (bodies.count(b'"erased":true'), b"a secret" in bodies) == (3, False)
