"""An import that is broken off at any point comes to the same when it is run again."""

import asyncio
import gc
from uuid import UUID

import pytest

from api.composition.over_store import scope_handler_over
from application.commands.request import Outcome
from application.fan_out import FanOut
from application.ports.log.append import Append
from application.projections.shared_state import scope_id
from application.transfer import log_writer
from domain.scope.events import ScopeOpened
from domain.scope.rules import PatchScope
from domain.session.events import StatePatched
from domain.values import Lineage, Origin
from tests.support.builders import added, created
from tests.support.transfers import (
    IMPORTER,
    Place,
    Populated,
    appending,
    archive_of,
    files_of,
    memory_place,
    rechained,
)
from tests.transfer.test_order import head_of, watched

ADA, BOB, FORK, CHILD = (UUID(int=number) for number in (7, 5, 3, 2))
ALL = (ADA, BOB, FORK, CHILD)
APP = scope_id("console", None)


class EndedError(Exception):
    pass


async def lived_in() -> Place:
    """Return a place with sessions whose rows depend on each of their events."""
    place = memory_place()
    filled = Populated(place.store)
    await filled.add(ADA, created(title="Ada's", state={"app:n": 1, "own": 1}))
    await filled.add(BOB, created(), StatePatched(set={"app:n": 2}))
    await filled.add(ADA, added("m1"), StatePatched(set={"own": 2, "app:m": 1}), added("m2"))
    sequence, digest, *_ = filled.ends[ADA]
    where = Origin(session_id=ADA, sequence=sequence, digest=digest.hex())
    await filled.add(FORK, created(forked_from=where), added("m3"), added("m4"))
    spawned = Lineage(parent_id=BOB, root_id=BOB, depth=1, role="helper", auto_stop=False)
    await filled.add(CHILD, created(type="spawned", lineage=spawned, state={"app:n": 3}))
    # The same key by turns, at places of their logs that follow each other.
    await filled.add(BOB, StatePatched(set={"app:n": 4}))
    await filled.add(BOB, StatePatched(set={"app:n": 5}), added("m1"))
    await filled.add(CHILD, StatePatched(set={"app:n": 6}))
    return place


async def rows(place: Place) -> list[object]:
    """Return what lists show, but for when it came."""
    found = [await place.store.session_rows.session(session_id) for session_id in ALL]
    return [None if one is None else one._replace(position=0) for one in found]


async def values(place: Place) -> dict[str, bytes]:
    return dict((await place.store.shared_state.scope(APP)).values)


async def broken_off(place: Place, content: bytes, after: int) -> bool:
    """Import until so many appends were made; return whether it came to its end before."""
    left = after

    async def look(_: Append) -> None:
        nonlocal left
        if not left:
            raise EndedError
        left -= 1

    try:
        await watched(place, look).take_in(content)
    except EndedError:
        # What failed beside it, and nobody has heard of, would be told now.
        gc.collect()
        return False
    return True


@pytest.mark.parametrize("largest", [1, 2, 2000])
async def test_broken_off_between_any_two_appends_it_comes_to_the_same(
    largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "LARGEST_APPEND", largest)
    origin = await lived_in()
    content = await origin.export()
    assert (await values(origin))["app:n"] == b"6"

    after, is_whole = 0, False
    while not is_whole:
        copy = memory_place()
        is_whole = await broken_off(copy, content, after)
        await copy.take_in(content)
        assert await rows(copy) == await rows(origin)
        assert await values(copy) == await values(origin)
        assert all(log.is_there for log in (await copy.plan(content)).logs.values())
        after += 1
    assert after > len(ALL)


async def test_what_is_held_half_way_is_not_gone_on_with_by_another_log_of_the_same_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_writer, "LARGEST_APPEND", 2)
    one, other, copy = memory_place(), memory_place(), memory_place()
    for place, title in ((one, "one"), (other, "other")):
        await Populated(place.store).add(
            ADA, created(title=title), *(added(f"m{n}") for n in "123")
        )
    assert not await broken_off(copy, await one.export(), 1)
    row = await copy.store.session_rows.session(ADA)
    assert row is not None
    assert (row.sequence, row.held) == (2, "import")

    (conflict,) = (await copy.plan(await other.export())).conflicts

    assert (conflict.code, conflict.session_id) == ("another_chain", ADA)
    await copy.take_in(await one.export())
    assert await head_of(copy, ADA) == 4


async def test_an_import_that_fails_has_ended_with_all_that_it_was_at() -> None:
    origin, copy = memory_place(), memory_place()
    filled = Populated(origin.store)
    for session_id in ALL:
        await filled.add(session_id, created(), added("m1"))
    others, tasks = asyncio.Event(), asyncio.all_tasks()

    async def append(one: Append) -> int:
        if one.session_id == ALL[-1]:
            await others.wait()
            raise EndedError
        others.set()
        # Longer than the one that fails needs to be heard of.
        for _ in range(50):
            await asyncio.sleep(0)
        return await copy.store.log.append(one)

    with pytest.raises(EndedError):
        await appending(copy, append).take_in(await origin.export())

    assert asyncio.all_tasks() == tasks
    gc.collect()


