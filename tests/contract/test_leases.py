"""Leases and signs of life, in memory and on Postgres, by a clock that the tests move.

On Postgres the clock is a function of the same name that stands before the real one in the search
path of the test's database, so that a lease can be looked at in the very moment it runs out.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from application.ports.session.leases import Claim, Lease, Leases, Presence, Process, Sign
from application.ports.store import Store
from infrastructure.clock import SystemClock
from infrastructure.memory.session.leases import MemoryLeases, MemoryPresence
from infrastructure.memory.tables import Tables
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.session.leases import PostgresLeases, PostgresPresence
from tests.support.appends import Chain, row

LONG_AGO = datetime(2019, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
CLOCK = """
create schema test_clock;
create table test_clock.hands (at timestamptz not null);
insert into test_clock.hands values ('{start}');
create function test_clock.clock_timestamp() returns timestamptz language sql volatile as
  'select at from test_clock.hands';
"""


@dataclass
class Moved(SystemClock):
    """A clock that stands still."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass
class Rows:
    """Leases and signs of life, and what moves their clock."""

    leases: Leases
    presence: Presence
    pass_time: Callable[[timedelta], Awaitable[None]]

    async def take(self, session_id: UUID, holder: str = "cli:1", **given: Any) -> Lease:
        claim = await self.acquire(session_id, holder, **given)
        assert claim.granted
        return claim.lease

    async def acquire(
        self,
        session_id: UUID,
        holder: str = "cli:1",
        token: UUID | None = None,
        ttl: timedelta = MINUTE,
    ) -> Claim:
        return await self.leases.acquire(session_id, token or uuid4(), holder, ttl)

    async def held(self, session_id: UUID) -> Lease | None:
        return (await self.leases.of([session_id])).get(session_id)


@pytest.fixture
async def memory_rows() -> Rows:
    tables, clock = Tables(), Moved(LONG_AGO)

    async def pass_time(time: timedelta) -> None:
        clock.at += time

    return Rows(MemoryLeases(tables, clock), MemoryPresence(tables, clock), pass_time)


@pytest.fixture
async def postgres_rows(database_url: str) -> AsyncIterator[Rows]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(CLOCK.format(start=LONG_AGO.isoformat()))  # type: ignore[arg-type]
        connection.execute(
            sql.SQL("alter database {} set search_path = test_clock, public, pg_catalog").format(
                sql.Identifier(connection.info.dbname)
            )
        )
    database = Database(database_url, readers=16)
    await database.open()

    async def pass_time(time: timedelta) -> None:
        await database.run("update test_clock.hands set at = at + %(time)s", {"time": time})

    try:
        yield Rows(PostgresLeases(database), PostgresPresence(database), pass_time)
    finally:
        await database.close()


@pytest.fixture(params=["memory", "postgres"])
def rows(request: pytest.FixtureRequest) -> Rows:
    chosen: Rows = request.getfixturevalue(f"{request.param}_rows")
    return chosen


# ── leases ───────────────────────────────────────────────────────────────────────────────────


async def test_a_free_lease_is_taken_for_exactly_as_long_as_asked_for(rows: Rows) -> None:
    session, token = uuid4(), uuid4()

    claim = await rows.leases.acquire(session, token, "cli:ü", MINUTE + MOMENT)

    expires = LONG_AGO + MINUTE + MOMENT
    lease = Lease(session, token, "cli:ü", LONG_AGO, LONG_AGO, expires)
    assert claim == Claim(lease, granted=True)
    assert await rows.leases.of([uuid4(), session]) == {session: lease}
    assert await rows.leases.of([]) == {}


async def test_who_comes_second_is_told_who_holds_it_until_when(rows: Rows) -> None:
    session = uuid4()
    first = await rows.take(session, "cli:1")
    await rows.pass_time(timedelta(seconds=30))

    for holder in ("cli:2", "cli:1"):
        assert await rows.acquire(session, holder, ttl=timedelta(days=1)) == Claim(
            first, granted=False
        )
    # Who knows the token only is not its holder.
    assert await rows.acquire(session, "cli:2", first.token) == Claim(first, granted=False)
    assert await rows.held(session) == first


