"""Signatures of requests in memory and on Postgres: each is let in once, until its time is over."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

import pytest

from application.errors import SignaturesSeen
from application.ports.access.seen_signatures import SeenSignatures, SignedRequest
from application.ports.log.append import Append
from application.ports.log.event_log import EventLog
from infrastructure.clock import SystemClock
from infrastructure.memory.access.seen_signatures import MemorySeenSignatures
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from infrastructure.postgres.access.seen_signatures import PostgresSeenSignatures
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.store import open_store
from tests.support.appends import Chain

A, B = b"a" * 32, b"b" * 32


class Kept(NamedTuple):
    """Signatures, and the log whose appends keep some."""

    signatures: SeenSignatures
    log: EventLog


@pytest.fixture(params=["memory", "postgres"])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    if request.param == "memory":
        tables = Tables()
        yield Kept(MemorySeenSignatures(tables, SystemClock()), MemoryStore(tables=tables).log)
        return
    url = request.getfixturevalue("database_url")
    database = Database(url, readers=8)
    await database.open()
    async with open_store(url) as store:
        yield Kept(PostgresSeenSignatures(database), store.log)
    await database.close()


@pytest.fixture
def signatures(kept: Kept) -> SeenSignatures:
    return kept.signatures


def signed(hashed: bytes = A) -> SignedRequest:
    return SignedRequest(hashed, uuid4(), later(60))


def append(*requests: SignedRequest) -> Append:
    """Return the first append of a session of its own."""
    made = Chain().next()
    made.signatures = requests
    return made


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_of_several_requests_with_a_signature_one_is_the_first(signatures: SeenSignatures):
    requests = [uuid4() for _ in range(8)]
    found = await asyncio.gather(
        *(signatures.first(SignedRequest(A, one, later(60))) for one in requests)
    )
    assert found.count(True) == 1
    assert await signatures.first(SignedRequest(B, uuid4(), later(60)))
    assert not await signatures.first(SignedRequest(B, uuid4(), later(60)))
    # A request that asks once more after a lost answer is still the first.
    assert await signatures.first(SignedRequest(A, requests[found.index(True)], later(60)))


async def test_those_whose_time_is_over_are_forgotten_and_no_others(signatures: SeenSignatures):
    assert await signatures.first(SignedRequest(A, uuid4(), later(-1)))
    assert await signatures.first(SignedRequest(B, uuid4(), later(60)))
    await signatures.sweep()
    assert await signatures.first(SignedRequest(A, uuid4(), later(60)))
    assert not await signatures.first(SignedRequest(B, uuid4(), later(60)))


async def test_of_several_appends_with_a_signature_one_is_written(kept: Kept):
    appends = [append(signed(A)) for _ in range(4)] + [append(signed(B))]
    found = await asyncio.gather(*map(kept.log.append, appends), return_exceptions=True)
    refused = [one for one in found if not isinstance(one, int)]
    assert [type(one) for one in refused] == [SignaturesSeen] * 3
    assert isinstance(found[-1], int)
    assert await kept.log.head() == 2
    assert not await kept.signatures.first(signed(A))


async def test_an_append_whose_request_was_let_in_before_writes_nothing(kept: Kept):
    first = signed(A)
    assert await kept.signatures.first(first)
    with pytest.raises(SignaturesSeen) as refused:
        await kept.log.append(append(signed(A), signed(B)))
    assert refused.value.hashes == {A}
    assert await kept.log.head() == 0
    # Nothing of it is kept, and the request that was let in may append.
    assert await kept.signatures.first(signed(B))
    assert await kept.log.append(append(first)) == 1


async def test_a_signature_is_kept_with_an_append_that_has_no_events(kept: Kept):
    empty = append(signed(A))
    empty.events, empty.row = (), None
    await kept.log.append(empty)
    await kept.log.append(empty)  # after a lost answer
    assert await kept.log.head() == 0
    assert not await kept.signatures.first(signed(A))
