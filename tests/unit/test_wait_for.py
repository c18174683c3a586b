"""Waiting for sessions: told at once when it is so, and cheap in thousands."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from time import process_time
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.errors import StoreUnavailable
from application.ports.session.leases import Lease
from application.ports.session.listing import ListedSession
from application.reads.streams.wait_for import Condition, Seen
from domain.errors import SessionNotFound
from domain.session.commands import (
    ActivateSession,
    AddMessage,
    DeleteSession,
    ReportHealth,
    ResumeSession,
    StartTurn,
    StopSession,
)
from tests.support.appends import Chain, row
from tests.support.builders import SESSION_ID, text
from tests.support.in_memory_app import InMemoryApp, asked
from tests.support.stand_ins import StandIn

LONG = 3600.0
Do = Callable[[InMemoryApp], Awaitable[Any]]


async def settle() -> None:
    """Let everybody who can go on come to where they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def created(office: InMemoryApp) -> None:
    await office.create()


async def starting(office: InMemoryApp) -> None:
    await office.create(starting=True)


async def stopped(office: InMemoryApp) -> None:
    await office.create()
    await office.do(StopSession())


async def stopped_with_a_lease(office: InMemoryApp) -> None:
    await stopped(office)
    await office.store.leases.acquire(SESSION_ID, uuid4(), "cli:gone", timedelta(minutes=1))


async def attached(office: InMemoryApp) -> None:
    await office.create()
    await attach(office)


async def attach(office: InMemoryApp) -> UUID:
    outcome = await office.attachments.attach(*asked(), "cli:1", timedelta(minutes=1))
    lease_id: UUID = outcome.answer["lease_id"]
    return lease_id


async def activate(office: InMemoryApp) -> None:
    await office.do(ActivateSession())


async def stop(office: InMemoryApp) -> None:
    await office.do(StopSession())


async def resume(office: InMemoryApp) -> None:
    await office.do(ResumeSession())


async def delete(office: InMemoryApp) -> None:
    await office.do(DeleteSession())


async def fall_ill(office: InMemoryApp) -> None:
    await office.do(ReportHealth(healthy=False))


async def start_turn(office: InMemoryApp) -> None:
    await office.do(StartTurn(turn_id="t1", message_id="m1", parts=text()))


class Reads(StandIn):
    """Read models that count their reads, and let them through one by one when they are held."""

    def __init__(self, office: InMemoryApp) -> None:
        super().__init__(office.store.session_rows)
        self.count = 0
        self.open = asyncio.Event()
        self.open.set()

    async def session(self, session_id: UUID) -> ListedSession | None:
        self.count += 1
        row = await self.before.session(session_id)
        await self.open.wait()
        return row


@pytest.mark.parametrize(
    ("before", "aim", "met"),
    [
        (created, "ready", True),
        (starting, "ready", False),
        (stopped, "ready", False),
        (created, "stopped", False),
        (stopped, "stopped", True),
        (created, "attached", False),
        (stopped, "attached", False),
        (stopped_with_a_lease, "attached", False),
        (attached, "attached", True),
        (attached, "ready", True),
    ],
)
async def test_what_is_so_is_told_without_waiting(before: Do, aim: Condition, met: bool) -> None:
    office = InMemoryApp()
    await before(office)
    for seconds in (0.0, LONG) if met else (0.0,):
        async with asyncio.timeout(60):
            seen = await office.waits.until(SESSION_ID, aim, seconds)
        assert seen.met == met
        assert seen.session.session_id == SESSION_ID
        assert (seen.session.lease is not None) == (before in (attached, stopped_with_a_lease))


