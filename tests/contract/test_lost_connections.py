"""What was acknowledged is stored once, what was refused is not, whenever a connection is lost."""

import asyncio
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection

from application.errors import OutcomeUnknown, StoreUnavailable, VersionConflict
from application.ports.log.append import Append
from application.ports.session.shared_state import SharedWrite
from application.ports.store import Store
from domain.log.chain import genesis, link, record_hash
from infrastructure.postgres.store import open_store
from infrastructure.postgres.writing.group_commit import CommitLimits
from tests.support.appends import Chain
from tests.support.proxy import Proxy

EVERYTHING = 10_000_000


@dataclass
class Witness:
    """What a store has told its callers."""

    acknowledged: list[tuple[Append, int]] = field(default_factory=list)
    refused: list[Append] = field(default_factory=list)
    unknown: list[Append] = field(default_factory=list)

    async def append(self, store: Store, append: Append) -> bool:
        try:
            position = await store.log.append(append)
        except (VersionConflict, StoreUnavailable):
            self.refused.append(append)
        except OutcomeUnknown:
            self.unknown.append(append)
        else:
            self.acknowledged.append((append, position))
            return True
        return False

    async def compare(self, store: Store) -> None:
        """Hold what was told against what is stored."""
        stored = (await store.log.read_all(after=0, upto=EVERYTHING, limit=EVERYTHING)).events
        assert [event.position for event in stored] == list(range(1, len(stored) + 1))
        by_digest = Counter(event.digest for event in stored)
        assert max(by_digest.values()) == 1
        at = {event.digest: event for event in stored}
        for append, position in self.acknowledged:
            expected = position - len(append.events)
            for one in append.streams:
                for sequence, event in enumerate(one.events, one.before + 1):
                    expected += 1
                    found = at[event.digest]
                    assert found.position == expected
                    assert (found.session_id, found.sequence) == (one.session_id, sequence)
                    assert found.record == event.record
        for append in self.refused:
            assert not any(e.digest in at for one in append.streams for e in one.events)
        known = sum(_events(append) for append, _ in self.acknowledged)
        maybe = sum(map(_events, self.unknown))
        assert known <= len(stored) <= known + maybe
        ends: dict[object, bytes] = {}
        for event in stored:
            ends[event.session_id] = link(
                ends.get(event.session_id, genesis(event.session_id)), record_hash(event.record)
            )
            assert event.digest == ends[event.session_id]


def _events(append: Append) -> int:
    return sum(len(one.events) for one in append.streams)


async def write(store: Store, witness: Witness, until: asyncio.Event) -> None:
    """Append to one session after the other, some with a child, and some from a stale state."""
    while not until.is_set():
        chain = Chain()
        for number in range(8):
            stale = chain.fork()
            children = [Chain().next(2)] if number % 3 == 1 else []
            append = chain.next(random.randint(1, 3), companions=children)
            if not await witness.append(store, append):
                break
            if number % 4 == 3:
                await witness.append(store, stale.next(2, companions=[Chain().next()]))


async def test_killing_the_writers_again_and_again_loses_and_doubles_nothing(
    database_url: str,
) -> None:
    witness, done, kills = Witness(), asyncio.Event(), 0
    async with open_store(database_url) as store:
        writers = [asyncio.create_task(write(store, witness, done)) for _ in range(16)]
        async with await AsyncConnection.connect(database_url, autocommit=True) as killer:
            while len(witness.acknowledged) < 1000 or kills < 25:
                # By what was written and not by time, so that a slow machine gets on too; and at
                # times at once, so that a connection dies while it is made.
                goal = len(witness.acknowledged) + random.randint(0, 60)
                while len(witness.acknowledged) < goal:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
                cursor = await killer.execute(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where application_name = 'cairn writer' and datname = current_database()"
                    " and (state = 'active' or random() < 0.2)"
                )
                row = await cursor.fetchone()
                kills += row[0] if row else 0
        done.set()
        await asyncio.gather(*writers)
        assert witness.refused
        await witness.compare(store)


async def test_an_append_that_is_lost_on_its_way_or_on_its_way_back_is_stored_once(
    database_url: str,
) -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-proxy-") as directory:
        async with (
            Proxy(database_url, Path(directory), b"cairn writer").serve() as proxy,
            # On a busy machine a caller may wait long for the third connection.
            open_store(proxy.url, limits=CommitLimits(patience=60)) as store,
        ):
            witness, done = Witness(), asyncio.Event()
            writers = [asyncio.create_task(write(store, witness, done)) for _ in range(8)]
            for _ in range(25):
                for moment in ("answer", "request"):
                    proxy.lose(moment)
                    goal = proxy.lost[moment] + 1
                    while proxy.lost[moment] < goal:  # noqa: ASYNC110
                        await asyncio.sleep(0.002)
            done.set()
            await asyncio.gather(*writers)
            assert proxy.lost == {"answer": 25, "request": 25}
            assert not witness.unknown
            await witness.compare(store)


