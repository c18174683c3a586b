"""Shared scopes: their versions, what expects them, and the history of keys."""

import asyncio
from uuid import UUID, uuid4

import pytest

from application.errors import KeysTaken, StaleScope, VersionConflict
from application.ports.log.append import Append
from application.ports.session.shared_state import KeyWrite, SharedWrite
from application.ports.store import Store
from tests.support.appends import Chain, at, row
from tests.support.writers import SCOPE, writing

EVERYTHING = 10_000_000


def sets(scope: UUID, value: bytes | None = b"1", offset: int = 0) -> list[SharedWrite]:
    return [SharedWrite(scope, "app:a", value, offset)]


async def append_all(store: Store, *appends: Append) -> list[int | BaseException]:
    return await asyncio.gather(
        *(store.log.append(append) for append in appends), return_exceptions=True
    )


# ── versions ─────────────────────────────────────────────────────────────────────────────────


async def test_a_scope_is_at_the_position_of_its_newest_write(store: Store) -> None:
    chain, scope, other = Chain(), uuid4(), uuid4()
    assert await store.shared_state.scope(scope) == (0, {})
    await store.log.append(chain.next(4, shared=sets(scope, b"1", 2)))
    assert await store.shared_state.scope(scope) == (3, {"app:a": b"1"})
    await store.log.append(chain.next(shared=sets(other)))
    more = [*sets(scope, b"2", 1), SharedWrite(scope, "app:b", b"null", 0)]
    await store.log.append(chain.next(2, shared=more))
    assert await store.shared_state.scope(scope) == (7, {"app:a": b"2", "app:b": b"null"})
    # What is deleted is a write as well.
    await store.log.append(chain.next(shared=sets(scope, None)))
    await store.log.append(chain.next())
    assert await store.shared_state.scope(scope) == (8, {"app:b": b"null"})
    await store.log.append(chain.next(shared=[SharedWrite(scope, "app:b", None, 0)]))
    assert await store.shared_state.scope(scope) == (10, {})
    assert await store.shared_state.scope(other) == (5, {"app:a": b"1"})
    past = {position: await store.shared_state.scope(scope, at=position) for position in range(12)}
    assert past[0] == past[2] == (0, {})
    assert past[3] == past[5] == (3, {"app:a": b"1"})
    assert past[6] == (6, {"app:a": b"1", "app:b": b"null"})
    assert past[7] == (7, {"app:a": b"2", "app:b": b"null"})
    assert past[8] == past[9] == (8, {"app:b": b"null"})
    assert past[10] == past[11] == (10, {})


async def test_a_session_and_what_it_shares_are_read_at_one_moment(store: Store) -> None:
    chain, app, user, other = Chain(), uuid4(), uuid4(), uuid4()
    assert await store.shared_state.shared_with(chain.session_id, [app]) == (0, {})
    assert await store.log.append(chain.next(2)) == 2
    assert await store.shared_state.shared_with(chain.session_id, [app, user]) == (2, {})
    shared = [*sets(app), SharedWrite(user, "user:a", b"null", 0), SharedWrite(other, "z", b"1", 0)]
    await store.log.append(chain.next(shared=shared))
    expected = {"app:a": b"1", "user:a": b"null"}
    assert await store.shared_state.shared_with(chain.session_id, [app, user]) == (3, expected)
    await store.log.append(Chain().next(shared=sets(app, None)))
    expected = {"user:a": b"null"}
    assert await store.shared_state.shared_with(chain.session_id, [user, app]) == (3, expected)


async def test_what_expects_the_version_that_a_scope_has_is_written(store: Store) -> None:
    chain, scope, other = Chain(), uuid4(), uuid4()
    assert await store.log.append(chain.next(2, shared=sets(scope), expects={scope: 0})) == 2
    assert await store.log.append(chain.next(shared=sets(scope), expects={scope: 1})) == 3
    both = {scope: 3, other: 0}
    assert await store.log.append(chain.next(shared=sets(other), expects=both)) == 4
    # To expect a version is not to write.
    assert await store.log.append(chain.next(expects={scope: 3, other: 4})) == 5
    assert await store.log.append(chain.next(expects={scope: 3, other: 4})) == 6
    nothing = chain.next(0, keys=["k"], expects={scope: 3})
    assert await store.log.append(nothing) == 6


@pytest.mark.parametrize("expected", [0, 1, 3, 99])
async def test_another_version_is_refused_and_leaves_nothing(store: Store, expected: int) -> None:
    chain, child, scope, other = Chain(), Chain(), uuid4(), uuid4()
    await store.log.append(chain.next(2, shared=sets(scope, b"1", 1)))
    stale = chain.fork().next(
        2,
        row=row(title="After"),
        keys=["k"],
        shared=sets(scope, b"2"),
        expects={other: 0, scope: expected},
        companions=[child.next(2, keys=["c"], shared=sets(other))],
    )
    with pytest.raises(StaleScope) as refused:
        await store.log.append(stale)
    assert refused.value.facts == {"head": 2}
    assert await store.log.head() == 2
    assert await store.shared_state.scope(scope) == (2, {"app:a": b"1"})
    assert await store.shared_state.scope(other) == (0, {})
    assert await store.idempotency_keys.answer(chain.session_id, "k") is None
    assert await store.idempotency_keys.answer(child.session_id, "c") is None
    assert await store.session_rows.session(child.session_id) is None
    assert await store.log.append(chain.next(expects={scope: 2})) == 3