@pytest.mark.parametrize(
    ("before", "aim", "then", "status"),
    [
        (starting, "ready", activate, "idle"),
        (stopped, "ready", resume, "idle"),
        (created, "stopped", stop, "stopped"),
        (starting, "stopped", stop, "stopped"),
        (created, "stopped", delete, "deleted"),
        (created, "attached", attach, "idle"),
    ],
)
async def test_whoever_waits_is_told_when_it_is_so(
    before: Do, aim: Condition, then: Do, status: str
) -> None:
    office = InMemoryApp()
    await before(office)
    waiting = asyncio.create_task(office.waits.until(SESSION_ID, aim, LONG))
    await settle()
    assert not waiting.done()

    await then(office)
    async with asyncio.timeout(60):
        seen = await waiting

    assert (seen.met, seen.session.status) == (True, status)


async def test_whoever_waits_goes_on_waiting_past_what_is_something_else() -> None:
    office = InMemoryApp()
    await office.create()
    waiting = asyncio.create_task(office.waits.until(SESSION_ID, "attached", LONG))
    await settle()
    await start_turn(office)
    await office.do(AddMessage(message_id="m2", role="user", parts=text()))
    await stop(office)
    await resume(office)
    await settle()
    assert not waiting.done()

    lease_id = await attach(office)

    seen = await waiting
    assert seen.session.lease is not None
    assert (seen.session.lease.token, seen.session.lease.holder) == (lease_id, "cli:1")


async def test_a_lease_that_has_run_out_attaches_nobody() -> None:
    office = InMemoryApp()
    await attached(office)
    office.clock.pass_time(seconds=60)

    assert not (await office.waits.until(SESSION_ID, "attached", 0)).met


async def test_when_time_is_up_it_is_told_how_it_is() -> None:
    office = InMemoryApp()
    await office.create()
    waiting = asyncio.create_task(office.waits.until(SESSION_ID, "stopped", 0.5))
    await settle()
    await start_turn(office)

    seen = await waiting

    assert (seen.met, seen.session.status, seen.session.sequence) == (False, "running", 2)


async def test_a_server_that_stops_lets_everybody_go() -> None:
    office = InMemoryApp()
    await office.create()
    waiting = asyncio.create_task(office.waits.until(SESSION_ID, "stopped", LONG))
    await settle()
    office.fan_out.close()
    async with asyncio.timeout(60):
        assert not (await waiting).met


@pytest.mark.parametrize("aim", ["ready", "attached"])
async def test_what_was_deleted_comes_to_nothing(aim: Condition) -> None:
    office = InMemoryApp()
    await stopped(office)
    waiting = asyncio.create_task(office.waits.until(SESSION_ID, aim, LONG))
    await settle()
    await delete(office)

    for again in (waiting, office.waits.until(SESSION_ID, aim, LONG)):
        with pytest.raises(SessionNotFound, match="deleted"):
            async with asyncio.timeout(60):
                await again
    assert (await office.waits.until(SESSION_ID, "stopped", 0)).met
    for every in ("ready", "attached", "stopped"):
        with pytest.raises(SessionNotFound, match="No session"):
            await office.waits.until(uuid4(), every, LONG)


# ── many of them ─────────────────────────────────────────────────────────────────────────────


async def test_a_thousand_are_told_by_one_read() -> None:
    office = InMemoryApp()
    await office.create()
    reads = Reads(office)
    waiting = [
        asyncio.create_task(office.waits.until(SESSION_ID, "stopped", LONG)) for _ in range(1000)
    ]
    await settle()
    assert office.fan_out.followed == 1000
    before, began = reads.count, process_time()

    for n in range(20):
        await office.do(AddMessage(message_id=f"m{n}", role="user", parts=text()))
        await settle()
    await stop(office)
    async with asyncio.timeout(60):
        seen = await asyncio.gather(*waiting)

    assert {(one.met, one.session.sequence) for one in seen} == {(True, 22)}
    # The handler reads too, for each command that a stop leaves nothing to do.
    assert reads.count - before <= 2 * 21
    assert process_time() - began < 5
    assert (office.fan_out.followed, office.waits._watched) == (0, {})


