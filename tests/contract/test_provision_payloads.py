"""What sessions are asked for with, in memory and on Postgres: kept as it came, and sealed."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ports.access.seen_signatures import SignedRequest
from application.ports.managers.provision_payloads import PayloadLocked, ProvisionPayloads
from application.ports.store import Store
from infrastructure.clock import SystemClock
from infrastructure.keys.sealing import Plain, Sealer, make_sealing_key, rotate_sealing_key
from infrastructure.memory.access.seen_signatures import MemorySeenSignatures
from infrastructure.memory.managers.provision_payloads import MemoryProvisionPayloads
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.managers.provision_payloads import PostgresProvisionPayloads
from infrastructure.postgres.store import open_store
from tests.support.appends import Chain, row

PAYLOAD = '{"env": {"KEY": "s3cr3t"}, "é": "\\u0000"}'


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    make_sealing_key(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, readers=2)
    await database.open()
    yield database
    await database.close()


@pytest.fixture(params=["memory", "postgres"])
def payloads(request: pytest.FixtureRequest) -> ProvisionPayloads:
    if request.param == "memory":
        tables, clock = Tables(), SystemClock()
        return MemoryProvisionPayloads(tables, clock, MemorySeenSignatures(tables, clock))
    return PostgresProvisionPayloads(
        request.getfixturevalue("database"), Sealer(request.getfixturevalue("key_file"))
    )


def kept(url: str) -> dict[UUID, str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("select session_id, sealed from provision_payloads").fetchall()
    return dict(rows)


async def test_a_payload_comes_back_as_it_came_until_it_is_taken_away(payloads: ProvisionPayloads):
    one, other = uuid4(), uuid4()
    await payloads.put(one, PAYLOAD)
    await payloads.put(one, PAYLOAD)  # after a lost answer
    assert await payloads.get(one) == PAYLOAD
    assert await payloads.get(other) is None
    await payloads.sweep()  # too young: its session may be about to begin
    assert await payloads.get(one) == PAYLOAD
    await payloads.delete(one)
    await payloads.delete(one)
    assert await payloads.get(one) is None


async def test_of_two_requests_with_a_signature_one_keeps_a_payload(payloads: ProvisionPayloads):
    one, other = uuid4(), uuid4()
    until = datetime.now(UTC) + timedelta(seconds=60)
    first = SignedRequest(b"a" * 32, uuid4(), until)
    assert await payloads.put(one, PAYLOAD, first)
    assert await payloads.put(one, PAYLOAD, first)  # after a lost answer
    assert not await payloads.put(other, PAYLOAD, replace(first, request=uuid4()))
    assert await payloads.get(one) == PAYLOAD
    assert await payloads.get(other) is None


@asynccontextmanager
async def sessions_with_payloads(
    place: str, url: str
) -> AsyncGenerator[tuple[Store, ProvisionPayloads]]:
    if place == "memory":
        tables, clock = Tables(), SystemClock()
        signatures = MemorySeenSignatures(tables, clock)
        yield MemoryStore(tables=tables), MemoryProvisionPayloads(tables, clock, signatures)
        return
    database = Database(url, readers=2)
    await database.open()
    async with open_store(url) as store:
        yield store, PostgresProvisionPayloads(database, Plain())
    await database.close()


@pytest.mark.parametrize("place", ["memory", "postgres"])
async def test_a_payload_goes_in_the_append_that_deletes_its_session(place: str, database_url: str):
    async with sessions_with_payloads(place, database_url) as (store, payloads):
        gone, other = Chain(), Chain()
        for one in (gone, other):
            await payloads.put(one.session_id, PAYLOAD)
            await store.log.append(one.next())
        await store.log.append(gone.next(row=row(status="stopped")))
        assert await payloads.get(gone.session_id) == PAYLOAD
        await store.log.append(gone.next(row=row(status="deleted", deleted=True)))
        assert await payloads.get(gone.session_id) is None
        assert await payloads.get(other.session_id) == PAYLOAD


async def test_a_dump_does_not_show_it_and_keys_rotate(
    database: Database, database_url: str, key_file: Path
):
    payloads = PostgresProvisionPayloads(database, Sealer(key_file))
    ids = [uuid4() for _ in range(3)]
    for one in ids:
        await payloads.put(one, PAYLOAD)
    before = kept(database_url)
    assert all("s3cr3t" not in sealed for sealed in before.values())
    assert await payloads.reseal() == 0
    new_key = rotate_sealing_key(key_file)
    assert await payloads.reseal() == 3
    assert await payloads.reseal() == 0
    assert all(sealed.startswith(f"sealed:v1:{new_key}:") for sealed in kept(database_url).values())
    assert [await payloads.get(one) for one in ids] == [PAYLOAD] * 3


async def test_one_that_was_moved_or_whose_key_is_gone_does_not_open(
    database: Database, database_url: str, key_file: Path, tmp_path: Path
):
    payloads = PostgresProvisionPayloads(database, Sealer(key_file))
    one, other = uuid4(), uuid4()
    await payloads.put(one, PAYLOAD)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "insert into provision_payloads (session_id, sealed) select %s, sealed"
            " from provision_payloads",
            [other],
        )
    with pytest.raises(PayloadLocked, match="belongs to something else"):
        await payloads.get(other)
    make_sealing_key(tmp_path / "other")
    for sealer in (Sealer(tmp_path / "other"), Plain()):
        with pytest.raises(PayloadLocked, match="key"):
            await PostgresProvisionPayloads(database, sealer).get(one)
    assert await PostgresProvisionPayloads(database, Plain()).reseal() == 0


async def test_one_whose_session_never_began_is_taken_away_after_an_hour(
    database: Database, database_url: str, key_file: Path
):
    payloads = PostgresProvisionPayloads(database, Sealer(key_file))
    young, old = uuid4(), uuid4()
    for one in (young, old):
        await payloads.put(one, PAYLOAD)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "update provision_payloads set created_at = now() - interval '2 hours'"
            " where session_id = %s",
            [old],
        )
    await payloads.sweep()
    assert set(kept(database_url)) == {young}
