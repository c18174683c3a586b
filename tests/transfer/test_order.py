"""In which order an import writes: nothing is there before what it needs."""

import gc
from collections.abc import Awaitable, Callable
from hashlib import sha256
from uuid import UUID

import pytest

from application.ports.log.append import Append
from application.transfer import log_writer
from domain.blobs import blob_name
from domain.session.events import MessageAdded, StatePatched
from domain.values import Lineage, Origin
from tests.support.builders import added, created
from tests.support.transfers import Place, Populated, appending, archive_of, memory_place
from tests.transfer.test_blobs import furnished, kept_by

GRANDFORK, CHILD, FORK, ADA, PARENT = (UUID(int=number) for number in (1, 2, 3, 7, 9))
NEEDS = {CHILD: (PARENT, 1), FORK: (ADA, 3), GRANDFORK: (FORK, 1)}
PICTURE = blob_name(sha256(b"picture").digest())


async def family() -> bytes:
    """Return an archive in which everything stands before what it comes from."""
    place = memory_place()
    filled = Populated(place.store)

    def where(session_id: UUID) -> Origin:
        sequence, digest, *_ = filled.ends[session_id]
        return Origin(session_id=session_id, sequence=sequence, digest=digest.hex())

    part = {"type": "image", "blob": PICTURE}
    shown = MessageAdded(message_id="m1", role="user", parts=(part,))
    await filled.add(ADA, created(), shown, added("m2"))
    await filled.add(FORK, created(forked_from=where(ADA)))
    await filled.add(GRANDFORK, created(forked_from=where(FORK)))
    await filled.add(ADA, *(added(f"m{number}") for number in range(3, 9)))
    await filled.add(PARENT, created(), added("m1"))
    spawned = Lineage(parent_id=PARENT, root_id=PARENT, depth=1, role="helper", auto_stop=False)
    await filled.add(CHILD, created(type="spawned", lineage=spawned))
    return archive_of(
        {
            f"sessions/{session_id}.jsonl": await place.export_session(session_id)
            for session_id in (GRANDFORK, CHILD, FORK, ADA, PARENT)
        }
    )


def watched(place: Place, look: Callable[[Append], Awaitable[None]]) -> Place:
    """Return a place that is looked at before each append."""

    async def append(one: Append) -> int:
        await look(one)
        return await place.store.log.append(one)

    return appending(place, append)


async def head_of(place: Place, log_id: UUID) -> int:
    newest = await place.store.log.read_newest(log_id, last=1)
    return newest[0].sequence if newest else 0


async def named_by(place: Place, session_id: UUID) -> list[str]:
    return [one.name for one in await place.store.blobs.of_session(session_id, limit=9)]


async def test_only_what_writes_keys_that_sessions_share_is_written_in_its_old_order() -> None:
    origin = memory_place()
    filled = Populated(origin.store)
    await filled.add(ADA, created(state={"own": 1}))
    await filled.add(FORK, created(state={"app:n": 1}))
    await filled.add(PARENT, created(), StatePatched(delete=("user:n",)))

    plan = await memory_place().plan(await origin.export())

    # All of them are of the actor `user:ada`.
    assert [(one.log_id, one.sequence) for one in plan.shared] == [(FORK, 1), (PARENT, 2)]


async def test_nothing_is_written_before_what_it_comes_from() -> None:
    copy = memory_place()
    begun: list[UUID] = []

    async def look(one: Append) -> None:
        if one.before == 0:
            begun.append(one.session_id)
            needed = NEEDS.get(one.session_id)
            assert needed is None or await head_of(copy, needed[0]) >= needed[1]

    await watched(copy, look).take_in(await family())

    assert sorted(begun) == [GRANDFORK, CHILD, FORK, ADA, PARENT]


async def test_an_import_that_was_ended_an_event_before_a_fork_writes_that_event_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_writer, "LARGEST_APPEND", 1)
    copy, bundle = memory_place(), await family()

    class EndedError(Exception):
        pass

    async def end(_: Append) -> None:
        if await head_of(copy, ADA) == 2:
            raise EndedError

    with pytest.raises(EndedError):
        await watched(copy, end).take_in(bundle)
    # What failed beside it, and nobody has heard of, would be told now.
    gc.collect()
    assert (await head_of(copy, ADA), await head_of(copy, FORK)) == (2, 0)

    async def look(one: Append) -> None:
        if one.session_id == FORK:
            assert await head_of(copy, ADA) >= 3

    await watched(copy, look).take_in(bundle)
    assert await head_of(copy, FORK) == 1


async def test_pages_of_a_log_follow_each_other_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_writer, "LARGEST_APPEND", 2)
    copy = memory_place()

    async def look(one: Append) -> None:
        assert await head_of(copy, one.session_id) == one.before

    await watched(copy, look).take_in(await family())
    assert await head_of(copy, ADA) == 9


async def test_what_an_event_names_is_named_before_it_is_there() -> None:
    copy = memory_place()
    naming = 0

    async def look(one: Append) -> None:
        nonlocal naming
        if any(PICTURE.encode() in event.record for event in one.events):
            naming += 1
            assert await named_by(copy, one.session_id) == [PICTURE]

    await watched(copy, look).take_in(await family())

    assert naming == 1
    for session_id in (ADA, FORK, GRANDFORK):
        assert await named_by(copy, session_id) == [PICTURE]


async def test_blobs_are_there_before_any_event() -> None:
    origin, copy = memory_place(), memory_place()
    kept = await furnished(origin)

    async def look(_: Append) -> None:
        for blob in kept:
            assert await kept_by(copy, blob)

    await watched(copy, look).take_in(await origin.export())
    assert await head_of(copy, ADA)
