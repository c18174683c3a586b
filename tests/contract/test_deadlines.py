"""When sessions need the clock, and which children have outlived their parents."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from application.ports.session.deadlines import DueSession, Orphan
from application.ports.store import Store
from infrastructure.clock import SystemClock
from infrastructure.memory.store import MemoryStore
from tests.support.appends import START, Chain, at, row

HOUR = timedelta(hours=1)
A_MOMENT = timedelta(microseconds=1)


async def make(store: Store, **shown: object) -> Chain:
    chain = Chain()
    await store.log.append(chain.next(2, row=row(**shown)))
    return chain


async def due(store: Store, limit: int = 100) -> list[UUID]:
    return [found.session_id for found in await store.deadlines.due(limit)]


# ── due ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_clock_is_in_utc_and_goes_on(store: Store) -> None:
    first, second = await store.deadlines.now(), await store.deadlines.now()
    assert first.tzinfo is UTC
    assert first <= second
    assert abs(first - datetime.now(UTC)) < timedelta(minutes=5)


async def test_sessions_are_due_when_their_time_has_come_the_oldest_first(store: Store) -> None:
    now = await store.deadlines.now()
    late = await make(store, due_at=now - HOUR)
    await make(store, due_at=now + HOUR)
    later = await make(store, due_at=now - 2 * HOUR)
    just = await make(store, due_at=now)
    await make(store)
    found = await store.deadlines.due(10)
    assert [one.session_id for one in found] == [c.session_id for c in (later, late, just)]
    asked_at = found[0].now
    assert asked_at >= now
    assert found[0] == DueSession(later.session_id, 2, now - 2 * HOUR, asked_at)
    assert {one.now for one in found} == {asked_at}
    assert all(one.now.tzinfo is UTC and one.due_at.tzinfo is UTC for one in found)
    assert await due(store, 2) == [later.session_id, late.session_id]
    assert await due(store, 0) == []


async def test_one_that_is_deleted_is_never_due(store: Store) -> None:
    now = await store.deadlines.now()
    gone = await make(store, due_at=now - HOUR)
    await store.log.append(gone.next(row=row(due_at=now - HOUR, deleted=True, status="deleted")))
    assert await due(store) == []
    assert await store.deadlines.next_due() is None


async def test_the_time_is_kept_until_a_row_says_another(store: Store) -> None:
    now = await store.deadlines.now()
    chain = await make(store, due_at=now - HOUR)
    await store.log.append(chain.next(3))
    (found,) = await store.deadlines.due(9)
    assert (found.sequence, found.due_at) == (5, now - HOUR)
    await store.log.append(chain.next(row=row(due_at=now + HOUR)))
    assert await due(store) == []
    await store.log.append(chain.next(row=row(due_at=now - 2 * HOUR)))
    assert await due(store) == [chain.session_id]
    await store.log.append(chain.next(row=row()))
    assert await due(store) == []


async def test_the_seconds_until_the_next_one_are_told(store: Store) -> None:
    assert await store.deadlines.next_due() is None
    await make(store)
    assert await store.deadlines.next_due() is None
    now = await store.deadlines.now()
    await make(store, due_at=now + 2 * HOUR)
    await make(store, due_at=now + HOUR)
    seconds = await store.deadlines.next_due()
    assert seconds is not None
    assert 3300 < seconds <= 3600
    await make(store, due_at=now - HOUR)
    assert await store.deadlines.next_due() == 0


async def test_on_the_very_moment_a_session_is_due() -> None:
    class Still(SystemClock):
        time = at(0)

        def now(self) -> datetime:
            return self.time

    clock = Still()
    store = MemoryStore(clock=clock)
    chain = await make(store, due_at=at(5))
    clock.time = at(5) - A_MOMENT
    assert await due(store) == []
    assert await store.deadlines.next_due() == A_MOMENT.total_seconds()
    clock.time = at(5)
    assert await due(store) == [chain.session_id]
    assert await store.deadlines.next_due() == 0
    assert await store.deadlines.now() == at(5)


# ── postponing ───────────────────────────────────────────────────────────────────────────────


async def test_a_session_is_postponed_if_it_is_due_as_it_was_seen(store: Store) -> None:
    now = await store.deadlines.now()
    chain, other = await make(store, due_at=now - HOUR), await make(store, due_at=now - HOUR)
    session = await store.session_rows.session(chain.session_id)
    for seen in (now - HOUR + A_MOMENT, now - HOUR - A_MOMENT, now):
        await store.deadlines.reschedule(chain.session_id, seen, None)
        assert set(await due(store)) == {chain.session_id, other.session_id}
    await store.deadlines.reschedule(chain.session_id, now - HOUR, now - HOUR / 2)
    assert await due(store) == [other.session_id, chain.session_id]
    await store.deadlines.reschedule(chain.session_id, now - HOUR / 2, now + HOUR)
    assert await due(store) == [other.session_id]
    await store.deadlines.reschedule(chain.session_id, now + HOUR, None)
    await store.deadlines.reschedule(other.session_id, now - HOUR, None)
    assert await store.deadlines.next_due() is None
    # Never is no time that could be seen.
    await store.deadlines.reschedule(other.session_id, now - HOUR, now - HOUR)
    await store.deadlines.reschedule(uuid4(), now, now)
    assert await store.deadlines.next_due() is None
    # No event says so, and nothing else of the row has changed.
    assert await store.log.head() == 4
    assert await store.session_rows.session(chain.session_id) == session


async def test_a_row_that_is_written_anew_overrules_what_was_postponed(store: Store) -> None:
    now = await store.deadlines.now()
    chain = await make(store, due_at=now - HOUR)
    (seen,) = await store.deadlines.due(1)
    await store.log.append(chain.next(row=row(due_at=now - 2 * HOUR)))
    await store.deadlines.reschedule(chain.session_id, seen.due_at, now + HOUR)
    assert await due(store) == [chain.session_id]
    await store.deadlines.reschedule(chain.session_id, now - 2 * HOUR, now + HOUR)
    assert await due(store) == []
    await store.log.append(chain.next(row=row(due_at=now - HOUR)))
    assert await due(store) == [chain.session_id]


@pytest.mark.parametrize("status", ["running", "waiting", "stopping"])
async def test_a_turn_whose_time_is_further_off_than_it_can_be_is_due_now(
    store: Store, status: str
) -> None:
    later = await store.deadlines.now() + HOUR
    ahead = (later - START).total_seconds()
    never = await make(store, status=status)
    once = await make(store, status=status, due_at=later)
    for other in ({"status": "idle"}, {"status": "stopped"}, {"deleted": True}):
        await make(store, **{"status": status} | other)

    await store.deadlines.mark_due_now(ahead + 60)
    assert await due(store) == [never.session_id]
    await store.deadlines.mark_due_now(ahead - 60)
    assert set(await due(store)) == {never.session_id, once.session_id}


async def test_postponing_does_not_get_in_the_way_of_appends(store: Store) -> None:
    now = await store.deadlines.now()
    chain = await make(store, due_at=now - HOUR)

    async def reschedule() -> None:
        for _ in range(40):
            for found in await store.deadlines.due(1):
                await store.deadlines.reschedule(
                    found.session_id, found.due_at, found.due_at + A_MOMENT
                )

    async def write() -> None:
        for n in range(60):
            await store.log.append(chain.next(row=row(due_at=now - HOUR) if n % 2 else None))

    await asyncio.wait_for(asyncio.gather(write(), reschedule(), reschedule()), 60)
    assert await store.log.head() == 62
    listed = await store.session_rows.session(chain.session_id)
    assert listed is not None
    assert (listed.sequence, listed.digest) == (62, chain.digest)


# ── orphans ──────────────────────────────────────────────────────────────────────────────────


async def orphans(store: Store, limit: int = 100) -> set[Orphan]:
    found: Sequence[Orphan] = await store.deadlines.orphans(limit)
    assert len(found) == len(set(found)) <= limit
    return set(found)


async def test_a_child_is_an_orphan_once_its_parent_is_stopped_or_deleted(store: Store) -> None:
    parent = await make(store)
    child = await make(store, parent_id=parent.session_id, status="running", auto_stop=True)
    idle = await make(store, parent_id=parent.session_id, root_id=parent.session_id, auto_stop=True)
    await make(store, parent_id=parent.session_id, auto_stop=False)
    for status in ("idle", "running", "waiting"):
        await store.log.append(parent.next(row=row(status=status)))
        assert await orphans(store) == set()
    await store.log.append(parent.next(row=row(status="stopped")))
    both = {Orphan(c.session_id, parent.session_id, "stopped") for c in (child, idle)}
    assert await orphans(store) == both
    assert len(await orphans(store, 1)) == 1
    assert await orphans(store, 0) == set()
    await store.log.append(parent.next(row=row(status="idle")))
    assert await orphans(store) == set()
    await store.log.append(parent.next(row=row(status="deleted", deleted=True)))
    assert await orphans(store) == {
        Orphan(c.session_id, parent.session_id, "deleted") for c in (child, idle)
    }


async def test_a_child_that_has_ended_is_no_orphan_and_one_that_goes_on_again_is(
    store: Store,
) -> None:
    parent = await make(store, status="stopped")
    shown = {"parent_id": parent.session_id, "auto_stop": True}
    child = await make(store, status="stopped", **shown)
    await make(store, status="deleted", deleted=True, **shown)
    assert await orphans(store) == set()
    await store.log.append(child.next(row=row(status="idle", **shown)))
    expected = {Orphan(child.session_id, parent.session_id, "stopped")}
    assert await orphans(store) == expected
    await store.log.append(child.next(row=row(status="stopped", **shown)))
    assert await orphans(store) == set()


@pytest.mark.parametrize("status", ["idle", "running"])
async def test_a_child_whose_parent_never_was_is_an_orphan(store: Store, status: str) -> None:
    nobody = uuid4()
    child = await make(store, parent_id=nobody, status=status)
    await make(store, parent_id=(await make(store)).session_id)
    assert await orphans(store) == {Orphan(child.session_id, nobody, None)}