async def test_one_lost_answer_is_made_up_for_before_the_caller_notices(
    database_url: str,
) -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-proxy-") as directory:
        async with (
            Proxy(database_url, Path(directory), b"cairn writer").serve() as proxy,
            open_store(proxy.url) as store,
        ):
            chain = Chain()
            assert await store.log.append(chain.next(2, keys=["a"])) == 2
            proxy.lose("answer")
            assert await store.log.append(chain.next(2, keys=["b"])) == 4
            assert proxy.lost["answer"] == 1
            assert await store.log.head() == 4
            assert await store.log.append(chain.next()) == 5


async def test_a_lost_answer_is_made_up_for_though_the_append_has_moved_its_own_scope(
    database_url: str,
) -> None:
    with tempfile.TemporaryDirectory(prefix="cairn-proxy-") as directory:
        async with (
            Proxy(database_url, Path(directory), b"cairn writer").serve() as proxy,
            open_store(proxy.url) as store,
        ):
            parent, child, scope = Chain(), Chain(), uuid4()
            shared = [SharedWrite(scope, "app:a", b"1", 0)]
            await store.log.append(parent.next(shared=shared))
            proxy.lose("answer")
            made = child.next(2, shared=shared)
            spawn = parent.next(2, keys=["k"], expects={scope: 1}, companions=[made])
            assert await store.log.append(spawn) == 3
            assert proxy.lost["answer"] == 1
            assert await store.log.head() == 5
            assert (await store.shared_state.scope(scope)).version == 4
            assert await store.log.append(child.next(expects={scope: 4})) == 6


async def test_a_batch_still_running_on_a_lost_connection_is_ended_and_sent_again(
    database_url: str,
) -> None:
    """The server would go on with what it was asked after the client has lost it."""
    with tempfile.TemporaryDirectory(prefix="cairn-proxy-") as directory:
        async with (
            await AsyncConnection.connect(database_url) as blocker,
            Proxy(database_url, Path(directory), b"cairn writer").serve() as proxy,
            open_store(proxy.url) as store,
        ):
            chain, scope = Chain(), uuid4()
            shared = [SharedWrite(scope, "app:a", b"1", 0)]
            await store.log.append(chain.next(shared=shared))
            await blocker.execute("select head from log_head for update")
            append = chain.next(3, shared=shared, expects={scope: 1}, companions=[Chain().next(2)])
            pending = asyncio.create_task(store.log.append(append))
            (first,) = await _who_waits_for_the_head(database_url, other_than=set())
            await proxy.drop_all()
            # The first attempt would be stored, unheard, as soon as the head is free.
            assert first not in await _who_waits_for_the_head(database_url, other_than={first})
            await blocker.rollback()
            assert await asyncio.wait_for(pending, 10) == 4
            assert await store.log.head() == 6


async def _who_waits_for_the_head(url: str, other_than: set[int]) -> set[int]:
    """Return the server processes that wait for the head, once there is another one."""
    async with await AsyncConnection.connect(url, autocommit=True) as watcher:
        for _ in range(500):
            cursor = await watcher.execute(
                "select pid from pg_stat_activity where datname = current_database()"
                " and application_name = 'cairn writer' and wait_event_type = 'Lock'"
            )
            found = {row[0] for row in await cursor.fetchall()}
            if found - other_than:
                return found
            await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


async def test_what_never_reached_a_database_that_is_away_is_refused_in_time(
    database_url: str,
) -> None:
    # On a busy machine even a database that is there takes a while to answer.
    limits = CommitLimits(patience=3.0)
    with tempfile.TemporaryDirectory(prefix="cairn-proxy-") as directory:
        proxy = Proxy(database_url, Path(directory), b"cairn writer")
        chain = Chain()
        async with open_store(database_url) as direct:
            await direct.log.append(chain.next())
        async with proxy.serve(), open_store(proxy.url, limits=limits) as store:
            await store.log.append(chain.next())
            await proxy.go_away()
            answers = await asyncio.wait_for(
                asyncio.gather(
                    *(store.log.append(Chain().next()) for _ in range(5)), return_exceptions=True
                ),
                60,
            )
            assert all(isinstance(a, StoreUnavailable | OutcomeUnknown) for a in answers), answers
            await proxy.come_back()
            assert isinstance(await store.log.append(chain.next()), int)
    with psycopg.connect(database_url) as connection:
        counted = connection.execute("select count(*), max(notification_id) from events").fetchone()
    assert counted == (3, 3)