async def test_a_lease_is_on_one_session(rows: Rows) -> None:
    one, other = await rows.take(uuid4()), await rows.take(uuid4())

    assert await rows.leases.renew(one.session_id, other.token, MINUTE) is None
    assert not await rows.leases.release(one.session_id, other.token)
    both = {one.session_id: one, other.session_id: other}
    assert await rows.leases.of([*both, uuid4(), one.session_id]) == both


async def test_asked_for_again_by_its_holder_it_is_prolonged(rows: Rows) -> None:
    first = await rows.take(uuid4())
    await rows.pass_time(MINUTE - MOMENT)

    again = await rows.take(first.session_id, "cli:1", token=first.token)

    now = LONG_AGO + MINUTE - MOMENT
    assert again == first._replace(renewed_at=now, expires_at=now + MINUTE)


async def test_a_lease_is_free_from_the_very_moment_at_which_it_runs_out(rows: Rows) -> None:
    first = await rows.take(uuid4())
    session = first.session_id

    await rows.pass_time(MINUTE - MOMENT)
    assert await rows.held(session) == first
    assert not (await rows.acquire(session, "cli:2")).granted
    await rows.pass_time(MOMENT)

    assert await rows.held(session) is None
    assert await rows.leases.renew(session, first.token, MINUTE) is None
    assert not await rows.leases.release(session, first.token)
    second = await rows.take(session, "cli:2")
    assert second.acquired_at == first.expires_at
    assert await rows.held(session) == second


async def test_a_lease_that_has_run_out_is_not_renewed_but_can_be_taken_anew(rows: Rows) -> None:
    first = await rows.take(uuid4())
    await rows.pass_time(MINUTE)

    assert await rows.leases.renew(first.session_id, first.token, MINUTE) is None
    again = await rows.take(first.session_id, "cli:1", token=first.token)

    assert again.acquired_at == again.renewed_at == LONG_AGO + MINUTE
    assert again.expires_at == LONG_AGO + 2 * MINUTE


async def test_renewing_counts_from_now(rows: Rows) -> None:
    first = await rows.take(uuid4())
    await rows.pass_time(timedelta(seconds=20))

    longer = await rows.leases.renew(first.session_id, first.token, 2 * MINUTE)
    now = LONG_AGO + timedelta(seconds=20)
    assert longer == first._replace(renewed_at=now, expires_at=now + 2 * MINUTE)
    shorter = await rows.leases.renew(first.session_id, first.token, MOMENT)
    assert shorter == first._replace(renewed_at=now, expires_at=now + MOMENT)
    assert await rows.held(first.session_id) == shorter
    assert await rows.leases.renew(uuid4(), first.token, MINUTE) is None


async def test_a_released_lease_is_free_at_once(rows: Rows) -> None:
    first = await rows.take(uuid4())
    session = first.session_id

    assert not await rows.leases.release(session, uuid4())
    assert await rows.leases.release(session, first.token)
    assert not await rows.leases.release(session, first.token)
    assert await rows.leases.renew(session, first.token, MINUTE) is None
    assert await rows.held(session) is None
    assert (await rows.take(session, "cli:2")).acquired_at == LONG_AGO


async def test_of_sixteen_who_come_at_once_one_gets_it(rows: Rows) -> None:
    session = uuid4()
    for _ in range(8):
        claims = await asyncio.gather(*(rows.acquire(session, f"cli:{n}") for n in range(16)))

        (winner,) = [claim.lease for claim in claims if claim.granted]
        assert {claim.lease for claim in claims} == {winner}
        assert await rows.held(session) == winner
        await rows.pass_time(MINUTE)


async def test_of_sixteen_who_want_one_that_runs_out_one_gets_it(rows: Rows) -> None:
    first = await rows.take(uuid4(), "cli:0")
    await rows.pass_time(MINUTE)

    renewal, *claims = await asyncio.gather(
        rows.leases.renew(first.session_id, first.token, MINUTE),
        *(rows.acquire(first.session_id, f"cli:{n}") for n in range(16)),
    )

    assert renewal is None
    assert [claim.granted for claim in claims].count(True) == 1


