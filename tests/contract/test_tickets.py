"""Tickets of streams in memory and on Postgres: each opens one path, once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from application.ports.access.tickets import Ticket, Tickets
from application.tokens.manage import hash_of
from application.tokens.tickets import TicketRegistry
from domain.principal import EVERY_RIGHT, Principal
from infrastructure.clock import SystemClock
from infrastructure.memory.access.tickets import MemoryTickets
from infrastructure.postgres.access.tickets import PostgresTickets
from infrastructure.postgres.connecting.database import Database

MINUTE = timedelta(minutes=1)
TILL = Principal(
    actor="till",
    rights=frozenset({"read", "stream"}),
    app="shop",
    user="ada",
    token_id=str(uuid4()),
    is_named=True,
    expires_at=datetime(2030, 1, 1, tzinfo=UTC),
    counted_by="till",
)
TICKET = Ticket("/v1/events", TILL)


@pytest.fixture(params=["memory", "postgres"])
async def tickets(request: pytest.FixtureRequest) -> AsyncIterator[Tickets]:
    if request.param == "memory":
        yield MemoryTickets(SystemClock())
        return
    database = Database(request.getfixturevalue("database_url"), readers=8)
    await database.open()
    yield PostgresTickets(database)
    await database.close()


async def test_a_ticket_comes_back_as_it_was_made_and_only_once(tickets: Tickets):
    anonymous = Ticket("/v1/events", Principal(actor="anonymous", counted_by="anybody"))
    assert await tickets.add(hash_of("a"), TICKET, MINUTE, 10)
    assert await tickets.add(hash_of("b"), anonymous, MINUTE, 10)
    assert await tickets.spend(hash_of("a")) == TICKET
    assert await tickets.spend(hash_of("a")) is None
    assert await tickets.spend(hash_of("b")) == anonymous
    assert await tickets.spend(hash_of("c")) is None


async def test_of_several_that_show_a_ticket_at_once_one_is_let_in(tickets: Tickets):
    await tickets.add(hash_of("a"), TICKET, MINUTE, 10)
    found = await asyncio.gather(*(tickets.spend(hash_of("a")) for _ in range(8)))
    assert found.count(TICKET) == 1
    assert found.count(None) == 7


async def test_a_ticket_that_has_run_out_is_none(tickets: Tickets):
    await tickets.add(hash_of("a"), TICKET, timedelta(0), 10)
    assert await tickets.spend(hash_of("a")) is None


async def test_one_token_has_so_many_and_those_of_others_do_not_count(tickets: Tickets):
    assert await tickets.add(hash_of("old"), TICKET, timedelta(0), 2)
    assert await tickets.add(hash_of("a"), TICKET, MINUTE, 2)
    assert await tickets.add(hash_of("b"), TICKET, MINUTE, 2)
    assert not await tickets.add(hash_of("c"), TICKET, MINUTE, 2)
    assert await tickets.spend(hash_of("c")) is None
    other = Ticket("/v1/events", replace(TILL, counted_by="another"))
    assert await tickets.add(hash_of("d"), other, MINUTE, 2)
    await tickets.spend(hash_of("a"))
    assert await tickets.add(hash_of("c"), TICKET, MINUTE, 2)


async def test_a_ticket_allows_no_more_than_to_read_a_stream(tickets: Tickets):
    registry = TicketRegistry(tickets, cast("Any", None))
    secret, _ = await registry.create(replace(TILL, rights=EVERY_RIGHT))
    assert await registry.spend(secret, "/v1/events") == TILL
