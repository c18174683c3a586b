"""The list of sessions: filters, orders, and pages that stay right while sessions move."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import get_args
from uuid import UUID, uuid4

import pytest

from application.errors import VersionConflict
from application.ports.log.events import EventFilter
from application.ports.session.listing import (
    After,
    ListedSession,
    SessionFilter,
    SessionOrder,
    SortKey,
)
from application.ports.session.session_row import Activity
from application.ports.session.shared_state import ScopeOwner
from application.ports.store import Store
from domain.session.events import Recorded, SessionCreated, StatePatched
from domain.session.evolve import evolve
from domain.session.state import ABSENT
from domain.values import Owner
from infrastructure.postgres.session import snapshots
from tests.support.appends import START, Chain, at, row

SORTS: list[SortKey] = list(get_args(SortKey))
ORDERS = [SessionOrder(by, descending) for by in SORTS for descending in (True, False)]
EVERY_ORDER = pytest.mark.parametrize(
    "order", ORDERS, ids=lambda o: f"{o.by}-{'desc' if o.descending else 'asc'}"
)


async def make(
    store: Store, chain: Chain | None = None, updated: float = 0, **shown: object
) -> UUID:
    chain = chain or Chain()
    await store.log.append(chain.next(at=at(updated), row=row(**shown)))
    return chain.session_id


async def found(store: Store, **where: object) -> set[UUID]:
    rows = await store.session_rows.sessions(
        SessionFilter(**where),  # type: ignore[arg-type]
        SessionOrder(),
        None,
        1000,
    )
    return {listed.session_id for listed in rows}


def cursor(listed: ListedSession, order: SessionOrder) -> After:
    return After(getattr(listed, order.by) or "", listed.session_id)


def place(listed: ListedSession, order: SessionOrder) -> tuple[object, UUID]:
    return getattr(listed, order.by) or "", listed.session_id


# ── one row ──────────────────────────────────────────────────────────────────────────────────


async def test_a_row_has_what_was_appended(store: Store) -> None:
    chain = Chain()
    assert await store.session_rows.session(chain.session_id) is None
    await store.log.append(Chain().next(4))
    shown = row(app="desk", user="bob", title="Hi", status="running", doc='{"ü":1}')
    await store.log.append(chain.next(3, at=at(1.25), row=shown))
    expected = ListedSession(
        session_id=chain.session_id,
        sequence=3,
        position=7,
        digest=chain.digest,
        created_at=START,
        updated_at=at(1.25),
        status="running",
        app="desk",
        user="bob",
        doc='{"ü":1}',
        title="Hi",
    )
    assert await store.session_rows.session(chain.session_id) == expected
    (listed,) = await store.session_rows.sessions(
        SessionFilter(app="desk"), SessionOrder(), None, 10
    )
    assert listed == expected


async def test_a_deleted_session_has_a_row_but_is_in_no_list(store: Store) -> None:
    chain = Chain()
    await make(store, chain, tags=("x",))
    await store.log.append(chain.next(row=row(deleted=True, status="deleted", tags=("x",))))
    listed = await store.session_rows.session(chain.session_id)
    assert listed is not None
    assert (listed.status, listed.sequence) == ("deleted", 2)
    for where in ({}, {"tag": "x"}, {"app": "shop"}, {"status": ("deleted",)}):
        assert await found(store, **where) == set()


async def test_an_append_that_was_answered_is_in_every_list(store: Store) -> None:
    async def write_and_look() -> None:
        chain = Chain()
        await make(store, chain, tags=("new",), title="Fresh")
        assert chain.session_id in await found(store, tag="new")
        await store.log.append(chain.next(at=at(5), row=row(status="running")))
        assert chain.session_id in await found(store, status=("running",), updated_after=at(5))
        assert chain.session_id not in await found(store, tag="new")

    await asyncio.gather(*(write_and_look() for _ in range(25)))


# ── filters ──────────────────────────────────────────────────────────────────────────────────

TELLING = {
    "app": "desk",
    "user": "bob",
    "workspace": "w1",
    "team": "t1",
    "scope": "s1",
    "agent": "coder",
    "status": "running",
    "type": "background",
    "external_id": "Order 7/ü😀",
    "badge": "waiting-for-auth",
}


@pytest.mark.parametrize("name", TELLING)
async def test_a_list_is_filtered_by_what_rows_are(store: Store, name: str) -> None:
    one = await make(store, **{name: TELLING[name]})
    other = await make(store)
    asked = (
        (lambda value: (value,)) if name in ("status", "badge", "type") else (lambda value: value)
    )
    assert await found(store, **{name: asked(TELLING[name])}) == {one}
    assert await found(store) == {one, other}
    assert await found(store, **{name: asked("of nobody")}) == set()


async def test_a_list_is_filtered_by_marks(store: Store) -> None:
    one = await make(store, marks=("a",))
    both = await make(store, marks=("a", "b"))
    none = await make(store)
    assert await found(store, marked=("a",)) == {one, both}
    assert await found(store, marked=("a", "b")) == {both}
    assert await found(store, unmarked=("b",)) == {one, none}
    assert await found(store, unmarked=("a", "b")) == {none}
    assert await found(store, marked=("a",), unmarked=("b",)) == {one}
    assert await found(store, marked=("c",)) == set()


async def test_a_filter_follows_what_changes(store: Store) -> None:
    chain = Chain()
    await make(store, chain, agent="a1", tags=("x",))
    changed = row(
        agent="a2", tags=("y", "z"), marks=("starred",), status="waiting", title="New", badge="hung"
    )
    await store.log.append(chain.next(row=changed))
    here = {chain.session_id}
    assert await found(store, agent="a1") == await found(store, tag="x") == set()
    shown: list[dict[str, object]] = [{"agent": "a2"}, {"tag": "z"}, {"marked": ("starred",)}]
    for where in (*shown, {"text": "new"}, {"badge": ("hung",)}):
        assert await found(store, **where) == here
    assert await found(store, badge=("unknown",)) == set()


@pytest.mark.parametrize(
    ("name", "column"),
    [("parent", "parent_id"), ("root", "root_id"), ("forked_from", "forked_from")],
)
async def test_a_list_is_filtered_by_where_sessions_come_from(
    store: Store, name: str, column: str
) -> None:
    first, second = uuid4(), uuid4()
    moving = Chain()
    children = {await make(store, **{column: first}) for _ in range(3)}
    children.add(await make(store, moving, **{column: first}))
    other = await make(store, **{column: second})
    await make(store)
    await make(store, deleted=True, **{column: first})
    await store.log.append(moving.next(row=row(status="running", **{column: first})))
    assert await found(store, **{name: first}) == children
    assert await found(store, **{name: second}) == {other}
    assert await found(store, **{name: uuid4()}) == set()
    assert await found(store, **{name: first}, status=("running",)) == {moving.session_id}


async def test_a_list_is_filtered_by_a_range_of_ids(store: Store) -> None:
    first, second, third = sorted([await make(store) for _ in range(3)])
    assert await found(store, first_id=second, last_id=second) == {second}
    assert await found(store, first_id=first, last_id=third) == {first, second, third}
    assert await found(store, last_id=first) == {first}


async def test_the_living_children_of_a_session_are_those_that_have_not_ended(
    store: Store,
) -> None:
    parent, other = uuid4(), uuid4()
    lives = [await make(store, parent_id=parent, status=status) for status in ("idle", "stopping")]
    for ended in ({"status": "stopped"}, {"status": "deleted", "deleted": True}):
        await make(store, parent_id=parent, **ended)
    again = Chain()
    for status in ("idle", "stopped", "idle"):
        await make(store, again, parent_id=parent, status=status)

    found = await store.session_rows.living_children(parent)

    assert set(found) == {*lives, again.session_id}
    assert await store.session_rows.living_children(other) == []


async def test_the_log_of_a_shared_scope_has_an_owner_and_no_row(store: Store) -> None:
    app, user, session = Chain(), Chain(), Chain()
    owners = [(app, ScopeOwner("shop", None)), (user, ScopeOwner("shop", "ada"))]
    for chain, owner in owners:
        opened = chain.next(["scope.opened", "state.patched"], data=owner._asdict())
        opened.row, opened.scope = None, owner
        await store.log.append(opened)
    await store.log.append(session.next(row=row(app="desk", user="ada")))
    patch = app.fork().next()
    patch.scope = ScopeOwner("shop", None)
    stale = replace(patch, before=1)
    assert await store.log.append(patch) == 6
    with pytest.raises(VersionConflict) as conflict:
        await store.log.append(stale)
    assert conflict.value.facts["head"] == 3

    for chain, _ in owners:
        assert await store.session_rows.session(chain.session_id) is None
    assert await found(store) == {session.session_id}

    async def positions(**which: str) -> list[int]:
        events = (await store.log.read_all(after=0, upto=9, limit=9, **which)).events
        owned = await store.log.read_owned(
            after=0, upto=6, limit=9, most_bytes=10**6, wanted=EventFilter(**which)
        )
        assert [event.stored for event in owned.events] == list(events)
        assert owned.reached == 6
        return [event.position for event in events]

    assert await positions(app="shop") == [1, 2, 3, 4, 6]
    assert await positions(user="ada") == [3, 4, 5]
    assert await positions(app="shop", user="ada") == [3, 4]
    every = EventFilter()
    owned = await store.log.read_owned(after=0, upto=6, limit=9, most_bytes=10**6, wanted=every)
    shop, ada = ("shop", None), ("shop", "ada")
    assert [event[1:] for event in owned.events] == [shop, shop, ada, ada, ("desk", "ada"), shop]


async def test_several_states_are_any_of_them(store: Store) -> None:
    ids = {
        status: await make(store, status=status, badge=badge)
        for status, badge in (("running", "hung"), ("waiting", "running"), ("idle", "idle"))
    }
    assert await found(store, status=("idle", "running")) == {ids["idle"], ids["running"]}
    assert await found(store, badge=("hung", "running")) == {ids["running"], ids["waiting"]}
    assert await found(store, status=tuple(ids), badge=("hung", "stopped")) == {ids["running"]}
    assert await found(store, status=()) == set()


async def test_metadata_is_compared_whole_and_all_of_it(store: Store) -> None:
    one = await make(store, facets={"env": "prod", "a.b": "1", "": "empty"})
    other = await make(store, facets={"env": "prod", "x": "%"})
    await make(store)
    assert await found(store, facets={"env": "prod"}) == {one, other}
    assert await found(store, facets={"env": "prod", "a.b": "1"}) == {one}
    assert await found(store, facets={"": "empty"}) == {one}
    assert await found(store, facets={"x": "%"}) == {other}
    for nobody in ({"env": "pro"}, {"env": "Prod"}, {"a.b": "01"}, {"none": ""}, {"x": "p"}):
        assert await found(store, facets=nobody) == set()


async def test_roots_are_those_that_no_session_has_spawned(store: Store) -> None:
    root, fork = await make(store), await make(store, forked_from=uuid4())
    child = await make(store, parent_id=root, root_id=root)
    assert await found(store, roots=True) == {root, fork}
    assert await found(store, roots=False) == {child}
    assert await found(store) == {root, fork, child}


async def test_one_session_is_listed_if_it_passes_the_other_filters(store: Store) -> None:
    one = await make(store, app="desk")
    await make(store, app="desk")
    assert await found(store, first_id=one, last_id=one, app="desk") == {one}
    assert await found(store, first_id=one, last_id=one, app="shop") == set()


async def test_sessions_are_found_by_what_they_are_called_also_when_deleted(store: Store) -> None:
    shop, desk, deleted = Chain(), Chain(), Chain()
    await make(store, shop, app="shop", external_id="7")
    await make(store, desk, app="desk", external_id="7")
    await make(store, app="shop", external_id="77")
    await make(store, deleted, app="app", external_id="7", deleted=True, status="deleted")
    called = await store.session_rows.called("7", 9)
    chains = (deleted, desk, shop)
    assert [one.session_id for one in called] == [chain.session_id for chain in chains]
    assert len(await store.session_rows.called("7", 2)) == 2
    assert await store.session_rows.called("8", 9) == []
    assert await found(store, external_id="7") == {shop.session_id, desk.session_id}
    assert await found(store, external_id="7", app="shop") == {shop.session_id}


async def test_activity_moves_with_every_append_and_nothing_else_does(store: Store) -> None:
    chain, other = Chain(), Chain()
    said = Activity(at(1.5), 1, None)
    shown = row(title="T", activity=said, input_tokens=3, output_tokens=2**40, cost=0.25)
    await store.log.append(chain.next(at=at(1.5), row=shown))
    before = await store.session_rows.session(chain.session_id)
    assert before is not None
    assert (before.activity, before.last_activity_at) == (said, at(1.5))
    assert (before.input_tokens, before.output_tokens, before.cost) == (3, 2**40, 0.25)
    for activity in (Activity(at(2.25), 2, "grep"), Activity(at(2.25), 2, None)):
        await asyncio.gather(
            store.log.append(chain.next(2, at=at(3), activity=activity)),
            store.log.append(other.next(at=at(9), row=shown)),
        )
        now = await store.session_rows.session(chain.session_id)
        assert now is not None
        assert now.activity == activity
        moved = {"sequence", "position", "digest", "updated_at", "activity"}
        assert {
            name for name in ListedSession._fields if getattr(now, name) != getattr(before, name)
        } == moved


async def test_a_list_shows_the_lease_that_is_in_force(store: Store) -> None:
    held, free, over = Chain(), Chain(), Chain()
    for chain in (held, free, over):
        await make(store, chain)
    token = uuid4()
    claim = await store.leases.acquire(held.session_id, token, "cli:ada", timedelta(minutes=1))
    await store.leases.acquire(over.session_id, uuid4(), "cli:bob", timedelta(seconds=-1))
    for order in ORDERS:
        rows = await store.session_rows.sessions(SessionFilter(), order, None, 10)
        leases = {one.session_id: one.lease for one in rows}
        expected = {held.session_id: claim.lease, free.session_id: None, over.session_id: None}
        assert leases == expected
    one = await store.session_rows.session(held.session_id)
    assert one is not None
    assert one.lease == claim.lease


async def test_filters_are_all_to_be_met(store: Store) -> None:
    both = await make(store, app="desk", user="bob", tags=("a", "b"), marks=("starred",))
    await make(store, app="desk", user="ada", tags=("a",), marks=("starred",))
    await make(store, app="shop", user="bob", tags=("b",))
    assert await found(store, app="desk", user="bob", tag="b", marked=("starred",)) == {both}
    assert await found(store, app="shop", user="ada") == set()


async def test_a_tag_is_compared_whole(store: Store) -> None:
    one = await make(store, tags=("red", "dark green"))
    await make(store, tags=())
    assert await found(store, tag="dark green") == {one}
    for tag in ("green", "Red", "", "%", "{red}"):
        assert await found(store, tag=tag) == set()


async def test_a_title_is_searched_literally_and_in_either_case(store: Store) -> None:
    titles = ["100% done", "1000 done", "snake_case", "snakeXcase", "back\\slash", "Hello World"]
    ids = {title: await make(store, title=title) for title in titles}
    await make(store, title=None)
    expected: dict[str, Sequence[str]] = {
        "0%": ["100% done"],
        "%": ["100% done"],
        "_": ["snake_case"],
        "e_c": ["snake_case"],
        "\\": ["back\\slash"],
        "k\\s": ["back\\slash"],
        "hELLO w": ["Hello World"],
        "DONE": ["100% done", "1000 done"],
        "": titles,
        "h%o": [],
        "'; drop table events; --": [],
    }
    for text, matching in expected.items():
        assert await found(store, text=text) == {ids[title] for title in matching}, text


async def test_times_are_from_inclusive_to_exclusive_to_the_microsecond(store: Store) -> None:
    a_moment = timedelta(microseconds=1)
    moment = at(10.25)
    chain = Chain()
    one = await make(store, chain, created_at=moment)
    await store.log.append(chain.next(at=moment, activity=Activity(moment, 1, None)))
    for kind in ("created", "updated", "active"):
        for start, end, is_in in (
            (moment, moment + a_moment, True),
            (moment - a_moment, moment, False),
            (moment + a_moment, moment + timedelta(days=1), False),
            (at(0), at(60), True),
            (at(10.9), at(60), False),
            (at(0), at(10.1), False),
        ):
            times = {f"{kind}_after": start, f"{kind}_before": end}
            assert await found(store, **times) == ({one} if is_in else set()), times
            assert (one in await found(store, **{f"{kind}_after": start})) == (start <= moment)
            assert (one in await found(store, **{f"{kind}_before": end})) == (moment < end)


async def test_children_are_listed_in_pages_like_all_others(store: Store) -> None:
    parent = uuid4()
    for n in range(7):
        await make(store, updated=n % 3, parent_id=parent, created_at=at(n % 4))
        await make(store, updated=n)
    for order in ORDERS:
        of_parent = SessionFilter(parent=parent)
        rows = [listed for page in await pages(store, order, 2, of_parent) for listed in page]
        places = [place(listed, order) for listed in rows]
        assert len(rows) == 7
        assert places == sorted(places, reverse=order.descending)


# ── orders and pages ─────────────────────────────────────────────────────────────────────────


async def scatter(store: Store, many: int) -> list[Chain]:
    """Make sessions with many equal times and titles, and times within one second."""
    chains = [Chain() for _ in range(many)]
    titles = [None, "", "b", "B", "a", "a b", "é", "z"]
    await asyncio.gather(
        *(
            store.log.append(
                chain.next(
                    at=at((n * 7 % 11) / 4),
                    row=row(
                        title=titles[n % len(titles)],
                        created_at=at((n * 5 % 9) / 2),
                        activity=Activity(at((n * 3 % 10) / 4), n, None),
                        user="ada" if n % 3 else "bob",
                    ),
                )
            )
            for n, chain in enumerate(chains)
        )
    )
    return chains


async def pages(
    store: Store, order: SessionOrder, size: int, where: SessionFilter | None = None
) -> list[list[ListedSession]]:
    after, read = None, []
    while True:
        page = list(await store.session_rows.sessions(where or SessionFilter(), order, after, size))
        if not page:
            return read
        read.append(page)
        after = cursor(page[-1], order)


@EVERY_ORDER
async def test_pages_together_are_the_whole_list_in_order(
    store: Store, order: SessionOrder
) -> None:
    chains = await scatter(store, 60)
    for size in (1, 7, 60):
        rows = [listed for page in await pages(store, order, size) for listed in page]
        places = [place(listed, order) for listed in rows]
        assert places == sorted(places, reverse=order.descending)
        assert {listed.session_id for listed in rows} == {chain.session_id for chain in chains}
        assert len(rows) == 60


@EVERY_ORDER
async def test_pages_of_a_filtered_list_are_in_order_too(store: Store, order: SessionOrder) -> None:
    await scatter(store, 40)
    bobs = [
        listed
        for page in await pages(store, order, 3, SessionFilter(app="shop", user="bob"))
        for listed in page
    ]
    assert len(bobs) == 14
    assert {listed.user for listed in bobs} == {"bob"}
    places = [place(listed, order) for listed in bobs]
    assert places == sorted(places, reverse=order.descending)


@EVERY_ORDER
async def test_a_page_after_the_last_row_is_empty(store: Store, order: SessionOrder) -> None:
    await scatter(store, 5)
    (page,) = await pages(store, order, 10)
    assert (
        await store.session_rows.sessions(SessionFilter(), order, cursor(page[-1], order), 5) == []
    )
    assert await store.session_rows.sessions(SessionFilter(), order, None, 0) == []


@EVERY_ORDER
async def test_what_stays_in_place_is_listed_once_while_others_move(
    store: Store, order: SessionOrder
) -> None:
    chains = {chain.session_id: chain for chain in await scatter(store, 45)}
    movers = sorted(chains)[::3]
    still = set(chains) - set(movers)
    seen: list[UUID] = []
    after, step = None, 0
    while True:
        page = await store.session_rows.sessions(SessionFilter(), order, after, 4)
        if not page:
            break
        seen += [listed.session_id for listed in page]
        after = cursor(page[-1], order)
        # Between two pages some jump about, one is new, one is deleted; then it calms down.
        for mover in movers[step % 5 :: 5] if step < 10 else ():
            await store.log.append(
                chains[mover].next(at=at(step * 0.4), row=row(title="abz"[step % 3]))
            )
        if step < 10:
            gone = chains[movers[step]]
            await store.log.append(gone.next(at=at(9), row=row(deleted=True)))
            await make(store, updated=step * 0.3, title="m", created_at=at(step * 0.3))
        step += 1
    assert len([one for one in seen if one in still]) == len(still)
    assert set(seen) >= still


@pytest.mark.parametrize("by", SORTS)
async def test_the_row_a_cursor_stands_on_may_be_gone(store: Store, by: SortKey) -> None:
    order = SessionOrder(by, descending=False)
    chains = {chain.session_id: chain for chain in await scatter(store, 9)}
    everything = [listed for page in await pages(store, order, 9) for listed in page]
    after = cursor(everything[3], order)
    await store.log.append(chains[everything[3].session_id].next(row=row(deleted=True)))
    rest = await store.session_rows.sessions(SessionFilter(), order, after, 100)
    assert [r.session_id for r in rest] == [e.session_id for e in everything[4:]]


async def test_a_list_of_many_is_cut_by_its_limit(store: Store) -> None:
    await scatter(store, 12)
    newest = await store.session_rows.sessions(SessionFilter(), SessionOrder(), None, 5)
    assert len(newest) == 5
    assert newest[0].updated_at == at(2.5)


# ── answers ──────────────────────────────────────────────────────────────────────────────────


async def test_answers_are_forgotten_when_they_are_old_the_oldest_first(store: Store) -> None:
    chain, now, forget = Chain(), await store.deadlines.now(), store.idempotency_keys.forget_answers

    async def left() -> str:
        kept = [await store.idempotency_keys.answer(chain.session_id, key) for key in "abcdef"]
        return "".join(answer.key for answer in kept if answer is not None)

    # Not in the order of their age.
    for key, hours in {"b": 29, "e": 23, "a": 30, "d": 27, "c": 28, "f": 0}.items():
        await store.log.append(chain.next(keys=[key], at=now - timedelta(hours=hours)))
    assert await forget(timedelta(hours=31), 100) == 0
    assert await left() == "abcdef"
    assert await forget(timedelta(days=1), 2) == 2
    assert await left() == "cdef"
    assert await forget(timedelta(days=1), 0) == 0
    assert await forget(timedelta(days=1), 100) == 2
    assert await forget(timedelta(days=1), 100) == 0
    assert await left() == "ef"
    # What is forgotten may be answered anew.
    await store.log.append(chain.next(keys=["a"], at=now))
    assert await left() == "aef"


# ── kept states ──────────────────────────────────────────────────────────────────────────────


def folded(upto: int) -> tuple[UUID, list]:
    """Return a session and its states after each of its first events."""
    session, states = ABSENT, []
    created = SessionCreated(owner=Owner(app="shop", user="ada"), title="T", state={"k": [1, None]})
    for sequence in range(1, upto + 1):
        event = created if sequence == 1 else StatePatched(set={f"k{sequence}": {"n": sequence}})
        session = evolve(session, Recorded(sequence, at(sequence), event, None))
        states.append(session)
    return uuid4(), states


async def test_the_newest_kept_state_of_use_is_loaded(store: Store) -> None:
    session_id, states = folded(30)
    kept = store.snapshots
    assert await kept.load(session_id) is None
    for sequence in (20, 10):
        await kept.save(session_id, states[sequence - 1])
    assert await kept.load(session_id) == states[19]
    assert await kept.load(session_id, upto=20) == states[19]
    assert await kept.load(session_id, upto=19) == states[9]
    assert await kept.load(session_id, upto=10) == states[9]
    assert await kept.load(session_id, upto=9) is None
    assert await kept.load(uuid4()) is None


async def test_of_two_releases_each_takes_the_kept_states_that_it_can_read(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id, states = folded(30)
    kept = postgres_store.snapshots

    def release(oldest: int, newest: int) -> None:
        monkeypatch.setattr(snapshots, "OLDEST_FORMAT", oldest)
        monkeypatch.setattr(snapshots, "FORMAT", newest)

    release(1, 1)
    await kept.save(session_id, states[9])
    release(1, 2)
    assert await kept.load(session_id) == states[9]
    await kept.save(session_id, states[19])
    release(1, 1)
    assert await kept.load(session_id) == states[9]
    # The older release does not replace what the newer one knows more of.
    await kept.save(session_id, states[19])
    release(2, 2)
    assert await kept.load(session_id) == states[19]
    release(3, 3)
    assert await kept.load(session_id) is None


async def test_a_kept_state_goes_on_like_the_one_it_was(store: Store) -> None:
    session_id, states = folded(12)
    await store.snapshots.save(session_id, states[10])
    kept = await store.snapshots.load(session_id)
    assert kept is not None
    event = StatePatched(set={"k12": {"n": 12}})
    assert evolve(kept, Recorded(12, at(12), event, None)) == states[11]


async def test_a_state_may_be_kept_again(store: Store) -> None:
    session_id, states = folded(3)
    for _ in range(2):
        await store.snapshots.save(session_id, states[2])
    assert await store.snapshots.load(session_id) == states[2]


# ── rows of an older version ─────────────────────────────────────────────────────────────────


async def test_rows_of_an_older_projection_are_found_and_replaced(store: Store) -> None:
    models, old, new, moved = store.session_rows, Chain(), Chain(), Chain()
    await make(store, old, title="old", projected_with=1)
    await make(store, new, title="new", projected_with=2)
    await make(store, moved, title="moved", projected_with=1)
    found = await models.rows_older_than(2, 10)
    assert set(found) == {(old.session_id, 1), (moved.session_id, 1)}
    assert len(await models.rows_older_than(2, 1)) == 1
    assert await models.rows_older_than(1, 10) == []

    await store.log.append(moved.next(2))
    again = row(
        title="again", doc='{"n":2}', stalled=True, tags=("x",), due_at=at(9), projected_with=2
    )
    for session_id, sequence in (*found, (new.session_id, 1)):
        await models.replace_row(session_id, sequence, again)

    titles = {}
    for chain in (old, new, moved):
        listed = await models.session(chain.session_id)
        assert listed is not None
        titles[chain.session_id] = (listed.title, listed.projected_with, listed.stalled)
        assert (listed.sequence, listed.digest) == (chain.sequence, chain.digest)
    assert titles == {
        old.session_id: ("again", 2, True),
        new.session_id: ("new", 2, False),
        moved.session_id: ("moved", 1, False),
    }
    rows = await models.sessions(SessionFilter(tag="x"), SessionOrder(), None, 10)
    assert [(one.session_id, one.doc) for one in rows] == [(old.session_id, '{"n":2}')]
    assert await models.rows_older_than(2, 10) == [(moved.session_id, 3)]


async def test_a_replaced_row_may_end_what_a_parent_waits_for(store: Store) -> None:
    parent, child = Chain(), Chain()
    await make(store, parent)
    await make(store, child, parent_id=parent.session_id, status="idle", projected_with=1)
    assert await store.session_rows.living_children(parent.session_id) == [child.session_id]

    ended = row(parent_id=parent.session_id, status="stopped", projected_with=2)
    await store.session_rows.replace_row(child.session_id, 1, ended)

    assert await store.session_rows.living_children(parent.session_id) == []


async def test_the_apps_are_those_that_have_sessions(store: Store) -> None:
    for app in ("shop", "bank", "shop", "agora"):
        await make(store, app=app)
    await make(store, app="gone", status="deleted", deleted=True)

    assert list(await store.session_rows.apps(10)) == ["agora", "bank", "shop"]
    assert list(await store.session_rows.apps(2)) == ["agora", "bank"]
