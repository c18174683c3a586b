"""Sessions go out and in: to the byte, beside others, in part, and twice."""

import json
from uuid import UUID

import pytest

from application.errors import SessionHeld
from application.ports.log.append import Append
from application.ports.session.listing import SessionFilter
from application.projections.shared_state import scope_id
from application.transfer import log_writer
from application.transfer.exporting.selecting import Selection
from domain.errors import SessionNotFound
from domain.scope.events import ScopeOpened
from domain.session.events import StatePatched
from domain.values import Origin, Owner
from tests.support.appends import Chain
from tests.support.builders import added, created, started
from tests.support.transfers import Place, Populated, appending, files_of, same_but_for_positions

ADA, FORK, BOB = UUID(int=7), UUID(int=3), UUID(int=5)


async def furnished(place: Place) -> Populated:
    """Fill a store: two sessions, a fork whose id is below that of its origin, a shared scope."""
    filled = Populated(place.store)
    await filled.add(ADA, created(title="Ada's", state={"app:theme": "light", "own": 1}))
    await filled.add(ADA, *(added(f"m{number}") for number in range(1200)))
    sequence, digest, *_ = filled.ends[ADA]
    where = Origin(session_id=ADA, sequence=sequence, digest=digest.hex())
    await filled.add(FORK, created(forked_from=where))
    await filled.add(BOB, created(state={"app:theme": "dark"}))
    await filled.add(scope_id("console", None), ScopeOpened(app="console"))
    await filled.add(scope_id("console", None), StatePatched(set={"app:mode": "fast"}))
    await filled.add(ADA, StatePatched(set={"app:theme": "blue", "user:zone": "UTC"}))
    await filled.add(FORK, started("t1"))
    return filled


async def theme(place: Place) -> bytes | None:
    state = await place.store.shared_state.scope(scope_id("console", None))
    return state.values.get("app:theme")


async def test_a_store_comes_back_to_the_byte_but_for_the_positions(
    origin: Place, copy: Place
) -> None:
    await furnished(origin)
    bundle = await origin.export()
    await copy.take_in(bundle)
    again = await copy.export()
    assert same_but_for_positions(again) == same_but_for_positions(bundle)
    assert await theme(copy) == b'"blue"'
    for session_id in (ADA, FORK, BOB):
        one = await origin.store.session_rows.session(session_id)
        two = await copy.store.session_rows.session(session_id)
        assert one is not None
        assert two is not None
        assert (one.doc, one.digest, one.updated_at, two.held) == (
            two.doc,
            two.digest,
            two.updated_at,
            None,
        )
    history = [
        [
            (one.key, one.session_id, one.sequence, one.value)
            for one in await place.store.shared_state.writes(
                scope_id("console", None), after=0, limit=100
            )
        ]
        for place in (origin, copy)
    ]
    assert history[0] == history[1]


async def test_lines_are_what_the_log_gives(origin: Place) -> None:
    filled = Populated(origin.store)
    await filled.add(ADA, created(title="Ada's"))
    await filled.add(ADA, added("m1"))
    header, *lines = (await origin.export_session(ADA)).splitlines()
    stored = await origin.store.log.read(ADA, limit=10)
    assert json.loads(header) == {
        "cairn_export": 1,
        "store": origin.store.identity,
        "session_id": str(ADA),
        "events": 2,
        "head": 2,
        "digest": stored[-1].digest.hex(),
        "identity": {"app": "console", "user": "ada", "title": "Ada's"},
    }
    assert [json.loads(line)["position"] for line in lines] == [1, 2]
    assert [b"{" + line[line.index(b'"id"') :] for line in lines] == [
        event.record for event in stored
    ]


async def test_one_session_comes_beside_others(origin: Place, copy: Place) -> None:
    await furnished(origin)
    await copy.store.log.append(Chain().next(3))
    await copy.take_in(await origin.export_session(ADA))
    listed = await copy.store.session_rows.session(ADA)
    assert listed is not None
    assert (listed.sequence, listed.position) == (1202, 1205)


async def test_what_is_there_already_is_so_and_nothing_is_written(
    origin: Place, copy: Place
) -> None:
    await furnished(origin)
    bundle = await origin.export()
    await copy.take_in(bundle)
    head = await copy.store.log.head()
    plan = await copy.take_in(bundle)
    assert plan.document(dry_run=False)["already_there"] == 4
    assert await copy.store.log.head() == head
    # Also in the store that it comes from, whose sessions went on.
    assert not (await origin.plan(bundle)).conflicts


async def test_a_session_that_went_on_since_is_there_too(origin: Place, copy: Place) -> None:
    filled = await furnished(origin)
    early = await origin.export_session(BOB)
    await filled.add(BOB, added("m9"))
    late = await origin.export_session(BOB)
    await copy.take_in(late)
    plan = await copy.plan(early)
    assert not plan.conflicts
    assert plan.logs[BOB].is_there


async def test_a_session_with_another_chain_is_refused_by_name(origin: Place, copy: Place) -> None:
    filled = await furnished(origin)
    early = await origin.export_session(BOB)
    await filled.add(BOB, added("m9"))
    late = await origin.export_session(BOB)
    await copy.take_in(early)
    (conflict,) = (await copy.plan(late)).conflicts
    assert (conflict.code, conflict.session_id) == ("another_chain", BOB)
    stranger = Populated(copy.store)
    await stranger.add(ADA, created(title="another"))
    for one, other in ((origin, copy), (copy, origin)):
        (conflict,) = (await other.plan(await one.export_session(ADA))).conflicts
        assert (conflict.code, conflict.session_id) == ("another_chain", ADA)


