"""Several logs in one append: all of it is written, in its order, or nothing is."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from application.errors import KeysTaken, VersionConflict
from application.ports.log.append import Append
from application.ports.log.events import StoredEvent
from application.ports.session.shared_state import SharedWrite
from application.ports.store import Store
from tests.support.appends import Chain, at, row

EVERYTHING = 1_000_000


async def all_events(store: Store) -> list[StoredEvent]:
    return list((await store.log.read_all(after=0, upto=EVERYTHING, limit=EVERYTHING)).events)


async def places(store: Store) -> list[tuple[UUID, int]]:
    """Return whose each position is, once they are known to be dense."""
    events = await all_events(store)
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    return [(event.session_id, event.sequence) for event in events]


async def append_all(store: Store, *appends: Append) -> list[int | BaseException]:
    return await asyncio.gather(
        *(store.log.append(append) for append in appends), return_exceptions=True
    )


async def test_positions_are_those_of_the_append_and_then_of_its_companions(store: Store) -> None:
    parent, one, two = Chain(), Chain(), Chain()
    await store.log.append(Chain().next(3))
    spawn = parent.next(2, companions=[one.next(3), two.next()])
    assert await store.log.append(spawn) == 5
    assert (await places(store))[3:] == [
        *((parent.session_id, n) for n in (1, 2)),
        *((one.session_id, n) for n in (1, 2, 3)),
        (two.session_id, 1),
    ]
    assert await store.log.head() == 9
    assert await store.log.changed_since(3) == (
        9,
        {parent.session_id: 2, one.session_id: 3, two.session_id: 1},
    )
    assert await store.log.append(one.next(companions=[parent.next()])) == 10


async def test_rows_keys_and_shared_values_of_companions_are_written_too(
    store: Store, commits: list[int]
) -> None:
    parent, child, scope = Chain(), Chain(), uuid4()
    await store.log.append(parent.next(2))
    made = child.next(
        2,
        at=at(3),
        row=row(title="Child", parent_id=parent.session_id),
        keys=["c"],
        shared=[SharedWrite(scope, "app:a", b"1", 1)],
    )
    spawn = parent.next(at=at(2), keys=["p"], companions=[made])
    assert await store.log.append(spawn) == 3
    assert commits[-1] == 5
    listed = await store.session_rows.session(child.session_id)
    assert listed is not None
    assert (listed.title, listed.sequence, listed.position) == ("Child", 2, 5)
    assert (listed.digest, listed.updated_at) == (child.digest, at(3))
    moved = await store.session_rows.session(parent.session_id)
    assert moved is not None
    assert (moved.sequence, moved.position, moved.updated_at) == (3, 3, at(2))
    of_child = await store.idempotency_keys.answer(child.session_id, "c")
    of_parent = await store.idempotency_keys.answer(parent.session_id, "p")
    assert of_child == replace(made.keys[0], position=5)
    assert of_parent == replace(spawn.keys[0], position=3)
    assert await store.shared_state.scope(scope) == (5, {"app:a": b"1"})
    (write,) = await store.shared_state.key_history(scope, "app:a", limit=9)
    assert (write.position, write.session_id, write.sequence) == (5, child.session_id, 2)


async def test_one_without_events_is_answered_with_the_position_before_its_companions(
    store: Store,
) -> None:
    asker, other = Chain(), Chain()
    await store.log.append(asker.next(4))
    silent = asker.next(0, companions=[other.next(2)])
    silent.keys = [asker.answer("k", position=4)]
    for _ in range(2):
        assert await store.log.append(silent) == 4
    assert await places(store) == [
        *((asker.session_id, n) for n in (1, 2, 3, 4)),
        *((other.session_id, n) for n in (1, 2)),
    ]
    kept = await store.idempotency_keys.answer(asker.session_id, "k")
    assert kept is not None
    assert kept.position == 4


@pytest.mark.parametrize("guilty", [0, 1, 2])
async def test_a_conflict_of_any_refuses_all_and_leaves_nothing(store: Store, guilty: int) -> None:
    chains = [Chain(), Chain(), Chain()]
    for chain in chains:
        await store.log.append(chain.next(row=row(title="Before")))
    stale = [chain.fork() for chain in chains]
    await store.log.append(chains[guilty].next(2))
    scope = uuid4()
    first, *others = [
        chain.next(
            2,
            row=row(title="After"),
            keys=["k"],
            shared=[SharedWrite(scope, "app:a", b"1", 0)],
        )
        for chain in stale
    ]
    first.companions = others
    with pytest.raises(VersionConflict) as refused:
        await store.log.append(first)
    assert refused.value.facts == {"session_id": str(chains[guilty].session_id), "head": 3}
    assert await store.log.head() == 5
    for chain in chains:
        listed = await store.session_rows.session(chain.session_id)
        assert listed is not None
        assert (listed.title, listed.sequence) == ("Before", chain.sequence)
        assert await store.idempotency_keys.answer(chain.session_id, "k") is None
    assert await store.shared_state.scope(scope) == (0, {})
    assert await store.log.append(chains[0].next(companions=[chains[1].next()])) == 6


async def test_a_child_that_is_there_already_is_not_made_again(store: Store) -> None:
    parent, child = Chain(), Chain()
    again = Chain(child.session_id)
    await store.log.append(parent.next())
    await store.log.append(parent.next(companions=[child.next()]))
    with pytest.raises(VersionConflict) as refused:
        await store.log.append(parent.fork().next(companions=[again.next()]))
    assert refused.value.facts == {"session_id": str(child.session_id), "head": 1}
    assert await store.log.head() == 3


async def test_a_taken_key_of_a_companion_refuses_all(store: Store) -> None:
    parent, child = Chain(), Chain()
    await store.log.append(parent.next())
    await store.log.append(child.next(keys=["a"]))
    refused = parent.fork().next(companions=[child.fork().next(keys=["a", "b"])])
    with pytest.raises(KeysTaken) as taken:
        await store.log.append(refused)
    assert taken.value.keys == {"a"}
    assert await store.log.head() == 2
    assert await store.idempotency_keys.answer(child.session_id, "b") is None


async def test_what_is_sent_twice_is_stored_once(store: Store) -> None:
    parent, child = Chain(), Chain()
    await store.log.append(parent.next())
    spawn = parent.next(2, companions=[child.next(3)])
    assert await store.log.append(spawn) == 3
    await store.log.append(child.next())
    assert await store.log.append(spawn) == 3
    assert await store.log.head() == 7


async def test_two_to_one_log_or_companions_of_companions_are_no_append(store: Store) -> None:
    parent, child, grandchild = Chain(), Chain(), Chain()
    child_made, again = child.next(), child.next()
    nested = Chain().next(companions=[grandchild.next()])
    for companions in ([child_made, again], [Chain(parent.session_id).next()], [nested]):
        with pytest.raises(ValueError, match="companion"):
            await store.log.append(parent.fork().next(companions=companions))
    assert await store.log.head() == 0


async def test_in_one_batch_the_guilty_do_not_hurt_the_innocent(store: Store) -> None:
    parents = [Chain() for _ in range(12)]
    await append_all(store, *(chain.next() for chain in parents))
    stale = [chain.fork() for chain in parents[:4]]
    await append_all(store, *(chain.next() for chain in parents[:4]))
    children = [Chain() for _ in parents]
    spawns = [
        chain.next(2, companions=[child.next(3)])
        for chain, child in zip([*stale, *parents[4:]], children, strict=True)
    ]
    plain = [Chain().next() for _ in range(4)]
    answers = await append_all(store, *spawns[:6], *plain, *spawns[6:])
    assert all(isinstance(answer, VersionConflict) for answer in answers[:4]), answers
    assert all(isinstance(answer, int) for answer in answers[4:]), answers
    assert await store.log.head() == 12 + 4 + 8 * 5 + 4
    assert len(await places(store)) == await store.log.head()
    for child in children[:4]:
        assert await store.session_rows.session(child.session_id) is None
    positions = {(e.session_id, e.sequence): e.position for e in await all_events(store)}
    for spawn, answer in zip(spawns[4:], [*answers[4:6], *answers[10:]], strict=True):
        made = spawn.companions[0]
        assert positions[spawn.session_id, spawn.before + 2] == answer
        assert positions[made.session_id, 1] == answer + 1  # type: ignore[operator]


async def test_of_those_that_have_any_log_in_common_one_wins(store: Store) -> None:
    child = uuid4()
    rivals = [Chain().next(2, companions=[Chain(child).next()]) for _ in range(8)]
    rivals.append(Chain(child).next(companions=[Chain().next()]))
    answers = await append_all(store, *rivals)
    assert sum(isinstance(answer, int) for answer in answers) == 1
    assert sum(isinstance(answer, VersionConflict) for answer in answers) == 8
    (winner,) = [r for r, answer in zip(rivals, answers, strict=True) if isinstance(answer, int)]
    assert {session for session, _ in await places(store)} == {
        one.session_id for one in winner.streams
    }


async def test_sixteen_writers_that_spawn_from_one_parent_all_get_their_children(
    store: Store,
) -> None:
    parent, made, at_fault = Chain(), list[tuple[UUID, int]](), set[object]()
    await store.log.append(parent.next())

    async def spawn() -> None:
        for _ in range(3):
            child = Chain()
            while True:
                mine, its = parent.fork(), child.fork()
                try:
                    append = mine.next(["child.spawned"], companions=[its.next(2)])
                    position = await store.log.append(append)
                except VersionConflict as conflict:
                    at_fault.add(conflict.facts["session_id"])
                    # What a loser reads again is told it by the winner here.
                    await asyncio.sleep(0)
                    continue
                parent.sequence, parent.digest = mine.sequence, mine.digest
                made.append((child.session_id, position))
                break

    await asyncio.wait_for(asyncio.gather(*(spawn() for _ in range(16))), 60)
    assert len(made) == 48
    assert at_fault == {str(parent.session_id)}
    log = await places(store)
    assert len(log) == 1 + 48 * 3
    assert [sequence for session, sequence in log if session == parent.session_id] == list(
        range(1, 50)
    )
    for child_id, position in made:
        assert log[position - 1][0] == parent.session_id
        assert log[position : position + 2] == [(child_id, 1), (child_id, 2)]
