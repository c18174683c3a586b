"""Which privileged reads become events, and how they are written."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from api.composition.over_store import accesses_over
from application.commands.request import Caller
from application.errors import Busy, StoreUnavailable
from application.fan_out import FanOut
from application.ports.log.append import Append
from domain.access.events import ACCESS_LOG, AccessGranted
from domain.access.rules import LONGEST_VALUE, decide, shortened
from domain.errors import SessionExists
from domain.log.chain import genesis, link, record_hash
from domain.session.commands import CreateSession
from tests.support.builders import NOON, OWNER
from tests.support.in_memory_app import InMemoryApp

pytestmark = pytest.mark.anyio

FEED = AccessGranted(to="audit_events", where={"actor": "user:bob"})
SECRET = AccessGranted(to="webhook_secret")
ADA, EVE = Caller("user:ada", "http"), Caller("user:eve", "http")


async def test_the_pages_of_the_audit_feed_are_one_access_for_a_minute():
    assert decide(FEED, None, NOON) == [FEED]
    assert decide(FEED, NOON, NOON + timedelta(seconds=59)) == []
    assert decide(FEED, NOON, NOON + timedelta(seconds=60)) == [FEED]
    assert decide(FEED, NOON, NOON - timedelta(seconds=1)) == [FEED]


async def test_every_other_read_is_an_access_of_its_own():
    assert decide(SECRET, NOON, NOON) == [SECRET]


async def test_long_values_are_cut():
    short, long = "x" * LONGEST_VALUE, "x" * (LONGEST_VALUE + 1)
    assert shortened({"a": short, "b": long}) == {"a": short, "b": f"{short}…"}


async def test_two_processes_write_one_chain():
    store = InMemoryApp().store
    processes = [accesses_over(store, FanOut()) for _ in range(2)]
    await asyncio.gather(
        *(process.record(who, SECRET) for process in processes for who in (ADA, EVE) * 5)
    )
    log = await store.log.read(ACCESS_LOG, limit=100)
    assert [one.sequence for one in log] == list(range(1, 21))
    digest = genesis(ACCESS_LOG)
    for one in log:
        digest = link(digest, record_hash(one.record))
        assert one.digest == digest


async def test_pages_are_told_apart_by_reader_and_by_question():
    app = InMemoryApp()
    accesses = accesses_over(app.store, app.fan_out)
    other = AccessGranted(to="audit_events", where={"actor": "user:ada"})
    for who, what in ((ADA, FEED), (ADA, FEED), (EVE, FEED), (ADA, other), (EVE, FEED)):
        await accesses.record(who, what)
    log = await app.store.log.read(ACCESS_LOG, limit=100)
    told = [app.store.codec.from_json(one.record) for one in log]
    assert [(one["actor"], one["data"]["where"]["actor"]) for one in told] == [
        ("user:ada", "user:bob"),
        ("user:eve", "user:bob"),
        ("user:ada", "user:ada"),
    ]


async def test_reads_of_the_feed_of_two_sessions_are_two_accesses():
    app = InMemoryApp()
    accesses = accesses_over(app.store, app.fan_out)
    feeds = [AccessGranted(to="audit_events", session_id=UUID(int=one)) for one in (1, 2)]
    for feed in (*feeds, *feeds):
        await accesses.record(ADA, feed)
    log = await app.store.log.read(ACCESS_LOG, limit=100)
    told = [app.store.codec.from_json(one.record)["data"]["session_id"] for one in log]
    assert told == [str(UUID(int=one)) for one in (1, 2)]


async def test_what_cannot_be_recorded_is_refused_and_recorded_once_it_can_be(
    monkeypatch: pytest.MonkeyPatch,
):
    app = InMemoryApp()
    accesses = accesses_over(app.store, app.fan_out)

    async def lost(append: Append) -> int:
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(app.store.log, "append", lost)
        with pytest.raises(StoreUnavailable):
            await accesses.record(ADA, FEED)
    await accesses.record(ADA, FEED)
    assert len(await app.store.log.read(ACCESS_LOG, limit=100)) == 1


async def test_a_read_does_not_wait_for_its_record_for_ever(monkeypatch: pytest.MonkeyPatch):
    app = InMemoryApp()
    accesses = accesses_over(app.store, app.fan_out)

    async def stuck(append: Append) -> int:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("application.commands.access_handler._PATIENCE", 0.01)
    monkeypatch.setattr("application.commands.access_handler._MOST_WAITING", 2)
    monkeypatch.setattr(app.store.log, "append", stuck)
    waits = [accesses.record(who, SECRET) for who in (ADA, EVE, ADA)]
    found = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(one) for one in found] == [StoreUnavailable, StoreUnavailable, Busy]


async def test_no_session_can_take_the_place_of_the_log():
    app = InMemoryApp()
    with pytest.raises(SessionExists):
        await app.do(CreateSession(owner=OWNER), ACCESS_LOG)
    await accesses_over(app.store, app.fan_out).record(ADA, SECRET)
    with pytest.raises(SessionExists):
        await app.do(CreateSession(owner=OWNER), ACCESS_LOG)
    assert await app.types(ACCESS_LOG) == ["access.granted"]