async def test_the_log_of_a_scope_under_another_id_is_refused() -> None:
    origin = memory_place()
    await Populated(origin.store).add(
        APP, ScopeOpened(app="console"), StatePatched(set={"app:n": 1})
    )
    files = files_of(await origin.export())
    header, *lines = files[f"scopes/{APP}.jsonl"].splitlines()
    other = str(ADA).encode()
    lines = [line.replace(str(APP).encode(), other) for line in lines]
    lines = rechained(lines, ADA, lambda _, record: record)
    digest = lines[-1].partition(b'"digest":"')[2][:64]
    header = header.replace(str(APP).encode(), other)
    was = header.partition(b'"digest":"')[2][:64]
    content = b"\n".join([header.replace(was, digest), *lines, b""])

    (conflict,) = (
        await memory_place().plan(archive_of({f"scopes/{ADA}.jsonl": content}))
    ).conflicts

    assert (conflict.code, "which it names" in conflict.detail) == ("damaged", True)


async def test_a_key_that_the_store_has_written_keeps_its_value_wherever_it_is_broken_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_writer, "LARGEST_APPEND", 2)
    content = await (await lived_in()).export()
    after, is_whole = 0, False
    while not is_whole:
        copy = memory_place()
        standing = Populated(copy.store)
        await standing.add(UUID(int=50), created(state={"app:n": "ours"}))
        is_whole = await broken_off(copy, content, after)
        await copy.take_in(content)
        assert await values(copy) == {"app:n": b'"ours"', "app:m": b"1"}, after
        after += 1


async def test_what_is_written_to_a_key_while_it_is_given_its_value_back_stands() -> None:
    origin, copy = await lived_in(), memory_place()
    standing = Populated(copy.store)
    ours = UUID(int=50)
    await standing.add(ours, created(state={"app:n": "old"}))
    newer = iter(("newer", "newest"))

    async def look(one: Append) -> None:
        if one.companions and (value := next(newer, None)) is not None:
            await standing.add(ours, StatePatched(set={"app:n": value}))

    await watched(copy, look).take_in(await origin.export())

    assert next(newer, None) is None
    assert (await values(copy))["app:n"] == b'"newest"'
    assert await rows(copy) == await rows(origin)


@pytest.mark.parametrize("at", range(7))
async def test_what_is_written_to_a_key_while_only_the_import_has_written_it_stands(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "LARGEST_APPEND", 1)
    origin, copy = await lived_in(), memory_place()
    standing = Populated(copy.store)
    left = at

    async def look(one: Append) -> None:
        nonlocal left
        if any(write.key == "app:n" for write in one.shared):
            if not left:
                await standing.add(UUID(int=50), created(state={"app:n": "ours"}))
            left -= 1

    await watched(copy, look).take_in(await origin.export())

    assert left <= 0
    assert await values(copy) == {"app:n": b'"ours"' if left < 0 else b"6", "app:m": b"1"}
    assert await rows(copy) == await rows(origin)


async def test_those_who_patch_a_scope_all_the_time_leave_an_import_its_turns() -> None:
    origin, copy = await lived_in(), memory_place()
    await Populated(copy.store).add(UUID(int=50), created(state={"app:n": "ours"}))
    handler = scope_handler_over(copy.store, FanOut())
    patches: list[asyncio.Task[Outcome]] = []
    tried: list[tuple[UUID, int]] = []

    async def look(one: Append) -> None:
        if not one.shared:
            return
        tried.append((one.session_id, one.before))
        patch = PatchScope(app="console", set={"app:other": len(tried)})
        patches.append(asyncio.create_task(handler.handle(IMPORTER.patches(patch))))
        # It does all that it can do before what is imported is written.
        for _ in range(100):
            await asyncio.sleep(0)

    await watched(copy, look).take_in(await origin.export(), scope_handler=handler)

    assert len(tried) > 1
    assert len(set(tried)) == len(tried)
    await asyncio.gather(*patches)
    found = await values(copy)
    assert (found["app:n"], found["app:other"]) == (b'"ours"', b"%d" % len(tried))


@pytest.mark.parametrize("largest", [1, 2, 2000])
async def test_a_key_keeps_its_value_wherever_an_import_with_the_log_of_its_scope_is_broken_off(
    largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "LARGEST_APPEND", largest)
    origin = await lived_in()
    theirs = Populated(origin.store)
    await theirs.add(APP, ScopeOpened(app="console"), StatePatched(set={"app:n": 7}))
    await theirs.add(APP, StatePatched(delete=("app:m",)), StatePatched(set={"app:k": 8}))
    content = await origin.export()
    after, is_whole = 0, False
    while not is_whole:
        copy = memory_place()
        standing = Populated(copy.store)
        await standing.add(UUID(int=50), created(state={"app:n": "ours", "app:m": "ours"}))
        is_whole = await broken_off(copy, content, after)
        await copy.take_in(content)
        assert await values(copy) == {"app:n": b'"ours"', "app:m": b'"ours"', "app:k": b"8"}, after
        after += 1


async def test_a_key_keeps_the_value_of_a_session_that_is_there_and_comes_along() -> None:
    here, elsewhere = memory_place(), memory_place()
    ours = Populated(here.store)
    await ours.add(UUID(int=50), created(state={"app:n": "oldest"}))
    await ours.add(BOB, created(state={"app:n": "ours"}))
    await elsewhere.take_in(await here.export_session(BOB))
    await Populated(elsewhere.store).add(ADA, created(state={"app:n": "theirs"}))

    await here.take_in(await elsewhere.export())

    assert await values(here) == {"app:n": b'"ours"'}