async def test_what_a_companion_expects_is_asked_of_all(store: Store) -> None:
    parent, child, scope = Chain(), Chain(), uuid4()
    await store.log.append(parent.next(shared=sets(scope)))
    made = child.fork().next(expects={scope: 0})
    with pytest.raises(StaleScope):
        await store.log.append(parent.fork().next(companions=[made]))
    assert await store.log.head() == 1
    made = child.next(shared=sets(scope), expects={scope: 1})
    assert await store.log.append(parent.next(companions=[made])) == 2
    assert (await store.shared_state.scope(scope)).version == 3


async def test_a_taken_key_and_a_stale_session_are_told_before_a_stale_scope(store: Store) -> None:
    chain, scope = Chain(), uuid4()
    stale = chain.fork()
    await store.log.append(chain.next(keys=["k"], shared=sets(scope)))
    with pytest.raises(KeysTaken):
        await store.log.append(chain.fork().next(keys=["k"], expects={scope: 0}))
    with pytest.raises(VersionConflict):
        await store.log.append(stale.next(expects={scope: 0}))


async def test_what_was_written_is_not_stale_when_it_is_sent_again(store: Store) -> None:
    chain, scope = Chain(), uuid4()
    append = chain.next(2, shared=sets(scope), expects={scope: 0})
    assert await store.log.append(append) == 2
    assert await store.log.append(append) == 2
    assert await store.log.head() == 2


async def test_of_many_that_expect_one_version_at_once_one_wins(store: Store) -> None:
    scope, version = uuid4(), 0
    for _ in range(3):
        rivals = [
            Chain().next(2, shared=sets(scope, b"%d" % n), expects={scope: version})
            for n in range(20)
        ]
        answers = await append_all(store, *rivals)
        (won,) = [n for n, answer in enumerate(answers) if isinstance(answer, int)]
        assert sum(isinstance(answer, StaleScope) for answer in answers) == 19
        position = answers[won]
        assert isinstance(position, int)
        version = position - 1
        assert await store.shared_state.scope(scope) == (version, {"app:a": b"%d" % won})


async def test_who_only_merges_is_never_stale_and_others_are_not_hurt(store: Store) -> None:
    scope, other = uuid4(), uuid4()
    await store.log.append(Chain().next(shared=sets(scope)))
    merging = [Chain().next(shared=sets(scope, b"%d" % n)) for n in range(10)]
    stale = [Chain().next(shared=sets(scope), expects={scope: 0}) for _ in range(5)]
    elsewhere = [Chain().next(shared=sets(other), expects={uuid4(): 0}) for _ in range(10)]
    mixed = [*merging[:5], *stale, *elsewhere, *merging[5:]]
    answers = await append_all(store, *mixed)
    for append, answer in zip(mixed, answers, strict=True):
        assert isinstance(answer, StaleScope if append in stale else int), answers
    assert await store.log.head() == 21
    assert len(await store.shared_state.key_history(scope, "app:a", limit=99)) == 11
    assert len(await store.shared_state.key_history(other, "app:a", limit=99)) == 10


async def test_writers_in_two_processes_that_expect_versions_lose_no_update(
    postgres_store: Store, database_url: str
) -> None:
    with writing(database_url, "count", processes=2, tasks=4, appends=40, largest=3) as finished:
        while not finished():
            version, values = await postgres_store.shared_state.scope(SCOPE)
            # The version and the values are of one moment.
            history = await postgres_store.shared_state.key_history(
                SCOPE, "app:n", before=version + 1, limit=1
            )
            assert [write.value for write in history] == [*values.values()]
    history = await postgres_store.shared_state.key_history(SCOPE, "app:n", limit=EVERYTHING)
    assert [write.value for write in reversed(history)] == [b"%d" % n for n in range(1, 321)]
    events = (await postgres_store.log.read_all(after=0, upto=EVERYTHING, limit=EVERYTHING)).events
    assert [event.position for event in events] == list(range(1, len(events) + 1))


