"""Pages of events that the store joins: the bytes of what the log reads one by one."""

import json
from itertools import product
from typing import Any
from uuid import uuid4

import pytest

from application.ports.log.joined_pages import JoinedPage, JoinedPages
from application.ports.session.session_row import Activity
from application.ports.store import Store
from application.reads.streams.wire import record_json
from infrastructure.postgres.log.joined_pages import PostgresJoinedPages
from infrastructure.postgres.store import PostgresStore
from infrastructure.records.joined_rows import JoinedRows
from tests.support.appends import Chain, at, row

EVERYTHING = 1_000_000


def pages_of(store: Store) -> JoinedPages:
    if isinstance(store, PostgresStore):
        return PostgresJoinedPages(store.database, store.log)
    return JoinedRows(store.log)


@pytest.fixture
def pages(store: Store) -> JoinedPages:
    return pages_of(store)


@pytest.fixture
async def chains(store: Store) -> list[Chain]:
    return await written(store)


async def written(store: Store) -> list[Chain]:
    made = [Chain(), Chain()]
    for chain in made:
        first = chain.next(["session.created", "note"], text='Ü "q" \\ \U0001f5ff')
        first.row, first.activity = row(), Activity(at(0), 0, None)
        await store.log.append(first)
    for chain in (*made, *made):
        append = chain.next(["turn.started", "note", "note"])
        append.activity = Activity(at(0), 1, None)
        await store.log.append(append)
    long = made[0].next(text="x" * 100_000)
    long.activity = Activity(at(0), 1, None)
    await store.log.append(long)
    return made


WINDOWS: tuple[dict[str, int], ...] = (
    {},
    {"after": 3, "limit": 4},
    {"after": 3, "upto": 5},
    {"after": 8, "limit": 1},
    {"after": 9},
    {"after": 99},
    {"upto": 0},
    {"most_bytes": 1},
    {"most_bytes": 1000},
    {"after": 8, "most_bytes": 1000},
    {"upto": 7},
    {"limit": 3, "upto": 7},
    {"most_bytes": 500, "upto": 7},
)
TYPES = ((), ("note",), ("turn.started", "session.created"), ("none",))


@pytest.mark.parametrize("reads_on", [True, False], ids=["reads on", "begins"])
async def test_a_joined_page_has_the_bytes_of_what_the_log_reads(
    store: Store, pages: JoinedPages, chains: list[Chain], reads_on: bool
) -> None:
    for window in WINDOWS:
        asked = {"after": 0, "upto": EVERYTHING, "limit": 100, "most_bytes": EVERYTHING} | window
        for chain, types in product(chains, TYPES):
            read = await store.log.read_page(chain.session_id, **asked, types=types)
            assert read is not None
            events = b",".join(map(record_json, read.events))
            pages = pages if reads_on else pages_of(store)
            joined = await pages.of_session(chain.session_id, **asked, types=types)
            assert joined is not None
            assert b"".join(joined.events) == events
            assert joined[1:] == (read.reached, read.head, read.deleted)
        everything = await store.log.read_all(**asked)
        pages = pages if reads_on else pages_of(store)
        all_joined = await pages.of_all(**asked)
        assert b"".join(all_joined.events) == b",".join(map(record_json, everything.events))
        assert all_joined[1:] == (everything.reached, everything.head, False)


async def test_pages_of_short_records_are_made_without_a_bound_until_one_needs_it(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres_store.database
    pages = PostgresJoinedPages(database, postgres_store.log)
    fetch, bounded = database.fetch, list[bool]()

    async def noted(query: Any, values: Any, **how: Any) -> list[tuple[Any, ...]]:
        bounded.append(" over " in query)
        return await fetch(query, values, **how)

    monkeypatch.setattr(database, "fetch", noted)
    short = {"after": 0, "upto": 7, "limit": 9, "most_bytes": EVERYTHING}
    full = {**short, "most_bytes": 500}
    long = {**short, "upto": EVERYTHING, "after": 7}
    chain, _ = await written(postgres_store)
    for asked, needed in (
        (short, [False]),
        (long, [False, True]),
        (long, [True]),
        (short, [True]),
        (short, [False]),
        (full, [False, True]),
        (full, [True]),
    ):
        bounded.clear()
        await pages.of_session(chain.session_id, **asked)
        assert bounded == needed, asked
    bounded.clear()
    await pages.of_all(**short)
    assert bounded == [False]


DAMAGED = (
    b"",
    b"not json",
    b'[{"id":"1"}]',
    b'{"id":"1","type":"note","v":1,"at":"2026-01-01T00:00:00Z","actor":"\xff","origin":"o"}',
    b'x"id":"1","type":"note","v":1,"at":"2026-01-01T00:00:00Z","actor":"a","origin":"o"}',
)


async def test_a_damaged_record_is_told_of_in_its_joined_page_as_elsewhere(
    postgres_store: PostgresStore,
) -> None:
    log = postgres_store.log
    pages = PostgresJoinedPages(postgres_store.database, log)
    asked = {"upto": EVERYTHING, "limit": 9, "most_bytes": EVERYTHING}
    for number, damage in enumerate(DAMAGED):
        chain = Chain()
        append = chain.next(3)
        append.row, append.activity = row(), Activity(at(0), 1, None)
        first, second, third = append.events
        append.events = [first, second._replace(record=damage), third]
        await log.append(append)
        read = await log.read_page(chain.session_id, after=0, **asked)
        joined = await pages.of_session(chain.session_id, after=0, **asked)
        everything = await pages.of_all(after=3 * number, **asked)
        assert read is not None
        assert joined is not None
        assert b"".join(joined.events) == b",".join(map(record_json, read.events))
        assert b"".join(everything.events) == b"".join(joined.events)
        found = json.loads(b"[%s]" % b"".join(joined.events))
        assert [one["sequence"] for one in found] == [1, 2, 3]
        assert [one["type"] == "unreadable" for one in found] == [False, True, False]


async def test_a_record_of_two_lines_does_not_pass_for_a_damaged_one_beside_it(
    postgres_store: PostgresStore,
) -> None:
    line = b'{"id":"1","type":"note","v":1,"at":"2026-01-01T00:00:00Z","actor":"a","origin":"o"}'
    log = postgres_store.log
    pages = PostgresJoinedPages(postgres_store.database, log)
    asked: dict[str, Any] = {"after": 0, "upto": EVERYTHING, "limit": 9}
    chain = Chain()
    append = chain.next(2)
    append.row, append.activity = row(), Activity(at(0), 1, None)
    two_lines, damaged = append.events
    append.events = [
        two_lines._replace(record=line + b"\n" + line),
        damaged._replace(record=b"not json"),
    ]
    await log.append(append)
    # At first without a bound, then with one, as after a page that needed it.
    for bound in (EVERYTHING, 1, EVERYTHING):
        asked["most_bytes"] = bound
        read = await log.read_page(chain.session_id, **asked)
        joined = await pages.of_session(chain.session_id, **asked)
        everything = await pages.of_all(**asked)
        assert read is not None
        assert joined is not None
        events = b",".join(map(record_json, read.events))
        assert b"".join(joined.events) == b"".join(everything.events) == events


async def test_an_empty_log_and_an_unknown_session_have_no_joined_page(pages: JoinedPages) -> None:
    asked = {"after": 0, "upto": 9, "limit": 9, "most_bytes": 9}
    assert await pages.of_all(**asked) == JoinedPage((), 0, 0)
    assert await pages.of_session(uuid4(), **asked) is None
