"""The `eventsourcing` library's own cases for recorders, on our log; and the two side by side."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.application import Application
from eventsourcing.persistence import IntegrityError, ProgrammingError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from application.ports.store import Store
from domain.chain import genesis, link, record_hash
from infrastructure.postgres.recorder import CairnRecorder
from tests.support.appends import Chain
from tests.support.library import cases as library

EVERYTHING = 1_000_000


def open_datastore(url: str, **settings: Any) -> PostgresDatastore:
    where = conninfo_to_dict(url)
    return PostgresDatastore(
        dbname=str(where["dbname"]),
        host=str(where["host"]),
        port=str(where.get("port", 5432)),
        user=str(where["user"]),
        password=str(where.get("password", "")),
        pool_size=4,
        max_overflow=12,
        **settings,
    )


@pytest.fixture
def datastore(database_url: str) -> Iterator[PostgresDatastore]:
    with open_datastore(database_url) as datastore:
        yield datastore


@pytest.fixture
def recorder(datastore: PostgresDatastore) -> CairnRecorder:
    return CairnRecorder(datastore)


def verify_chains(url: str) -> dict[UUID, int]:
    """Recompute every digest, and return how many events each sequence has."""
    ends: dict[UUID, bytes] = {}
    counted: dict[UUID, int] = {}
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select originator_id, state, digest, notification_id from events"
            " order by notification_id"
        ).fetchall()
    for number, (originator, state, digest, position) in enumerate(rows, 1):
        assert position == number
        ends[originator] = link(ends.get(originator, genesis(originator)), record_hash(state))
        assert digest == ends[originator]
        counted[originator] = counted.get(originator, 0) + 1
    return counted


# ── what the library asks of a recorder ──────────────────────────────────────────────────────


class OnOurLog:
    """Supplies the recorder, and looks at the chains when a case is over."""

    url: str
    datastore: PostgresDatastore

    @pytest.fixture(autouse=True)
    def _database(self, database_url: str, datastore: PostgresDatastore) -> Iterator[None]:
        self.url, self.datastore = database_url, datastore
        yield
        verify_chains(database_url)

    def create_recorder(self) -> CairnRecorder:
        return CairnRecorder(self.datastore)


class WithoutPositions(CairnRecorder):
    """An aggregate recorder, in the library's terms, has no positions to tell of."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> None:
        super().insert_events(stored_events)


class TestAsAggregateRecorder(OnOurLog, library.AggregateRecorderTestCase):
    def create_recorder(self) -> CairnRecorder:
        return WithoutPositions(self.datastore)


