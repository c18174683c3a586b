"""What the database itself sees to, whoever is connected to it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from application.errors import VersionConflict
from application.ports.log.append import Append
from application.ports.session.shared_state import SharedWrite
from application.ports.store import Store
from domain.errors import LogDamaged
from domain.log.chain import genesis, link, record_hash
from infrastructure.postgres import sql
from infrastructure.postgres.store import open_store
from infrastructure.postgres.writing.arrays import register_arrays
from infrastructure.postgres.writing.batch import arguments
from tests.support.appends import Chain, row

# So that tests that are not async may use what is.
pytestmark = pytest.mark.usefixtures("anyio_backend")

APPEND = sql.load("log")["append"]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection[TupleRow]]:
    """A connection as the owner of the tables."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        register_arrays(connection)
        yield connection


@pytest.fixture
async def filled(postgres_store: Store) -> Chain:
    chain = Chain()
    await postgres_store.log.append(chain.next(3, keys=["k"]))
    return chain


def append_batch(connection: Connection[TupleRow], *appends: Append) -> int | None:
    """Call the function in the database as the program does, without the judging after it."""
    found = connection.execute(APPEND, arguments(appends)).fetchone()
    assert found is not None
    base: int | None = found[0]
    return base


def counts(connection: Connection[TupleRow]) -> tuple[Any, ...]:
    found = connection.execute(
        "select (select head from log_head), (select count(*) from events),"
        " (select sum(sequence) from sessions), (select count(*) from idempotency_keys)"
    ).fetchone()
    assert found is not None
    return found


@pytest.mark.parametrize(
    "statement",
    [
        "update events set state = 'x'",
        "update events set notification_id = 99 where originator_version = 1",
        "update events set erased_hash = sha256(state)",
        "update events set erased_hash = sha256(state), state = ''",
        "update events set state = '', topic = 'other'",
        """update events set erased_hash = sha256('forged'),
        state = erased_record_v1(topic, state)""",
        """update events set erased_hash = sha256(state), state = erased_record_v1(topic, state),
        digest = sha256('forged')""",
        """update events set erased_hash = sha256(state), state = erased_record_v1(topic, state),
        originator_version = originator_version + 3""",
        "delete from events",
        "delete from events where originator_version = 3",
        "truncate events",
        "truncate events, sessions",
        """insert into events select originator_id, originator_version, topic, 'x', 99, digest
        from events on conflict (originator_id, originator_version)
        do update set state = excluded.state""",
        "with gone as (delete from events returning 1) select count(*) from gone",
    ],
)
def test_no_event_is_changed_or_removed_not_even_by_the_owner(
    connection: Connection[TupleRow], filled: Chain, statement: str
) -> None:
    whose = connection.execute(
        "select tableowner = current_user, (select rolsuper from pg_roles"
        " where rolname = current_user) from pg_tables where tablename = 'events'"
    ).fetchone()
    assert whose == (True, False)
    before = connection.execute("select * from events order by notification_id").fetchall()
    with pytest.raises(psycopg.DatabaseError, match="append-only") as refused:
        connection.execute(statement)  # type: ignore[arg-type]
    assert refused.value.sqlstate == "CN002"
    assert connection.execute("select * from events order by notification_id").fetchall() == before


@pytest.mark.parametrize(
    "erased", ["state = ''", "erased_hash = sha256(state), state = erased_record_v1(topic, state)"]
)
def test_an_erased_record_leaves_its_hash_and_the_chain_holds_on_both_sides(
    connection: Connection[TupleRow], filled: Chain, erased: str
) -> None:
    erase = f"update events set {erased} where originator_version = 2"
    read = """select originator_version, notification_id, topic, state, erased_hash, digest
        from events order by originator_version"""
    before = connection.execute(read).fetchall()  # type: ignore[arg-type]
    connection.execute(erase)  # type: ignore[arg-type]
    after = connection.execute(read).fetchall()  # type: ignore[arg-type]

    assert [row[:3] for row in after] == [row[:3] for row in before]
    record = json.loads(before[1][3])
    assert json.loads(after[1][3]) == {
        "type": before[1][2],
        "at": record["at"],
        "erased": True,
        "record_hash": record_hash(before[1][3]).hex(),
    }
    digest = genesis(filled.session_id)
    for *_, state, erased_hash, stored in after:
        digest = link(digest, erased_hash or record_hash(state))
        assert digest == stored
    assert [row[4] is not None for row in after] == [False, True, False]
    with pytest.raises(psycopg.DatabaseError, match="append-only"):
        connection.execute(erase)  # type: ignore[arg-type]


