"""Which appends go together into one transaction."""

import asyncio
from contextlib import suppress
from uuid import uuid4

import pytest
from psycopg import AsyncConnection

from application.errors import Overloaded
from application.memory_budget import Share
from application.ports.log.append import Append
from application.ports.session.shared_state import SharedWrite
from infrastructure.postgres.writing.batch_writer import Batch
from infrastructure.postgres.writing.group_commit import CommitLimits, GroupCommit
from tests.support.appends import Chain


async def _never() -> AsyncConnection:
    raise AssertionError("nobody writes here")


async def batches(
    *appends: Append, limits: CommitLimits | None = None, is_one_on_its_way: bool = False
) -> list[list[int]]:
    """Return what each batch would hold, by the place in the queue."""
    commits = GroupCommit(_never, limits=limits)
    if is_one_on_its_way:
        commits._writers[0].batches.add(Batch([]))
    waiting = [asyncio.create_task(commits.append(append)) for append in appends]
    await asyncio.sleep(0)
    places = {append.session_id: n for n, append in enumerate(appends)}
    taken: list[list[int]] = []
    while batch := commits._take():
        taken.append([places[one.streams[0].session_id] for one in batch])
    assert commits._limits.waiting.used == 0
    for task in waiting:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return taken


async def test_appends_to_different_logs_go_together() -> None:
    assert await batches(*(Chain().next() for _ in range(5))) == [[0, 1, 2, 3, 4]]
    spawns = [Chain().next(companions=[Chain().next()]) for _ in range(3)]
    assert await batches(*spawns) == [[0, 1, 2]]


async def test_half_of_many_are_left_to_the_other_connection_when_nothing_is_on_its_way() -> None:
    many = [Chain().next() for _ in range(65)]
    assert (await batches(*many))[0] == [*range(33)]
    assert await batches(*many, is_one_on_its_way=True) == [[*range(65)]]
    assert await batches(*many[:31]) == [[*range(31)]]


async def test_no_batch_holds_two_that_touch_one_log() -> None:
    child, parent = uuid4(), Chain()
    spawn = parent.next(companions=[Chain(child).next()])
    to_child = Chain(child).next()
    other = Chain().next(companions=[Chain(child).next()])
    assert await batches(spawn, to_child, Chain().next(), other) == [[0, 2], [1], [3]]
    under = Chain().next(companions=[parent.fork().next()])
    assert await batches(spawn, under, Chain().next()) == [[0, 2], [1]]


async def test_who_expects_a_scope_does_not_come_after_a_write_to_it() -> None:
    scope, other = uuid4(), uuid4()

    def writes(**how: object) -> Append:
        return Chain().next(shared=[SharedWrite(scope, "app:a", b"1", 0)], **how)  # type: ignore[arg-type]

    expects = {scope: 7}
    assert await batches(writes(), writes(), writes()) == [[0, 1, 2]]
    assert await batches(Chain().next(expects=expects), writes(expects=expects), writes()) == [
        [0, 1, 2]
    ]
    assert await batches(
        writes(), writes(expects=expects), Chain().next(expects={other: 0}), writes()
    ) == [[0, 2, 3], [1]]
    through = Chain().next(companions=[writes()])
    asking = Chain().next(companions=[Chain().next(expects=expects)])
    assert await batches(through, asking) == [[0], [1]]


async def test_apps_take_turns_and_each_keeps_its_order() -> None:
    """One that sends much more than fits waits behind itself."""
    many = [Chain().next() for _ in range(6)]
    few = [Chain().next() for _ in range(2)]
    for append in many:
        append.app = "many"
    for append in few:
        append.app = "few"
    limits = CommitLimits(events=2)
    assert await batches(*many, *few, limits=limits) == [[0, 6], [1, 7], [2, 3], [4, 5]]


async def test_what_cannot_go_yet_is_the_next_of_its_app() -> None:
    log, other = Chain(), Chain()
    asked = [log.next(), log.next(), log.next(), other.next()]
    # Those of one log have one place here, and come one a batch.
    assert await batches(*asked, limits=CommitLimits(events=2)) == [[2, 3], [2], [2]]


async def test_an_app_that_has_the_most_memory_gives_way_to_others() -> None:
    share = Share("appends", 10_000)
    commits = GroupCommit(_never, limits=CommitLimits(waiting=share))

    def ask(app: str, size: int) -> asyncio.Task[int]:
        append = Chain().next(text="x" * size)
        append.app = app
        return asyncio.create_task(commits.append(append))

    flood = [ask("many", 2000) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await ask("many", 2000)

    modest = [ask("few", 2000) for _ in range(2)]
    await asyncio.sleep(0)
    for newest in flood[2:]:
        with pytest.raises(Overloaded):
            await newest
    assert not any(one.done() for one in (*flood[:2], *modest))
    # Nobody gives way to one that would then have more than itself.
    with pytest.raises(Overloaded):
        await ask("few", 5000)
    assert share.used <= share.limit

    while commits._take():
        pass
    assert share.used == 0
    for task in (*flood[:2], *modest):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_the_events_of_companions_count() -> None:
    limits = CommitLimits(events=10)
    spawns = [Chain().next(2, companions=[Chain().next(3)]) for _ in range(4)]
    assert await batches(*spawns, limits=limits) == [[0, 1], [2, 3]]


async def test_the_bytes_of_companions_count() -> None:
    commits = GroupCommit(_never, limits=CommitLimits(waiting=Share("appends", 5000)))
    large = Chain().next(companions=[Chain().next(text="x" * 6000)])
    with pytest.raises(Overloaded):
        await commits.append(large)
