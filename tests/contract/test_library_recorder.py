"""The `eventsourcing` library's own cases for recorders, on our log; and the two side by side."""

import asyncio
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.application import Application
from eventsourcing.persistence import (
    IntegrityError,
    Notification,
    ProgrammingError,
    StoredEvent,
)
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from application.ports.store import Store
from domain.access.events import ACCESS_LOG
from domain.log.chain import genesis, link, record_hash
from infrastructure.postgres.library.recorder import CairnRecorder
from tests.support.appends import Chain
from tests.support.library import cases as library
from tests.support.library import environment

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


def record(kind: str, **data: Any) -> bytes:
    """A record of another program, as the log takes it."""
    head = {"id": str(uuid4()), "type": kind, "v": 1, "at": "2026-01-01T12:00:00.000000Z"}
    whole = head | {"actor": "system", "origin": "test", "data": data}
    return json.dumps(whole, separators=(",", ":")).encode()


_AnEvent = TypeVar("_AnEvent", bound=StoredEvent)


def wrapped(event: StoredEvent) -> StoredEvent:
    inside = record(event.topic, state=b64encode(event.state).decode())
    return StoredEvent(event.originator_id, event.originator_version, event.topic, inside)


def unwrapped(event: _AnEvent) -> _AnEvent:
    return replace(event, state=b64decode(json.loads(event.state)["data"]["state"]))


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
        return OfAnyBytes(self.datastore)


class OfAnyBytes(CairnRecorder):
    """The cases write "state1" and the like: it is put into a record, and taken out again."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        return super().insert_events([wrapped(event) for event in stored_events])

    def select_events(self, *args: Any, **how: Any) -> Sequence[StoredEvent]:
        return [unwrapped(event) for event in super().select_events(*args, **how)]

    def select_notifications(self, *args: Any, **how: Any) -> Sequence[Notification]:
        return [unwrapped(event) for event in super().select_notifications(*args, **how)]


class WithoutPositions(OfAnyBytes):
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


def event(originator: UUID, version: int, kind: str = "topic") -> StoredEvent:
    return StoredEvent(originator, version, kind, record(kind))


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


GOOD = record("counter.moved", by=1)
FAULTS = {
    "bytes": (b"\x00raw", "no record"),
    "compressed": (zlib.compress(GOOD), "no record"),
    "torn UTF-8": (GOOD.replace(b'"by"', b'"b\xe9"'), "no record"),
    "not an object": (b'["a"]', "no record"),
    "nothing of an envelope": (b"{}", "no record"),
    "a field more": (GOOD[:-1] + b',"sequence":7}', "unknown field"),
    "another type": (record("counter.stopped"), "names itself counter.stopped"),
    "data that are a list": (GOOD.replace(b'{"by":1}', b"[1]"), "no object"),
    "version 0": (GOOD.replace(b'"v":1', b'"v":0'), "below 1"),
    "a time of some other form": (GOOD.replace(b".000000Z", b"+00:00"), "has a time"),
    "no time": (GOOD.replace(b"2026-01-01T12:00:00.000000Z", b"today"), "has a time"),
    "white space": (GOOD.replace(b",", b", "), "white space"),
    "a new line in the data": (GOOD.replace(b'"by":1', b'"by":\n1'), "white space"),
    "a key twice": (GOOD[:-1] + b',"v":1}', "another order"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_record_is_refused_and_leaves_no_trace(
    recorder: CairnRecorder, name: str
) -> None:
    state, words = FAULTS[name]
    originator = uuid4()
    good = StoredEvent(originator, 1, "counter.moved", GOOD)
    with pytest.raises(ProgrammingError, match=words):
        recorder.insert_events([good, StoredEvent(originator, 2, "counter.moved", state)])
    assert recorder.insert_events([good]) == [1]


@pytest.mark.parametrize("kind", ["", "a b", "a\nevent: b", "\u00e9", "x" * 256])
def test_a_type_must_be_a_name_that_every_format_can_carry(
    recorder: CairnRecorder, kind: str
) -> None:
    with pytest.raises(ProgrammingError, match="has a type"):
        recorder.insert_events([event(uuid4(), 1, kind)])


@pytest.mark.parametrize("kind", ["turn.started", "scope.opened", "unreadable"])
def test_events_of_cairn_are_recorded_by_its_commands_only(
    recorder: CairnRecorder, kind: str
) -> None:
    with pytest.raises(ProgrammingError, match="only commands"):
        recorder.insert_events([event(uuid4(), 1, kind)])


async def test_a_session_is_written_by_commands_only(
    postgres_store: Store, recorder: CairnRecorder
) -> None:
    chain = Chain()
    await postgres_store.log.append(chain.next(2))
    with pytest.raises(IntegrityError, match="is a session"):
        await asyncio.to_thread(recorder.insert_events, [event(chain.session_id, 3)])
    assert await postgres_store.log.append(chain.next()) == 3


def test_the_log_of_accesses_is_written_by_reads_only(recorder: CairnRecorder) -> None:
    with pytest.raises(IntegrityError, match="another log of Cairn"):
        recorder.insert_events([event(ACCESS_LOG, 1)])


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
            recorder.insert_events([event(own, version), event(own, version + 1, "two")])

    with ThreadPoolExecutor(4) as threads:
        loop = asyncio.get_running_loop()
        inserts = [loop.run_in_executor(threads, insert, n) for n in range(4)]
        await asyncio.gather(*(append() for _ in range(6)), *inserts)
    counted = verify_chains(database_url)
    assert sorted(counted.values()) == [5, 10, *[60] * 4, *[90] * 6]
    assert await postgres_store.log.head() == sum(counted.values())
    assert recorder.max_notification_id() == sum(counted.values())
    everything = (
        await postgres_store.log.read_all(after=0, upto=EVERYTHING, limit=EVERYTHING)
    ).events
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
    application: Application[UUID] = Application(env=environment(database_url))
    try:
        assert isinstance(application.recorder, CairnRecorder)
        read = application.notification_log.select(start=1, limit=10)
        stored = (await postgres_store.log.read_all(after=0, upto=100, limit=100)).events
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