def test_an_event_is_unique_by_sequence_and_by_position(
    connection: Connection[TupleRow], filled: Chain
) -> None:
    insert = "insert into events values (%s, %s, 't', 's', %s, %s)"
    for session, sequence, position in ((filled.session_id, 3, 4), (uuid4(), 1, 3)):
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(insert, (session, sequence, position, b"d" * 32))
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(insert, (uuid4(), 1, 4, b"short"))


def test_an_idempotency_key_is_unique_in_its_scope(
    connection: Connection[TupleRow], filled: Chain
) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(
            "insert into idempotency_keys select * from idempotency_keys limit 1",
        )


@pytest.mark.parametrize("shown", [None, row(status="running")], ids=["moved on", "shown anew"])
def test_the_function_refuses_gaps_and_leaves_nothing(
    connection: Connection[TupleRow], filled: Chain, shown: Any
) -> None:
    before = counts(connection)
    for sequence in (4, 100):
        ahead = filled.fork()
        ahead.sequence = sequence
        assert append_batch(connection, ahead.next(row=shown, keys=["other"])) is None
    assert counts(connection) == before


def test_the_function_refuses_what_is_behind_and_leaves_nothing(
    connection: Connection[TupleRow], filled: Chain
) -> None:
    before = counts(connection)
    for sequence in (0, 1, 2):
        behind = filled.fork()
        behind.sequence = sequence
        assert append_batch(connection, Chain().next(), behind.next(4, row=row())) is None
    assert counts(connection) == before


def test_what_others_have_written_is_told_without_an_error(
    connection: Connection[TupleRow], filled: Chain
) -> None:
    """An error would stand in the log of the server each time a key is sent again."""
    before = counts(connection)
    scope = uuid4()

    assert append_batch(connection, filled.fork().next(keys=["k"])) is None
    assert append_batch(connection, filled.fork().next(expects={scope: 7})) is None
    connection.execute("update sessions set held = 'import'")
    assert append_batch(connection, filled.fork().next()) is None

    assert counts(connection) == before


def test_a_batch_is_written_whole_or_not_at_all(
    connection: Connection[TupleRow], filled: Chain
) -> None:
    before = counts(connection)
    scope = uuid4()
    good = Chain().next(2, keys=["g"], shared=[SharedWrite(scope, "app:a", b"1", 0)])
    ahead = filled.fork()
    ahead.sequence = 9
    assert append_batch(connection, good, ahead.next()) is None
    assert counts(connection) == before
    assert connection.execute("select count(*) from shared_state_history").fetchone() == (0,)
    assert append_batch(connection, good) == 3
    assert counts(connection) == (5, 5, 5, 2)


async def test_what_contradicts_itself_fails_alone_and_ends_nothing(postgres_store: Store) -> None:
    scope, log = uuid4(), postgres_store.log
    twice = [SharedWrite(scope, "app:a", b"1", 0), SharedWrite(scope, "app:a", None, 0)]
    two_keys = Chain()
    doubled = two_keys.next(keys=["k", "k"])
    rowless = Chain().next()
    rowless.row = None
    wrong = [Chain().next(shared=twice), doubled, rowless]
    right = [Chain().next(2) for _ in range(3)]
    answers = await asyncio.wait_for(
        asyncio.gather(
            *(log.append(append) for append in [*wrong, *right]), return_exceptions=True
        ),
        20,
    )
    assert all(isinstance(answer, LogDamaged) for answer in answers[:3]), answers
    assert all(isinstance(answer, int) for answer in answers[3:]), answers
    assert await log.head() == 6
    assert (await postgres_store.shared_state.scope(scope)).values == {}


async def test_two_programs_on_one_database_see_each_other(
    postgres_store: Store, database_url: str
) -> None:
    async with open_store(database_url) as other:
        assert other.identity == postgres_store.identity
        chain = Chain()
        here = chain.fork()
        await postgres_store.log.append(chain.next(keys=["k"]))
        assert [e.sequence for e in await other.log.read(chain.session_id, limit=9)] == [1]
        with pytest.raises(VersionConflict):
            await other.log.append(here.next())
        assert await other.log.append(chain.next()) == 2
        assert await postgres_store.log.head() == 2
        kept = await other.idempotency_keys.answer(chain.session_id, "k")
        assert kept is not None