async def test_an_import_that_was_ended_goes_on_where_it_ended(
    origin: Place, copy: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "LARGEST_APPEND", 500)
    await furnished(origin)
    bundle = await origin.export()
    plan = await copy.plan(bundle)
    assert plan.document(dry_run=True)["events"] == 1207
    session = await origin.export_session(ADA)
    with pytest.raises(CutError):
        await cut_after(copy, 1).take_in(session)
    listed = await copy.store.session_rows.session(ADA)
    assert listed is not None
    assert (listed.sequence, listed.held) == (500, "import")
    with pytest.raises(SessionHeld):
        await copy.store.log.append(Chain(ADA, listed.sequence, listed.digest).next())
    plan = await copy.take_in(session)
    assert plan.document(dry_run=False)["resumed"] == 1
    assert same_but_for_positions(await copy.export(Selection(session_ids=[ADA]))) == {
        name: content
        for name, content in same_but_for_positions(bundle).items()
        if str(ADA) in name
    }
    listed = await copy.store.session_rows.session(ADA)
    assert listed is not None
    assert listed.held is None


class CutError(Exception):
    """The process is killed."""


def cut_after(place: Place, appends: int) -> Place:
    """Return a place that takes so many appends and then no more."""
    left = appends

    async def append(one: Append) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise CutError
        return await place.store.log.append(one)

    return appending(place, append)


async def test_a_part_of_a_store_goes_out_by_list_and_by_name(origin: Place) -> None:
    filled = await furnished(origin)
    await filled.add(UUID(int=9), created(owner=Owner(app="bot", user="ada")))
    named = files_of(await origin.export(Selection(session_ids=[FORK, ADA])))
    assert list(named)[:2] == [f"sessions/{FORK}.jsonl", f"sessions/{ADA}.jsonl"]
    of_app = files_of(await origin.export(Selection(where=SessionFilter(app="console"))))
    scope = f"scopes/{scope_id('console', None)}.jsonl"
    assert set(of_app) == {
        scope,
        *(f"sessions/{one}.jsonl" for one in (ADA, FORK, BOB)),
        "manifest.json",
    }
    with pytest.raises(SessionNotFound):
        await origin.export(Selection(session_ids=[UUID(int=99)]))


async def test_a_manifest_says_what_is_there(origin: Place) -> None:
    await furnished(origin)
    manifest = json.loads(files_of(await origin.export())["manifest.json"])
    assert manifest["whole"] is True
    assert {one["name"] for one in manifest["files"]} == {
        f"scopes/{scope_id('console', None)}.jsonl",
        *(f"sessions/{one}.jsonl" for one in (ADA, FORK, BOB)),
    }
    (shared, user) = manifest["shared_state"]
    assert (shared["app"], shared["user"], user["user"]) == ("console", None, "ada")
    assert [one.get("value") for one in shared["history"]] == ["light", "dark", "fast", "blue"]


async def test_an_export_goes_out_in_parts(origin: Place) -> None:
    await furnished(origin)
    names: list[str] = []
    for wanted in (Selection(limit=1), Selection(where=SessionFilter(app="console"), limit=1)):
        found: list[str] = []
        after: str | None = None
        while True:
            part = Selection(
                where=wanted.where, limit=1, after=None if after is None else UUID(after)
            )
            files = files_of(await origin.export(part))
            manifest = json.loads(files.pop("manifest.json"))
            assert len(files) == 1
            found += files
            after = manifest.get("next")
            if after is None:
                break
        assert len(found) == 4
        names += sorted(found)
    assert names[:4] == names[4:]


async def test_a_key_that_others_wrote_before_keeps_its_value(origin: Place, copy: Place) -> None:
    await furnished(origin)
    standing = Populated(copy.store)
    await standing.add(UUID(int=50), created(state={"app:theme": "ours"}))
    await copy.take_in(await origin.export_session(ADA))
    assert await theme(copy) == b'"ours"'
    state = await copy.store.shared_state.scope(scope_id("console", "ada"))
    assert state.values == {"user:zone": b'"UTC"'}
    head = await copy.store.log.head()
    await copy.take_in(await origin.export_session(ADA))
    assert await copy.store.log.head() == head


async def test_a_key_keeps_its_value_also_where_the_log_of_its_scope_comes_along(
    origin: Place, copy: Place
) -> None:
    await furnished(origin)
    standing = Populated(copy.store)
    await standing.add(UUID(int=50), created(state={"app:theme": "ours"}))
    bundle = await origin.export()
    await copy.take_in(bundle)
    assert await theme(copy) == b'"ours"'
    assert not (await copy.plan(bundle)).conflicts


async def test_a_fork_needs_its_origin(origin: Place, copy: Place) -> None:
    await furnished(origin)
    fork = await origin.export_session(FORK)
    (conflict,) = (await copy.plan(fork)).conflicts
    assert (conflict.code, conflict.session_id) == ("missing_origin", FORK)
    await copy.take_in(await origin.export_session(ADA))
    await copy.take_in(fork)
    one = await origin.store.session_rows.session(FORK)
    two = await copy.store.session_rows.session(FORK)
    assert one is not None
    assert two is not None
    assert one.doc == two.doc


async def test_a_fork_needs_the_very_event_that_it_left(origin: Place, copy: Place) -> None:
    await furnished(origin)
    other = Populated(copy.store)
    await other.add(ADA, created(), *(added(f"m{number}") for number in range(1200)))

    (conflict,) = (await copy.plan(await origin.export_session(FORK))).conflicts
    assert (conflict.code, conflict.session_id) == ("another_origin", FORK)