class TestAsApplicationRecorder(OnOurLog, library.ApplicationRecorderTestCase[CairnRecorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestPositionsDoNotInterleave(OnOurLog, library.NonInterleavingNotificationIDsBaseCase):
    pass


# ── what we ask of it besides ────────────────────────────────────────────────────────────────


def event(originator: UUID, version: int, state: bytes = b"{}") -> StoredEvent:
    return StoredEvent(originator, version, "topic", state)


def test_the_library_creates_nothing_here(recorder: CairnRecorder, database_url: str) -> None:
    recorder.create_table()
    recorder.insert_events([event(uuid4(), 1)])
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "select relname from pg_class where relname like '%stored%'"
            " union select typname from pg_type where typname like '%stored_event%'"
        ).fetchall()
    assert tables == []


def test_a_sequence_has_no_gaps_and_a_refusal_takes_no_position(recorder: CairnRecorder) -> None:
    originator, other = uuid4(), uuid4()
    assert recorder.insert_events([event(originator, 1), event(other, 0)]) == [1, 2]
    for wrong in ([event(originator, 3)], [event(originator, 2), event(other, 2)]):
        with pytest.raises(IntegrityError):
            recorder.insert_events(wrong)
    assert recorder.insert_events([event(originator, 2), event(other, 1)]) == [3, 4]


def test_originators_must_be_uuids_and_functions_of_the_library_are_not_used(
    database_url: str,
) -> None:
    for settings in ({"originator_id_type": "text"}, {"enable_db_functions": True}):
        with (
            open_datastore(database_url, **settings) as datastore,
            pytest.raises(ProgrammingError),
        ):
            CairnRecorder(datastore)


async def test_a_session_is_written_by_commands_only(
    postgres_store: Store, recorder: CairnRecorder
) -> None:
    chain = Chain()
    await postgres_store.log.append(chain.next(2))
    with pytest.raises(IntegrityError, match="is a session"):
        await asyncio.to_thread(recorder.insert_events, [event(chain.session_id, 3)])
    assert await postgres_store.log.append(chain.next()) == 3


async def test_both_ways_of_writing_share_one_dense_log(
    postgres_store: Store, recorder: CairnRecorder, database_url: str
) -> None:
    chain, originator = Chain(), uuid4()
    for round_ in range(5):
        await postgres_store.log.append(chain.next(2))
        positions = recorder.insert_events([event(originator, round_ + 1)])
        assert positions == [3 * (round_ + 1)]

    async def append() -> None:
        mine = Chain()
        for _ in range(30):
            await postgres_store.log.append(mine.next(3))

    def insert(_: int) -> None:
        own = uuid4()
        for version in range(0, 60, 2):
            recorder.insert_events([event(own, version), event(own, version + 1, b"two")])

    with ThreadPoolExecutor(4) as threads:
        loop = asyncio.get_running_loop()
        inserts = [loop.run_in_executor(threads, insert, n) for n in range(4)]
        await asyncio.gather(*(append() for _ in range(6)), *inserts)
    counted = verify_chains(database_url)
    assert sorted(counted.values()) == [5, 10, *[60] * 4, *[90] * 6]
    assert await postgres_store.log.head() == sum(counted.values())
    assert recorder.max_notification_id() == sum(counted.values())
    everything = await postgres_store.log.read_all(after=0, upto=EVERYTHING, limit=EVERYTHING)
    notifications = recorder.select_notifications(start=1, limit=EVERYTHING)
    assert [(n.id, n.originator_id, n.originator_version, n.state) for n in notifications] == [
        (e.position, e.session_id, e.sequence, e.record) for e in everything
    ]


async def test_a_subscription_hears_of_what_the_program_writes(
    postgres_store: Store, recorder: CairnRecorder
) -> None:
    chain = Chain()
    await postgres_store.log.append(chain.next(["a", "b", "a"]))

    def take(subscription: Any, many: int) -> list[int]:
        return [next(subscription).id for _ in range(many)]

    with recorder.subscribe(gt=0, topics=["a"]) as subscription:
        assert await asyncio.to_thread(take, subscription, 2) == [1, 3]
        heard = asyncio.create_task(asyncio.to_thread(take, subscription, 1))
        await postgres_store.log.append(chain.next(["b", "a"]))
        assert await asyncio.wait_for(heard, 5) == [5]


async def test_an_application_of_the_library_reads_the_log(
    postgres_store: Store, database_url: str
) -> None:
    chains = [Chain() for _ in range(3)]
    for chain in chains:
        await postgres_store.log.append(chain.next(["session.created", "turn.started"]))
    where = conninfo_to_dict(database_url)
    application: Application[UUID] = Application(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "APPLICATION_RECORDER_TOPIC": "infrastructure.postgres.recorder:CairnRecorder",
            "POSTGRES_DBNAME": str(where["dbname"]),
            "POSTGRES_HOST": str(where["host"]),
            "POSTGRES_PORT": str(where.get("port", 5432)),
            "POSTGRES_USER": str(where["user"]),
            "POSTGRES_PASSWORD": str(where.get("password", "")),
        }
    )
    try:
        assert isinstance(application.recorder, CairnRecorder)
        read = application.notification_log.select(start=1, limit=10)
        stored = await postgres_store.log.read_all(after=0, upto=100, limit=100)
        assert [(n.id, n.topic, n.originator_id, n.state) for n in read] == [
            (e.position, e.type, e.session_id, e.record) for e in stored
        ]
        section = application.notification_log["1,4"]
        assert (section.id, section.next_id) == ("1,4", "5,8")
        events = application.recorder.select_events(chains[1].session_id, gt=1)
        assert [(e.originator_version, e.topic) for e in events] == [(2, "turn.started")]
    finally:
        application.close()


def columns(connection: psycopg.Connection[Any], table: str) -> dict[str, str]:
    return dict(
        connection.execute(
            "select column_name, data_type from information_schema.columns where table_name = %s",
            (table,),
        ).fetchall()
    )


def unique_keys(connection: psycopg.Connection[Any], table: str) -> set[tuple[str, ...]]:
    rows = connection.execute(
        "select array(select a.attname::text from unnest(i.indkey) with ordinality as k (n, o)"
        "  join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.n order by k.o)"
        " from pg_index as i where i.indrelid = %s::regclass and i.indisunique",
        (table,),
    ).fetchall()
    return {tuple(names) for (names,) in rows}


def test_our_table_is_what_the_library_would_make_and_our_columns(
    datastore: PostgresDatastore, database_url: str
) -> None:
    PostgresApplicationRecorder(datastore, events_table_name="theirs").create_table()
    with psycopg.connect(database_url) as connection:
        ours, theirs = columns(connection, "events"), columns(connection, "theirs")
        assert theirs
        assert theirs.items() <= ours.items()
        assert ours.keys() - theirs.keys() == {"digest", "erased_hash"}
        assert unique_keys(connection, "events") == unique_keys(connection, "theirs")
