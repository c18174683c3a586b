"""The log: what an append does and does not do, and what each way of reading returns."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.errors import KeysTaken, VersionConflict
from application.memory_budget import MEBIBYTE
from application.ports.log.append import Append
from application.ports.log.events import StoredEvent
from application.ports.session.shared_state import SharedWrite
from application.ports.store import Store
from application.reads.streams.wire import record_json
from domain.log.chain import genesis, link, record_hash
from tests.support.appends import Chain, at, row

NIL = UUID(int=0)
EVERYTHING = 1_000_000


async def all_events(store: Store) -> list[StoredEvent]:
    return list((await store.log.read_all(after=0, upto=EVERYTHING, limit=EVERYTHING)).events)


async def append_all(store: Store, *appends: Append) -> list[int | BaseException]:
    return await asyncio.gather(
        *(store.log.append(append) for append in appends), return_exceptions=True
    )


# ── appending ────────────────────────────────────────────────────────────────────────────────


async def test_an_empty_log_is_at_zero(store: Store) -> None:
    assert await store.log.head() == 0
    assert await store.log.changed_since(0) == (0, {})
    assert await all_events(store) == []
    assert list(await store.log.read(uuid4(), limit=10)) == []
    assert list(await store.log.read_newest(uuid4(), last=10)) == []


async def test_what_is_appended_is_read_back_as_it_was(store: Store) -> None:
    chain = Chain()
    append = chain.next(["session.created", "turn.started"])
    position = await store.log.append(append)
    assert position == 2
    assert list(await store.log.read(chain.session_id, limit=10)) == [
        StoredEvent(chain.session_id, i, i, event.type, event.record, event.digest)
        for i, event in enumerate(append.events, 1)
    ]


async def test_a_record_may_hold_any_bytes_of_utf_8(store: Store) -> None:
    chain = Chain()
    append = chain.next(text='Ünïcödé "quoted" \\ {"a":1} \U0001f5ff ' + "x" * 100_000)
    await store.log.append(append)
    (stored,) = await store.log.read(chain.session_id, limit=1)
    assert stored.record == append.events[0].record


async def test_an_append_that_is_behind_or_ahead_is_refused(store: Store) -> None:
    chain = Chain()
    await store.log.append(chain.next(3))
    behind, ahead = chain.fork(), chain.fork()
    behind.sequence, ahead.sequence = 2, 4
    for wrong in (behind, ahead):
        with pytest.raises(VersionConflict) as refused:
            await store.log.append(wrong.next())
        assert refused.value.facts["head"] == 3
    with pytest.raises(VersionConflict):
        await store.log.append(Chain(chain.session_id).next())
    assert await store.log.head() == 3


async def test_a_session_that_is_not_there_is_at_zero(store: Store) -> None:
    with pytest.raises(VersionConflict) as refused:
        await store.log.append(Chain(sequence=1).next())
    assert refused.value.facts["head"] == 0
    assert await store.log.head() == 0


async def test_a_stale_append_does_not_hurt_those_that_wait_with_it(store: Store) -> None:
    good, stale = [Chain() for _ in range(20)], [Chain() for _ in range(5)]
    await append_all(store, *(chain.next(2) for chain in good + stale))
    before = await store.log.head()
    late = [chain.fork() for chain in stale]
    await append_all(store, *(chain.next() for chain in stale))
    mixed = [*good[:10], *late, *good[10:]]
    answers = await append_all(store, *(chain.next(3) for chain in mixed))
    for chain, answer in zip(mixed, answers, strict=True):
        assert isinstance(answer, VersionConflict if chain in late else int)
    assert await store.log.head() == before + 5 + 20 * 3
    for chain in good:
        assert len(await store.log.read(chain.session_id, limit=10)) == 5
    for chain in stale:
        assert [e.sequence for e in await store.log.read(chain.session_id, limit=10)] == [1, 2, 3]


async def test_of_many_that_race_for_one_session_one_wins(store: Store) -> None:
    session = uuid4()
    rivals = [Chain(session).next(2) for _ in range(30)]
    answers = await append_all(store, *rivals)
    winners = [r for r, answer in zip(rivals, answers, strict=True) if isinstance(answer, int)]
    assert len(winners) == 1
    assert sum(isinstance(answer, VersionConflict) for answer in answers) == 29
    stored = await store.log.read(session, limit=10)
    assert [event.digest for event in stored] == [event.digest for event in winners[0].events]


async def test_events_of_one_append_are_neighbours_and_all_or_none(store: Store) -> None:
    chains = [Chain() for _ in range(10)]
    answers = await append_all(store, *(chain.next(7) for chain in chains))
    for chain, answer in zip(chains, answers, strict=True):
        assert isinstance(answer, int)
        stored = await store.log.read(chain.session_id, limit=10)
        assert [event.position for event in stored] == list(range(answer - 6, answer + 1))
    half_stale = chains[0].fork()
    await store.log.append(chains[0].next())
    with pytest.raises(VersionConflict):
        await store.log.append(half_stale.next(5))
    assert len(await store.log.read(chains[0].session_id, limit=20)) == 8


async def test_an_append_that_is_sent_twice_is_stored_once(store: Store) -> None:
    chain = Chain()
    append = chain.next(2)
    first = await store.log.append(append)
    await store.log.append(Chain().next())
    assert await store.log.append(append) == first
    assert await store.log.head() == 3


async def test_positions_are_dense_and_each_session_keeps_its_order(store: Store) -> None:
    chains = [Chain() for _ in range(25)]

    async def write(chain: Chain) -> None:
        for size in (1, 3, 2, 5, 1):
            await store.log.append(chain.next(size))

    await asyncio.gather(*(write(chain) for chain in chains))
    events = await all_events(store)
    assert [event.position for event in events] == list(range(1, 25 * 12 + 1))
    seen: dict[UUID, int] = {}
    for event in events:
        assert event.sequence == seen.get(event.session_id, 0) + 1
        seen[event.session_id] = event.sequence


async def test_refusals_leave_no_hole_in_the_positions(store: Store) -> None:
    chain = Chain()
    await store.log.append(chain.next())
    stale = chain.fork()
    await store.log.append(chain.next())
    for _ in range(5):
        with pytest.raises(VersionConflict):
            await store.log.append(stale.fork().next(3))
    assert await store.log.append(chain.next()) == 3


async def test_the_digests_can_be_computed_again_from_the_records(store: Store) -> None:
    chains = [Chain() for _ in range(5)]
    for _ in range(4):
        await append_all(store, *(chain.next(3) for chain in chains))
    for chain in chains:
        digest = genesis(chain.session_id)
        for event in await store.log.read(chain.session_id, limit=100):
            digest = link(digest, record_hash(event.record))
            assert event.digest == digest
        assert digest == chain.digest
        listed = await store.session_rows.session(chain.session_id)
        assert listed is not None
        assert listed.digest == digest


async def test_a_big_append_and_many_small_ones_fit(store: Store) -> None:
    big = Chain()
    assert await store.log.append(big.next(5000)) == 5000
    chains = [Chain() for _ in range(2500)]
    answers = await append_all(store, *(chain.next() for chain in chains))
    assert sorted(answer for answer in answers if isinstance(answer, int)) == list(
        range(5001, 7501)
    )
    assert (await store.log.read(big.session_id, after=4998, limit=10))[-1].sequence == 5000


async def test_each_commit_is_told_in_order_and_not_before_it_can_be_read(
    store: Store, commits: list[int]
) -> None:
    chains = [Chain() for _ in range(20)]
    answers = await append_all(store, *(chain.next(2) for chain in chains))
    assert commits == sorted(commits)
    assert commits[-1] == max(answer for answer in answers if isinstance(answer, int)) == 40
    assert await store.log.head() == 40


# ── reading ──────────────────────────────────────────────────────────────────────────────────


async def test_a_session_is_read_after_upto_and_by_limit(store: Store) -> None:
    chain = Chain()
    await store.log.append(Chain().next(4))
    await store.log.append(chain.next(10))

    async def sequences(**how: int) -> list[int]:
        events = await store.log.read(chain.session_id, **{"limit": 100} | how)
        return [event.sequence for event in events]

    assert await sequences() == list(range(1, 11))
    assert await sequences(after=3) == list(range(4, 11))
    assert await sequences(after=3, upto=6) == [4, 5, 6]
    assert await sequences(after=3, upto=6, limit=2) == [4, 5]
    assert await sequences(upto=0) == []
    assert await sequences(after=10) == []
    assert await sequences(after=99) == []
    assert await sequences(after=6, upto=3) == []


async def test_a_session_is_read_as_joined_lines_where_all_its_events_are_plain(
    store: Store,
) -> None:
    chain, long, erased = Chain(), Chain(), Chain()
    await store.log.append(chain.next(4, text="åβ\n", turn="t1"))
    await store.log.append(chain.next(6, text="x" * 4000))
    await store.log.append(long.next(2))
    await store.log.append(long.next(1, text="x" * 8192))
    await store.log.append(erased.next(["session.created", "session.erased", "note"]))

    async def same(log_id: UUID, limit: int = 100, **which: int) -> int:
        which = {"most_bytes": MEBIBYTE, **which}
        joined = await store.log.read_joined(log_id, limit=limit, **which)
        events = await store.log.read(log_id, limit=limit, **which)
        assert joined is not None
        assert (joined.count, joined.size, joined.lines) == (
            len(events),
            sum(len(event.record) for event in events),
            b"".join(record_json(event) + b"\n" for event in events),
        )
        return joined.count

    assert await same(chain.session_id) == 10
    assert await same(chain.session_id, after=3) == 7
    assert await same(chain.session_id, after=3, upto=6) == 3
    assert await same(chain.session_id, after=3, upto=6, limit=2) == 2
    assert await same(chain.session_id, after=4, most_bytes=8_100) == 2
    assert await same(chain.session_id, after=4, most_bytes=1) == 1
    assert await same(chain.session_id, after=10) == 0
    assert await same(UUID(int=9)) == 0
    assert await same(long.session_id, upto=2) == 2
    assert await store.log.read_joined(long.session_id, limit=100, most_bytes=MEBIBYTE) is None
    assert await same(erased.session_id, upto=1) == 1
    assert await store.log.read_joined(erased.session_id, limit=100, most_bytes=MEBIBYTE) is None


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"not json",
        b'x"id":"1"',
        b'[{"id":"1"}]',
        b'{"id":"1",\n"type":"note"}',
        b'{"id":"","type":"note","v":1,"at":"2026-01-01T00:00:00Z","actor":"a","origin":"o"}',
        b'{"id":"1","type":"note","v":0,"at":"2026-01-01T00:00:00Z","actor":"a","origin":"o"}',
        b'{"id":"1","type":"note","v":1,"at":"never","actor":"a","origin":"o"}',
        b'{"id":"1","type":"note","v":1,"at":"2026-01-01T00:00:00Z","actor":"\xff","origin":"o"}',
        b'x{"id":"1","type":"note","v":1,"at":"2026-01-01T00:00:00Z","actor":"a","origin":"o"}',
        b'x"id":"1","type":"note","v":1,"at":"2026-01-01T00:00:00Z","actor":"a","origin":"o"}',
    ],
)
async def test_a_record_that_cannot_be_read_is_in_no_joined_lines(
    store: Store, damage: bytes
) -> None:
    chain = Chain()
    append = chain.next(3)
    append.events = [append.events[0], append.events[1]._replace(record=damage), append.events[2]]
    await store.log.append(append)

    assert await store.log.read_joined(chain.session_id, limit=9, most_bytes=MEBIBYTE) is None
    assert await store.log.read_joined(chain.session_id, limit=1, most_bytes=MEBIBYTE) is not None


async def test_the_newest_are_returned_in_order(store: Store) -> None:
    chain = Chain()
    await store.log.append(chain.next(["a", "b", "a", "c"]))
    await store.log.append(chain.next(["a", "b"], turn="t1"))
    await store.log.append(chain.next(["c"], turn="t2"))

    async def sequences(last: int, **which: object) -> list[int]:
        events = await store.log.read_newest(chain.session_id, last=last, **which)  # type: ignore[arg-type]
        return [event.sequence for event in events]

    assert await sequences(3) == [5, 6, 7]
    assert await sequences(100) == [1, 2, 3, 4, 5, 6, 7]
    assert await sequences(2, types=["a"]) == [3, 5]
    assert await sequences(9, types=["a", "c"]) == [1, 3, 4, 5, 7]
    assert await sequences(9, turn="t1") == [5, 6]
    assert await sequences(9, types=["b", "c"], turn="t1") == [6]
    assert await sequences(9, turn="t9") == []
    assert await sequences(1, types=["a"], upto=4) == [3]
    assert await sequences(9, upto=2) == [1, 2]
    assert await sequences(9, upto=0) == []
    assert await sequences(0) == []


async def test_the_newest_of_some_types_before_a_sequence_of_each_session(store: Store) -> None:
    one, two, none = Chain(), Chain(), Chain()
    await store.log.append(one.next(["a", "b", "a", "c"]))
    await store.log.append(two.next(["b", "c"]))
    await store.log.append(none.next(["c"]))

    async def found(types: list[str], *asked: tuple[Chain, int]) -> dict[UUID, int]:
        sequences = {chain.session_id: before for chain, before in asked}
        events = await store.log.newest_before(sequences, types)
        assert all(event.session_id == session_id for session_id, event in events.items())
        return {session_id: event.sequence for session_id, event in events.items()}

    assert await found(["a"], (one, 3)) == {one.session_id: 1}
    assert await found(["a"], (one, 4)) == {one.session_id: 3}
    both = {one.session_id: 3, two.session_id: 1}
    assert await found(["a", "b"], (one, 99), (two, 99), (none, 99)) == both
    assert await found(["a", "b"], (one, 1), (two, 0)) == {}
    assert await found(["a"], (Chain(), 9)) == {}


async def test_the_whole_log_is_read_by_position_type_and_owner(store: Store) -> None:
    ada, bob, other = Chain(), Chain(), Chain()
    await store.log.append(ada.next(["a", "b"], row=row(app="shop", user="ada")))
    await store.log.append(bob.next(["a", "b"], row=row(app="shop", user="bob")))
    await store.log.append(other.next(["a"], row=row(app="desk", user="ada")))
    await store.log.append(ada.next(["c"]))

    async def positions(after: int = 0, upto: int = 100, limit: int = 100, **which: object) -> list:
        events = (await store.log.read_all(after=after, upto=upto, limit=limit, **which)).events  # type: ignore[arg-type]
        return [event.position for event in events]

    assert await positions() == [1, 2, 3, 4, 5, 6]
    assert await positions(2, 5) == [3, 4, 5]
    assert await positions(2, 5, 2) == [3, 4]
    assert await positions(types=["b", "c"]) == [2, 4, 6]
    assert await positions(app="shop") == [1, 2, 3, 4, 6]
    assert await positions(user="ada") == [1, 2, 5, 6]
    assert await positions(app="shop", user="ada", types=["a"]) == [1]
    assert await positions(app="nobody") == []
    assert await positions(6, 100) == []


async def test_changes_since_a_position_are_told_once_a_session(store: Store) -> None:
    first, second = Chain(), Chain()
    await store.log.append(first.next(2))
    mark = await store.log.append(second.next(3))
    assert await store.log.changed_since(0) == (5, {first.session_id: 2, second.session_id: 3})
    assert await store.log.changed_since(mark) == (5, {})
    await store.log.append(second.next())
    await store.log.append(second.next())
    assert await store.log.changed_since(mark) == (7, {second.session_id: 5})


# ── what is written with the events ──────────────────────────────────────────────────────────


async def test_an_append_moves_its_session_on_and_shows_it_anew_only_if_told(store: Store) -> None:
    chain = Chain()
    await store.log.append(chain.next(2, at=at(1), row=row(title="One", doc='{"title":"One"}')))
    position = await store.log.append(chain.next(3, at=at(2)))
    listed = await store.session_rows.session(chain.session_id)
    assert listed is not None
    assert (listed.sequence, listed.position, listed.digest) == (5, position, chain.digest)
    assert (listed.updated_at, listed.created_at) == (at(2), at(0))
    assert (listed.title, listed.doc, listed.status) == ("One", '{"title":"One"}', "idle")
    await store.log.append(
        chain.next(at=at(3.5), row=row(title="Two", status="running", doc='{"title":"Two"}'))
    )
    listed = await store.session_rows.session(chain.session_id)
    assert listed is not None
    assert (listed.sequence, listed.updated_at) == (6, at(3.5))
    assert (listed.title, listed.doc, listed.status) == ("Two", '{"title":"Two"}', "running")
    assert (listed.app, listed.user) == ("shop", "ada")


async def test_a_refused_append_leaves_no_row_key_or_value(store: Store) -> None:
    chain = Chain()
    await store.log.append(chain.next(row=row(title="Mine")))
    stale = chain.fork()
    await store.log.append(chain.next())
    scope = uuid4()
    refused = stale.next(
        row=row(title="Theirs"),
        keys=["k"],
        shared=[SharedWrite(scope, "app:a", b"1", 0)],
    )
    with pytest.raises(VersionConflict):
        await store.log.append(refused)
    listed = await store.session_rows.session(chain.session_id)
    assert listed is not None
    assert listed.title == "Mine"
    assert await store.idempotency_keys.answer(chain.session_id, "k") is None
    assert (await store.shared_state.scope(scope)).values == {}


async def test_answers_are_kept_with_the_position_of_their_last_event(store: Store) -> None:
    await store.log.append(Chain().next(10))
    chain = Chain()
    early = chain.fork()
    append = chain.next(3, keys=["last"])
    early.sequence = 1
    append.keys = [*append.keys, early.answer("first")]
    await store.log.append(append)
    last = await store.idempotency_keys.answer(chain.session_id, "last")
    first = await store.idempotency_keys.answer(chain.session_id, "first")
    assert last == replace(append.keys[0], position=13)
    assert first == replace(append.keys[1], position=11)
    assert await store.idempotency_keys.answer(NIL, "last") is None


async def test_an_answer_without_events_keeps_the_position_it_has(store: Store) -> None:
    chain = Chain()
    position = await store.log.append(chain.next(2))
    await store.log.append(Chain().next(5))
    nothing_new = chain.next(0)
    nothing_new.keys = [chain.answer("k", position=position)]
    assert await store.log.append(nothing_new) == 7
    kept = await store.idempotency_keys.answer(chain.session_id, "k")
    assert kept is not None
    assert kept.position == position
    assert await store.log.head() == 7
    listed = await store.session_rows.session(chain.session_id)
    assert listed is not None
    assert (listed.sequence, listed.position) == (2, 2)


async def test_a_key_that_is_stored_is_refused_with_all_that_came_with_it(store: Store) -> None:
    chain = Chain()
    await store.log.append(chain.next(keys=["a", "b"]))
    for events in (2, 0):
        again = chain.fork().next(events, keys=["b", "c"])
        with pytest.raises(KeysTaken) as refused:
            await store.log.append(again)
        assert refused.value.keys == {"b"}
    assert await store.idempotency_keys.answer(chain.session_id, "c") is None
    assert await store.log.head() == 1
    await store.log.append(chain.next(keys=["c"]))


async def test_a_taken_key_is_told_before_a_stale_sequence(store: Store) -> None:
    chain = Chain()
    stale = chain.fork()
    await store.log.append(chain.next(keys=["a"]))
    with pytest.raises(KeysTaken):
        await store.log.append(stale.next(keys=["a"]))


async def test_the_same_key_means_nothing_in_another_scope(store: Store) -> None:
    first, second = Chain(), Chain()
    await store.log.append(first.next(keys=["k"]))
    await store.log.append(second.next(keys=["k"]))
    assert await store.idempotency_keys.answer(second.session_id, "k") is not None


async def test_of_two_that_bring_one_key_at_once_one_wins(store: Store) -> None:
    chains = [Chain() for _ in range(6)]
    appends = [chain.next() for chain in chains]
    for chain, append in zip(chains, appends, strict=True):
        append.keys = [chain.answer("create", scope=NIL)]
    bystander = Chain()
    *answers, other = await asyncio.wait_for(append_all(store, *appends, bystander.next()), 20)
    assert sum(isinstance(answer, int) for answer in answers) == 1
    assert sum(isinstance(answer, KeysTaken) for answer in answers) == 5
    assert isinstance(other, int)
    assert await store.log.head() == 2


async def test_shared_keys_are_written_and_deleted_now_and_as_they_were(store: Store) -> None:
    app, user = uuid4(), uuid4()
    chain = Chain()
    await store.log.append(
        chain.next(
            2, shared=[SharedWrite(app, "app:a", b"1", 0), SharedWrite(user, "user:x", b'"u"', 1)]
        )
    )
    await store.log.append(
        chain.next(
            3,
            shared=[
                SharedWrite(app, "app:a", b"2", 0),
                SharedWrite(app, "app:b", b'{"c":[1,2]}', 0),
                SharedWrite(app, "app:a", b"3", 2),
            ],
        )
    )
    await store.log.append(chain.next(shared=[SharedWrite(app, "app:a", None, 0)]))

    async def read(scope: UUID, at: int | None = None) -> Mapping[str, bytes]:
        return (await store.shared_state.scope(scope, at=at)).values

    assert await read(app) == {"app:b": b'{"c":[1,2]}'}
    assert await read(user) == {"user:x": b'"u"'}
    assert await read(uuid4()) == {}
    assert await read(app, at=0) == {}
    assert await read(app, at=1) == {"app:a": b"1"}
    assert await read(app, at=2) == {"app:a": b"1"}
    assert await read(app, at=3) == {"app:a": b"2", "app:b": b'{"c":[1,2]}'}
    assert await read(app, at=5) == {"app:a": b"3", "app:b": b'{"c":[1,2]}'}
    assert await read(app, at=6) == await read(app, at=99) == {"app:b": b'{"c":[1,2]}'}


async def test_of_writers_to_one_shared_key_the_last_position_stands(store: Store) -> None:
    scope = uuid4()
    chains = [Chain() for _ in range(12)]
    appends = [
        chain.next(2, shared=[SharedWrite(scope, "app:n", b"%d" % n, n % 2)])
        for n, chain in enumerate(chains)
    ]
    answers = await append_all(store, *appends)
    positions = {
        answer - 1 + n % 2: b"%d" % n for n, answer in enumerate(answers) if isinstance(answer, int)
    }
    assert len(positions) == 12
    for position in range(1, 25):
        newest = max((p for p in positions if p <= position), default=None)
        expected = {} if newest is None else {"app:n": positions[newest]}
        assert (await store.shared_state.scope(scope, at=position)).values == expected
    assert (await store.shared_state.scope(scope)).values == {"app:n": positions[max(positions)]}


async def test_pages_end_where_they_are_full_by_bytes_and_say_how_far_they_came(
    store: Store,
) -> None:
    chain = Chain()
    await store.log.append(chain.next(["a", "b"], row=row(), text="x" * 1000))
    await store.log.append(chain.next(["a", "b", "c"], text="x" * 1000))

    async def feed(most_bytes: int, after: int = 0, upto: int = 99, **which: Any) -> Any:
        page = await store.log.read_all(
            after=after, upto=upto, limit=9, most_bytes=most_bytes, **which
        )
        return [event.position for event in page.events], page.reached, page.head

    async def tail(most_bytes: int, after: int = 0, upto: int = 99, **which: Any) -> Any:
        page = await store.log.read_page(
            chain.session_id, after=after, upto=upto, limit=9, most_bytes=most_bytes, **which
        )
        assert page is not None
        assert not page.deleted
        return [event.sequence for event in page.events], page.reached, page.head

    for read in (feed, tail):
        assert await read(1) == ([1], 1, 5)
        assert await read(1500) == ([1, 2], 2, 5)
        assert await read(1500, 2) == ([3, 4], 4, 5)
        assert await read(1500, 4) == ([5], 5, 5)
        assert await read(1500, 5) == ([], 5, 5)
        assert await read(1500, 9) == ([], 9, 5)
        assert await read(99_999, 0, 3) == ([1, 2, 3], 3, 5)
        assert await read(1500, 0, types=["b"]) == ([2, 4], 4, 5)
        assert await read(1, 0, types=["b"]) == ([2], 2, 5)
        assert await read(1500, 0, 3, types=["c"]) == ([], 3, 5)
        assert await read(1500, 0, types=["d"]) == ([], 5, 5)
    oldest = await store.log.read(chain.session_id, limit=9, most_bytes=1500)
    assert [event.sequence for event in oldest] == [1, 2]
    newest = await store.log.read_newest(chain.session_id, last=9, most_bytes=1500)
    assert [event.sequence for event in newest] == [4, 5]
    unknown = await store.log.read_page(uuid4(), after=0, upto=9, limit=9, most_bytes=9)
    assert unknown is None