async def test_many_wait_for_many() -> None:
    office = InMemoryApp()
    sessions = [await office.create(UUID(int=n + 1)) for n in range(200)]
    aims: list[Condition] = ["ready", "stopped", "attached"]
    waiting = {
        (one, aim): asyncio.create_task(office.waits.until(one, aim, LONG))
        for one in sessions
        for aim in aims
    }
    await settle()
    done = {key for key, task in waiting.items() if task.done()}
    assert done == {(one, "ready") for one in sessions}

    for one in sessions[:100]:
        await office.attachments.attach(*asked(session_id=one), "cli:1", timedelta(minutes=1))
    for one in sessions[50:]:
        await office.do(StopSession(), one)
    await settle()

    done = {key for key, task in waiting.items() if task.done()} - done
    stops = {(one, "stopped") for one in sessions[50:]}
    assert done == stops | {(one, "attached") for one in sessions[:100]}
    office.fan_out.close()
    await asyncio.gather(*waiting.values())


async def test_who_hangs_up_takes_nothing_away_from_the_others() -> None:
    office = InMemoryApp()
    await office.create()
    reads = Reads(office)
    waiting = [
        asyncio.create_task(office.waits.until(SESSION_ID, "stopped", LONG)) for _ in range(3)
    ]
    await settle()
    reads.open.clear()
    stopping = asyncio.create_task(stop(office))
    await settle()
    waiting[0].cancel()
    waiting[2].cancel()
    await settle()
    reads.open.set()
    await stopping

    async with asyncio.timeout(60):
        assert (await waiting[1]).met
    assert waiting[0].cancelled()
    assert waiting[2].cancelled()


async def test_a_read_that_began_too_early_is_followed_by_another() -> None:
    office = InMemoryApp()
    await office.create()
    reads = Reads(office)
    waiting = [
        asyncio.create_task(office.waits.until(SESSION_ID, "stopped", LONG)) for _ in range(5)
    ]
    await settle()
    reads.open.clear()
    await start_turn(office)
    await settle()
    # What they read now is the row before the stop.
    await stop(office)
    reads.open.set()

    async with asyncio.timeout(60):
        seen: list[Seen] = await asyncio.gather(*waiting)
    assert {one.met for one in seen} == {True}


async def test_a_lease_that_is_taken_while_somebody_looks_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office = InMemoryApp()
    await office.create()
    find, may_go_on = office.store.leases.of, asyncio.Event()

    async def held_back(session_ids: Iterable[UUID]) -> Mapping[UUID, Lease]:
        found = await find(session_ids)
        await may_go_on.wait()
        return found

    monkeypatch.setattr(office.store.leases, "of", held_back)
    waiting = asyncio.create_task(office.waits.until(SESSION_ID, "attached", LONG))
    await settle()
    # What was found is that nobody has it.
    await attach(office)
    may_go_on.set()

    async with asyncio.timeout(60):
        assert (await waiting).met


async def test_who_comes_later_looks_for_themselves() -> None:
    office = InMemoryApp()
    await office.create()
    reads = Reads(office)
    early = asyncio.create_task(office.waits.until(SESSION_ID, "stopped", LONG))
    await settle()
    reads.open.clear()
    office.fan_out.advance(SESSION_ID, 2)
    await settle()
    # While the early one reads, another process stops it, of which nobody here has been told.
    elsewhere = Chain(SESSION_ID, 1, b"d" * 32)
    await office.store.log.append(elsewhere.next(row=row(status="stopped")))
    late = asyncio.create_task(office.waits.until(SESSION_ID, "stopped", 0))
    await settle()
    reads.open.set()

    async with asyncio.timeout(60):
        assert (await late).met
        assert (await early).met


