"""A follower: what it takes, in which batches, and that nothing has its effect twice."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import AsyncConnection

from application.errors import StoreUnavailable
from application.ports.log.checkpoints import Checkpoints
from application.ports.log.event_log import EventLog
from application.ports.log.events import EventFilter, OwnedEvent
from application.ports.store import Store
from application.projections.following import BatchSize, Follower
from infrastructure.memory.log.checkpoints import MemoryCheckpoints
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.log.checkpoints import PostgresCheckpoints
from infrastructure.postgres.store import open_store
from tests.support.appends import Chain, row


@dataclass
class Seen:
    """An effect that remembers its batches."""

    batches: list[list[int]] = field(default_factory=list[list[int]])

    async def __call__(self, _: object, events: Sequence[OwnedEvent]) -> None:
        self.batches.append([event.stored.position for event in events])

    @property
    def positions(self) -> list[int]:
        return [position for batch in self.batches for position in batch]


@pytest.fixture
async def checkpoints(
    request: pytest.FixtureRequest, store: Store
) -> AsyncIterator[Checkpoints[object]]:
    if isinstance(store, MemoryStore):
        yield MemoryCheckpoints(Tables())
        return
    async with _database(request.getfixturevalue("database_url")) as database:
        yield PostgresCheckpoints(database)


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    database = Database(url, readers=4)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def test_each_event_has_its_effect_once_and_in_order(
    store: Store, checkpoints: Checkpoints[object]
) -> None:
    chain, seen = Chain(), Seen()
    follower = Follower("reader", store.log, checkpoints, seen, size=BatchSize(events=3))
    assert await checkpoints.position("reader") == 0
    assert await follower.catch_up(0) == 0

    assert await follower.catch_up(await store.log.append(chain.next(7))) == 7
    assert seen.batches == [[1, 2, 3], [4, 5, 6], [7]]

    assert await follower.catch_up(await store.log.append(chain.next(2))) == 9
    assert await follower.catch_up(9) == 9
    assert seen.positions == list(range(1, 10))
    assert await checkpoints.position("reader") == 9


async def test_another_process_goes_on_where_one_has_stopped(
    store: Store, checkpoints: Checkpoints[object]
) -> None:
    await store.log.append(Chain().next(6))
    first, second = Seen(), Seen()
    await Follower("reader", store.log, checkpoints, first).step(4)
    await Follower("reader", store.log, checkpoints, second).catch_up(6)

    assert (first.positions, second.positions) == ([1, 2, 3, 4], [5, 6])


async def test_consumers_do_not_know_of_each_other(
    store: Store, checkpoints: Checkpoints[object]
) -> None:
    await store.log.append(Chain().next(4))
    one, other = Seen(), Seen()
    await Follower("one", store.log, checkpoints, one).catch_up(4)
    await Follower("other", store.log, checkpoints, other).catch_up(2)

    assert (one.positions, other.positions) == ([1, 2, 3, 4], [1, 2])


async def test_a_batch_ends_where_it_has_so_many_bytes(
    store: Store, checkpoints: Checkpoints[object]
) -> None:
    await store.log.append(Chain().next(5, text="x" * 1000))
    seen = Seen()
    size = BatchSize(most_bytes=1500)
    await Follower("reader", store.log, checkpoints, seen, size=size).catch_up(5)

    assert seen.batches == [[1, 2], [3, 4], [5]]


async def test_a_large_record_that_cannot_be_read_hides_no_event_after_it(
    store: Store, checkpoints: Checkpoints[object]
) -> None:
    damaged = Chain().next(5)
    damaged.events = [
        event._replace(record=b"x" * 2000) if number == 1 else event
        for number, event in enumerate(damaged.events)
    ]
    await store.log.append(damaged)
    seen = Seen()
    size = BatchSize(most_bytes=1500)
    await Follower("reader", store.log, checkpoints, seen, size=size).catch_up(5)

    assert seen.batches == [[1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("wanted", "positions"),
    [
        (EventFilter(types=("turn.*",)), [2, 4, 6]),
        (EventFilter(types=("message.added", "turn.ended")), [3, 4]),
        (EventFilter(app="bank"), [5, 6]),
        (EventFilter(user="ada"), [1, 2, 3, 4]),
        (EventFilter(types=("turn.*",), app="shop", user="ada"), [2, 4]),
        (EventFilter(types=("input.*",)), []),
    ],
)
async def test_a_filter_lets_through_what_is_wanted_and_the_checkpoint_passes_the_rest(
    store: Store, checkpoints: Checkpoints[object], wanted: EventFilter, positions: list[int]
) -> None:
    types = ["session.created", "turn.started", "message.added", "turn.ended"]
    await store.log.append(Chain().next(types))
    await store.log.append(Chain().next(types[:2], row=row(app="bank", user="bob")))
    seen = Seen()

    assert await Follower("reader", store.log, checkpoints, seen, wanted=wanted).catch_up(6) == 6

    assert seen.positions == positions
    assert [] not in seen.batches


async def test_an_effect_that_fails_leaves_the_checkpoint_where_it_was(
    store: Store, checkpoints: Checkpoints[object]
) -> None:
    async def fail(_: object, events: Sequence[OwnedEvent]) -> None:
        raise ValueError(len(events))

    await store.log.append(Chain().next(3))
    with pytest.raises(ValueError, match="3"):
        await Follower("reader", store.log, checkpoints, fail).step(3)

    assert await checkpoints.position("reader") == 0


async def test_a_checkpoint_moves_only_from_where_it_is_and_back_too(
    checkpoints: Checkpoints[object],
) -> None:
    ran: list[str] = []

    async def move(after: int, upto: int) -> bool:
        async def effect(_: object) -> None:
            ran.append(f"{after}-{upto}")

        return await checkpoints.move("reader", after=after, upto=upto, effect=effect)

    assert not await move(3, 5)
    assert await move(0, 4)
    assert not await move(0, 4)
    assert not await move(3, 5)
    assert await move(4, 0)
    assert await checkpoints.position("reader") == 0
    assert ran == ["0-4", "4-0"]


# ── several at once, and deaths ──────────────────────────────────────────────────────────────

_TABLE = "create table effects (position bigint not null, who text not null)"
_TOTALS = "select count(*), count(distinct position), min(position), max(position) from effects"


def writer(
    who: str, log: EventLog, database: Database, events: int = 7
) -> Follower[AsyncConnection]:
    """A follower that writes each position into a table, where nothing forbids it twice."""

    async def effect(connection: AsyncConnection, events: Sequence[OwnedEvent]) -> None:
        await connection.cursor().executemany(
            "insert into effects values (%s, %s)",
            [(event.stored.position, who) for event in events],
        )

    return Follower(
        "writer", log, PostgresCheckpoints(database), effect, size=BatchSize(events=events)
    )


async def test_two_copies_at_once_write_each_event_once(database_url: str) -> None:
    async with (
        open_store(database_url) as store,
        _database(database_url) as one,
        _database(database_url) as other,
    ):
        for _ in range(10):
            await store.log.append(Chain().next(50))
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(_TABLE)
            await asyncio.gather(
                writer("one", store.log, one).catch_up(500),
                writer("other", store.log, other, events=11).catch_up(500),
                writer("third", store.log, other, events=3).catch_up(500),
            )
            assert connection.execute(_TOTALS).fetchone() == (500, 500, 1, 500)


async def test_a_connection_that_is_lost_after_the_effect_has_written_nothing(
    database_url: str,
) -> None:
    async with open_store(database_url) as store, _database(database_url) as database:
        await store.log.append(Chain().next(5))
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(_TABLE)

            async def die(connection: AsyncConnection, events: Sequence[OwnedEvent]) -> None:
                await connection.execute(
                    "insert into effects select generate_series(1, %s), 'die'", (len(events),)
                )
                admin.execute(
                    "select pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,)
                )

            checkpoints = PostgresCheckpoints(database)
            with pytest.raises(StoreUnavailable):
                await Follower("writer", store.log, checkpoints, die).step(5)
            assert admin.execute(_TOTALS).fetchone() == (0, 0, None, None)
            assert await checkpoints.position("writer") == 0

            await writer("next", store.log, database).catch_up(5)
            assert admin.execute(_TOTALS).fetchone() == (5, 5, 1, 5)


_KILLED = """
import asyncio, os, signal, sys
from tests.contract.test_following import _database, writer
from infrastructure.postgres.log.checkpoints import PostgresCheckpoints
from infrastructure.postgres.log.event_log import PostgresEventLog

async def main():
    async with _database(sys.argv[1]) as database:
        log = PostgresEventLog(database, lambda position: None)
        follower = writer("killed", log, database)
        write, batches = follower._effect, 0

        async def effect(connection, events):
            nonlocal batches
            await write(connection, events)
            batches += 1
            if batches == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)

        follower._effect = effect
        await follower.catch_up(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("batch", [1, 3, 8])
async def test_a_process_that_is_killed_between_effect_and_checkpoint_has_written_neither(
    database_url: str, batch: int
) -> None:
    async with open_store(database_url) as store, _database(database_url) as database:
        for _ in range(6):
            await store.log.append(Chain().next(10))
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(_TABLE)
            killed = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", _KILLED, database_url, str(batch)],
                timeout=60,
                check=False,
            )
            assert killed.returncode == -9
            done = (batch - 1) * 7
            assert await PostgresCheckpoints(database).position("writer") == done
            assert connection.execute(_TOTALS).fetchone()[0] == done  # type: ignore[index]

            await writer("next", store.log, database).catch_up(60)
            assert connection.execute(_TOTALS).fetchone() == (60, 60, 1, 60)
