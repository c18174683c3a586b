"""Which sessions were left behind, in memory and on Postgres, each by its own clock."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from application.ports.session.recovery import DriverWatch, Patience
from application.ports.store import Store
from infrastructure.clock import SystemClock
from infrastructure.memory.session.recovery import MemoryDriverWatch
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.session.recovery import PostgresDriverWatch
from infrastructure.postgres.store import open_store
from tests.support.appends import Chain, row

NONE, HOUR, AGES = timedelta(0), timedelta(hours=1), timedelta(days=36500)
AT_ONCE = Patience(grace=NONE, vouched=NONE, unattended=NONE)


class Watched(NamedTuple):
    store: Store
    watch: DriverWatch

    async def make(self, status: str) -> Chain:
        chain = Chain()
        await self.store.log.append(chain.next(row=row(status=status)))
        return chain

    async def lease(self, chain: Chain, ttl: timedelta = NONE) -> None:
        await self.store.leases.acquire(chain.session_id, uuid4(), "cli:1", ttl)

    async def found(self, patience: Patience = AT_ONCE) -> list[UUID]:
        rows = await self.watch.undriven(patience, limit=10)
        return [one.session_id for one in rows]


@pytest.fixture(params=["memory", "postgres"])
async def watched(request: pytest.FixtureRequest) -> AsyncIterator[Watched]:
    if request.param == "memory":
        tables, clock = Tables(), SystemClock()
        store = MemoryStore(clock=clock, tables=tables)
        yield Watched(store, MemoryDriverWatch(tables, clock))
        return
    url: str = request.getfixturevalue("database_url")
    database = Database(url, readers=1)
    await database.open()
    async with open_store(url) as store:
        yield Watched(store, PostgresDriverWatch(database))
    await database.close()


@pytest.mark.parametrize("status", ["running", "waiting", "stopping"])
async def test_a_lease_that_ran_out_leaves_a_session_behind_after_its_grace(
    watched: Watched, status: str
) -> None:
    chain = await watched.make(status)
    await watched.lease(chain)
    assert await watched.found() == [chain.session_id]
    assert await watched.found(Patience(grace=HOUR, vouched=NONE, unattended=NONE)) == []
    (found,) = await watched.watch.undriven(AT_ONCE, only=chain.session_id, limit=1)
    assert found.sequence == 1
    assert found.lease_ended is not None
    assert found.lease_ended <= found.now
    assert found.last_sign is None


@pytest.mark.parametrize("status", ["starting", "running", "waiting", "stopping"])
async def test_nothing_is_left_behind_while_a_lease_or_a_presence_lives(
    watched: Watched, status: str
) -> None:
    leased, vouched = await watched.make(status), await watched.make(status)
    await watched.lease(leased, HOUR)
    await watched.lease(vouched)
    await watched.store.presence.touch(vouched.session_id, "cli:1", "unhealthy", None)
    patience = Patience(grace=NONE, vouched=HOUR, unattended=NONE)
    assert await watched.found(patience) == []
    assert await watched.found() == [vouched.session_id]


@pytest.mark.parametrize("status", ["starting", "stopping"])
async def test_one_that_starts_or_stops_without_a_lease_has_its_time(
    watched: Watched, status: str
) -> None:
    chain = await watched.make(status)
    assert await watched.found() == [chain.session_id]
    assert await watched.found(Patience(grace=NONE, vouched=NONE, unattended=AGES)) == []


@pytest.mark.parametrize("status", ["idle", "stopped", "running"])
async def test_one_that_nobody_ever_drove_or_that_does_nothing_is_left_alone(
    watched: Watched, status: str
) -> None:
    chain = await watched.make(status)
    if status != "running":
        await watched.lease(chain)
    assert await watched.found() == []


async def test_a_lease_that_was_over_before_the_turn_began_says_nothing_of_it(
    watched: Watched,
) -> None:
    over, held = await watched.make("idle"), await watched.make("idle")
    await watched.lease(over)
    await watched.lease(held, HOUR)
    for chain in (over, held):
        await watched.store.log.append(chain.next(row=row(status="running")))
    assert await watched.found() == []
    assert await watched.store.leases.of([held.session_id])


async def test_they_come_in_pages_by_their_ids(watched: Watched) -> None:
    made = sorted([(await watched.make("starting")).session_id for _ in range(3)])
    first = await watched.watch.undriven(AT_ONCE, limit=2)
    assert [one.session_id for one in first] == made[:2]
    rest = await watched.watch.undriven(AT_ONCE, after=made[1], limit=2)
    assert [one.session_id for one in rest] == made[2:]
    assert await watched.watch.undriven(AT_ONCE, only=uuid4(), limit=2) == []