async def test_a_thousand_who_come_at_once_look_by_two_reads() -> None:
    office = InMemoryApp()
    await office.create()
    reads = Reads(office)
    reads.open.clear()
    aims: list[Condition] = ["ready", "stopped"]
    waiting = [
        *(asyncio.create_task(office.waits.until(SESSION_ID, aim, 0)) for aim in aims * 500),
        *(asyncio.create_task(office.waits.changed(SESSION_ID, 0)) for _ in range(500)),
    ]
    await settle()
    reads.open.set()
    async with asyncio.timeout(60):
        seen = await asyncio.gather(*waiting)

    assert [one.met for one in seen] == [True, False] * 500 + [False] * 500
    assert reads.count == 2


async def test_what_an_agent_says_bit_by_bit_wakes_nobody_who_waits() -> None:
    office = InMemoryApp()
    await office.create()
    await start_turn(office)
    waiting = asyncio.create_task(office.waits.until(SESSION_ID, "stopped", LONG))
    await settle()
    with office.fan_out.follow(SESSION_ID) as channel:
        followed = asyncio.create_task(channel.signal.wait(None))
        await settle()
        (asleep,) = channel.moved._waiting
        office.fan_out.written(SESSION_ID)
        await settle()
        assert followed.done()
        assert channel.moved._waiting == [asleep]
        assert not asleep.done()

    await stop(office)
    async with asyncio.timeout(60):
        assert (await waiting).met


# ── a change of status ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("then", "status", "badge"),
    [
        (start_turn, "running", "running"),
        (stop, "stopped", "stopped"),
        (fall_ill, "idle", "unhealthy"),
    ],
)
async def test_a_thousand_hear_by_one_read_that_the_status_has_changed(
    then: Do, status: str, badge: str
) -> None:
    office = InMemoryApp()
    await office.create()
    reads = Reads(office)
    waiting = [asyncio.create_task(office.waits.changed(SESSION_ID, LONG)) for _ in range(1000)]
    await settle()
    before = reads.count

    await office.do(AddMessage(message_id="m2", role="user", parts=text()))
    await settle()
    assert not any(one.done() for one in waiting)
    await then(office)
    async with asyncio.timeout(60):
        seen = await asyncio.gather(*waiting)

    assert {(one.met, one.session.status, one.badge) for one in seen} == {(True, status, badge)}
    assert reads.count - before <= 4


async def test_what_has_changed_since_the_caller_looked_is_told_at_once() -> None:
    office = InMemoryApp()
    await office.create()
    await start_turn(office)

    async with asyncio.timeout(60):
        seen = await office.waits.changed(SESSION_ID, LONG, lambda sequence: sequence == 1)
    assert (seen.met, seen.session.status) == (True, "running")
    seen = await office.waits.changed(SESSION_ID, 0.01, lambda sequence: sequence == 2)
    assert (seen.met, seen.session.status) == (False, "running")


async def test_who_waits_for_a_change_hears_of_the_deletion() -> None:
    office = InMemoryApp()
    await office.create()
    waiting = asyncio.create_task(office.waits.changed(SESSION_ID, LONG))
    await settle()
    await delete(office)

    with pytest.raises(SessionNotFound, match="deleted"):
        async with asyncio.timeout(60):
            await waiting


async def test_who_waits_for_a_change_is_let_go_when_the_server_stops() -> None:
    office = InMemoryApp()
    await office.create()
    waiting = asyncio.create_task(office.waits.changed(SESSION_ID, LONG))
    await settle()
    office.fan_out.close()
    async with asyncio.timeout(60):
        assert not (await waiting).met


async def test_a_store_that_is_away_is_told_to_all_who_wait() -> None:
    office = InMemoryApp()
    await office.create()
    waiting = [
        asyncio.create_task(office.waits.until(SESSION_ID, "stopped", LONG)) for _ in range(3)
    ]
    await settle()

    class Away(Reads):
        async def session(self, session_id: UUID) -> ListedSession | None:
            raise StoreUnavailable

    Away(office)
    office.fan_out.advance(SESSION_ID, 2)
    async with asyncio.timeout(60):
        told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in told] == [StoreUnavailable] * 3