async def test_writers_in_two_processes_that_merge_lose_no_key(
    postgres_store: Store, database_url: str
) -> None:
    with writing(database_url, "merge", processes=2, tasks=4, appends=60, largest=3):
        pass
    read = postgres_store.shared_state
    version, values = await read.scope(SCOPE)
    last = await read.key_history(SCOPE, "app:last", limit=EVERYTHING)
    assert len(last) == 2 * 4 * 60
    assert version == last[0].position
    assert values["app:last"] == last[0].value
    assert sorted(value for key, value in values.items() if key != "app:last") == [b"59"] * 8
    for key in values:
        if key != "app:last":
            history = await read.key_history(SCOPE, key, limit=EVERYTHING)
            assert [write.value for write in history] == [b"%d" % n for n in range(59, -1, -1)]
    events = (await postgres_store.log.read_all(after=0, upto=EVERYTHING, limit=EVERYTHING)).events
    assert [event.position for event in events] == list(range(1, len(events) + 1))


# ── the history of a shared key ──────────────────────────────────────────────────────────────


async def test_the_history_of_a_shared_key_says_who_wrote_what_when(store: Store) -> None:
    ada, bob, scope, other = Chain(), Chain(), uuid4(), uuid4()
    await store.log.append(ada.next(2, at=at(1), shared=sets(scope, b'"one"', 1)))
    await store.log.append(
        bob.next(at=at(2.5), actor="user:bob", shared=sets(scope, b"null"), row=row(user="bob"))
    )
    unrelated = [SharedWrite(scope, "app:b", b"1", 0), *sets(other)]
    await store.log.append(ada.next(at=at(3), shared=unrelated))
    # A \u0000 is lawful JSON, though the database has no text with one.
    await store.log.append(ada.next(at=at(4), shared=sets(scope, None), text="a\0b"))
    history = store.shared_state.key_history
    expected = [
        KeyWrite(5, ada.session_id, 4, None, at(4), "user:ada", "ada"),
        KeyWrite(3, bob.session_id, 1, b"null", at(2.5), "user:bob", "bob"),
        KeyWrite(2, ada.session_id, 2, b'"one"', at(1), "user:ada", "ada"),
    ]
    assert list(await history(scope, "app:a", limit=10)) == expected
    assert list(await history(scope, "app:a", limit=2)) == expected[:2]
    assert list(await history(scope, "app:a", before=5, limit=1)) == expected[1:2]
    assert list(await history(scope, "app:a", before=3, limit=9)) == expected[2:]
    assert list(await history(scope, "app:a", before=2, limit=9)) == []
    assert list(await history(scope, "app:", limit=9)) == []
    assert list(await history(scope, "app:a", limit=0)) == []
    assert list(await history(uuid4(), "app:a", limit=9)) == []


# ── the events that write a key of a session ─────────────────────────────────────────────────


async def test_the_events_that_set_or_delete_a_key_are_found(store: Store) -> None:
    chain, other = Chain(), Chain()

    async def write(name: str, data: dict[str, object], whose: Chain = chain) -> None:
        await store.log.append(whose.next([name], data=data))

    await write("session.created", {"state": {"k": 1, "K": 2}, "set": {}})
    await write("state.patched", {"set": {"other": {"k": 1}}, "delete": ["kk", "x"]})
    await write("state.patched", {"set": {"k": None}, "delete": []})
    await write("message.added", {"set": {"k": 1}, "delete": ["k"], "text": "k"})
    await write("state.patched", {"set": {"ä.'k'": 1}})
    await write("state.patched", {"delete": ["x", "k"]})
    await write("state.patched", {"set": {"k": "a\0b"}, "text": "\\u0000 \0"})
    await write("state.patched", {"set": {"k": 1}}, other)
    await write("state.patched", {"set": {"\\u0000": 1}})
    await write("state.patched", {"delete": ["x\\u0000", "\\\\u0000"]})

    async def sequences(key: str, limit: int = 9, before: int | None = None) -> list[int]:
        events = await store.log.key_writes(chain.session_id, key, before=before, limit=limit)
        assert {event.session_id for event in events} <= {chain.session_id}
        return [event.sequence for event in events]

    assert await sequences("k") == [7, 6, 3, 1]
    assert await sequences("k", 2) == [7, 6]
    assert await sequences("k", 2, 6) == [3, 1]
    assert await sequences("k", before=1) == await sequences("k", 0) == []
    assert await sequences("x") == [6, 2]
    assert await sequences("ä.'k'") == [5]
    assert await sequences("K") == [1]
    assert await sequences("n") == await sequences("set") == []
    # A key may spell out what the database has no text for.
    assert await sequences("\\u0000") == [8]
    assert await sequences("x\\u0000") == await sequences("\\\\u0000") == [9]
    (created,) = await store.log.key_writes(chain.session_id, "K", limit=9)
    assert created == (await store.log.read(chain.session_id, limit=1))[0]
    assert list(await store.log.key_writes(uuid4(), "k", limit=9)) == []


async def test_a_turn_is_read_whatever_text_there_is_in_its_session(store: Store) -> None:
    chain = Chain()
    await store.log.append(chain.next(text="a\0b \\u0000", turn="t1"))
    await store.log.append(chain.next(text="\0", turn="t2"))
    events = await store.log.read_newest(chain.session_id, last=9, turn="t1")
    assert [event.sequence for event in events] == [1]
