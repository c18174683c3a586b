"""Signatures of requests in memory and on Postgres: each is let in once, until its time is over."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from application.ports.access.seen_signatures import SeenSignatures, SignedRequest
from infrastructure.clock import SystemClock
from infrastructure.memory.access.seen_signatures import MemorySeenSignatures
from infrastructure.postgres.access.seen_signatures import PostgresSeenSignatures
from infrastructure.postgres.connecting.database import Database

A, B = b"a" * 32, b"b" * 32


@pytest.fixture(params=["memory", "postgres"])
async def signatures(request: pytest.FixtureRequest) -> AsyncIterator[SeenSignatures]:
    if request.param == "memory":
        yield MemorySeenSignatures(SystemClock())
        return
    database = Database(request.getfixturevalue("database_url"), readers=8)
    await database.open()
    yield PostgresSeenSignatures(database)
    await database.close()


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
