"""A reader that polls by position never skips an event, however many processes write."""

import asyncio
from collections.abc import Sequence

import psycopg
from psycopg import AsyncConnection

from application.ports.store import Store
from tests.support.appends import Chain
from tests.support.locks import until_somebody_waits
from tests.support.writers import NAIVE_INSERT, NAIVE_TABLE, follow, writing

EVERYTHING = 10_000_000


async def naive_page(connection: AsyncConnection, after: int) -> list[int]:
    cursor = await connection.execute(
        "select id from naive where id > %s order by id limit 1000", (after,)
    )
    return [number for (number,) in await cursor.fetchall()]


async def test_a_polling_reader_sees_every_event_of_twelve_writers_in_four_processes(
    postgres_store: Store, database_url: str
) -> None:
    async def read(after: int) -> Sequence[int]:
        page = (await postgres_store.log.read_all(after=after, upto=EVERYTHING, limit=1000)).events
        return [event.position for event in page]

    with writing(database_url, "log", processes=4, tasks=3, appends=400, largest=20) as finished:
        seen = await follow(read, finished)
    stored = await postgres_store.log.head()
    assert stored > 20_000
    assert seen == list(range(1, stored + 1))


async def test_the_same_reader_of_a_plain_sequence_skips_what_it_is_overtaken_by(
    database_url: str,
) -> None:
    async with await AsyncConnection.connect(database_url, autocommit=True) as reader:
        await reader.execute(NAIVE_TABLE)
        with writing(
            database_url, "naive", processes=4, tasks=3, appends=150, largest=20
        ) as finished:
            seen = await follow(lambda after: naive_page(reader, after), finished)
        stored = await naive_page(reader, 0)
        while page := await naive_page(reader, stored[-1]):
            stored += page
    assert len(stored) > 5_000
    assert set(stored) - set(seen), "no event was skipped: the test above proves nothing"


async def test_two_transactions_that_commit_in_the_other_order_make_a_plain_sequence_skip(
    database_url: str,
) -> None:
    async with (
        await AsyncConnection.connect(database_url) as slow,
        await AsyncConnection.connect(database_url) as fast,
        await AsyncConnection.connect(database_url, autocommit=True) as reader,
    ):
        await reader.execute(NAIVE_TABLE)
        steps = iter([lambda: asyncio.sleep(0), slow.commit])

        async def read(after: int) -> Sequence[int]:
            page = await naive_page(reader, after)
            await next(steps, lambda: asyncio.sleep(0))()
            return page

        await slow.execute(NAIVE_INSERT, (1,))
        await fast.execute(NAIVE_INSERT, (1,))
        await fast.commit()
        turns = iter([False, False, False])
        seen = await follow(read, lambda: next(turns, True))
        assert seen == [2]
        assert await naive_page(reader, 0) == [1, 2]


async def test_in_the_log_who_has_the_lower_position_commits_first(
    postgres_store: Store, database_url: str
) -> None:
    async with await AsyncConnection.connect(database_url) as slow:
        # What an append does first, by a process that then takes its time.
        await slow.execute("update log_head set head = head + 1 where log_id = 0")
        fast = asyncio.create_task(postgres_store.log.append(Chain().next()))
        await asyncio.to_thread(until_somebody_waits, database_url)
        assert not fast.done()
        assert await postgres_store.log.head() == 0
        await slow.execute(
            "insert into events values (gen_random_uuid(), 1, 't', 's', 1, sha256('x'))"
        )
        await slow.commit()
        assert await asyncio.wait_for(fast, 30) == 2
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select notification_id from events order by 1").fetchall()
    assert rows == [(1,), (2,)]