async def test_while_it_is_passed_on_nobody_holds_it_twice(rows: Rows) -> None:
    session, inside, passed = uuid4(), list[str](), list[str]()

    async def work(holder: str) -> None:
        for _ in range(10):
            claim = await rows.acquire(session, holder)
            if claim.granted:
                inside.append(holder)
                assert inside == [holder]
                await asyncio.sleep(0)
                inside.remove(holder)
                assert await rows.leases.release(session, claim.lease.token)
                passed.append(holder)
            else:
                assert claim.lease.holder != holder

    await asyncio.gather(*(work(f"cli:{n}") for n in range(8)))
    assert len(passed) >= 10
    assert await rows.held(session) is None


# ── signs of life ────────────────────────────────────────────────────────────────────────────


async def test_the_last_sign_stands(rows: Rows) -> None:
    session = uuid4()

    first = await rows.presence.touch(session, "runner:1", "unknown", None)
    assert first == Sign(session, "runner:1", "unknown", None, LONG_AGO, LONG_AGO, timedelta(0))
    await rows.pass_time(MINUTE)
    second = await rows.presence.touch(session, "runner:2", "unhealthy", "out of memory")
    await rows.pass_time(MINUTE)

    later = LONG_AGO + MINUTE
    assert second == Sign(
        session, "runner:2", "unhealthy", "out of memory", later, later, timedelta(0)
    )
    found = await rows.presence.of([uuid4(), session])
    assert found == {session: second._replace(age=MINUTE)}
    assert await rows.presence.of([]) == {}


async def test_how_long_the_same_is_said_of_the_process_is_known(rows: Rows) -> None:
    session = uuid4()
    said: list[tuple[Process, int]] = [
        ("healthy", 0), ("healthy", 0), ("unhealthy", 2), ("unhealthy", 2), ("healthy", 4)
    ]  # fmt: skip
    for process, since in said:
        sign = await rows.presence.touch(session, "runner:1", process, None)
        assert sign.process_since == LONG_AGO + since * MINUTE
        await rows.pass_time(MINUTE)


async def test_signs_from_many_sessions_are_found_at_once(rows: Rows) -> None:
    sessions = [uuid4() for _ in range(200)]
    await asyncio.gather(*(rows.presence.touch(one, "r", "healthy", None) for one in sessions))
    await asyncio.gather(*(rows.acquire(one) for one in sessions))

    assert set(await rows.presence.of(sessions)) == set(sessions)
    assert set(await rows.leases.of(sessions)) == set(sessions)


async def test_what_is_said_of_a_process_is_one_of_three_words(postgres_rows: Rows) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        await postgres_rows.presence.touch(uuid4(), "r", "fine", None)  # type: ignore[arg-type]


# ── the end of a session ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["stopped", "deleted"])
async def test_a_session_that_stops_is_let_go_in_the_same_transaction(
    store: Store, status: str
) -> None:
    chain, other = Chain(), uuid4()
    session = chain.session_id
    await store.log.append(chain.next())
    for one in (session, other):
        await store.leases.acquire(one, uuid4(), "cli:1", MINUTE)
        await store.presence.touch(one, "runner:1", "healthy", None)
    await store.log.append(chain.next(row=row(status="running")))
    await store.log.append(chain.next())
    assert set(await store.leases.of([session, other])) == {session, other}

    await store.log.append(chain.next(row=row(status=status, deleted=status == "deleted")))

    assert set(await store.leases.of([session, other])) == {other}
    left = {other} if status == "deleted" else {session, other}
    assert set(await store.presence.of([session, other])) == left


async def test_a_lease_that_is_taken_of_a_stopped_session_is_not_taken_away(store: Store) -> None:
    # Whoever took it is told by the rules that it is of no use, and gives it back.
    chain = Chain()
    await store.log.append(chain.next())
    await store.log.append(chain.next(row=row(status="stopped")))
    await store.leases.acquire(chain.session_id, uuid4(), "cli:1", MINUTE)

    await store.log.append(chain.next(row=row(status="stopped", title="renamed")))

    assert set(await store.leases.of([chain.session_id])) == {chain.session_id}
