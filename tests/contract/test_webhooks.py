"""What the store of webhooks promises to those who deliver: whoever comes second writes nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from application.ports.events import EventFilter
from application.ports.webhooks import Change, NewWebhook, Webhook
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.store import open_store
from infrastructure.postgres.webhooks import PostgresWebhooks
from tests.support.appends import Chain

AT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
Write = Callable[[PostgresWebhooks, Webhook], Awaitable[bool]]


@pytest.fixture
async def webhooks(database_url: str) -> AsyncIterator[PostgresWebhooks]:
    database = Database(database_url, readers=4)
    await database.open()
    yield PostgresWebhooks(database)
    await database.close()


def new(**changes: object) -> NewWebhook:
    usual = NewWebhook(
        id=uuid4(), url="https://x.test/", wanted=EventFilter(), description=None, batch=100,
        secret="whsec_", checkpoint=0, at=AT,
    )  # fmt: skip
    return replace(usual, **changes)  # type: ignore[arg-type]


async def made(webhooks: PostgresWebhooks, *, pinned: int | None = 5) -> Webhook:
    """A webhook that has come to position 3 and has begun a batch."""
    one = new(checkpoint=3)
    assert await webhooks.create(one)
    webhook = await read(webhooks, one)
    if pinned is not None:
        assert await webhooks.pin(webhook, after=3, upto=pinned)
    return await read(webhooks, one)


async def read(webhooks: PostgresWebhooks, one: NewWebhook | Webhook) -> Webhook:
    found = await webhooks.get(one.id)
    assert found is not None
    return found


WRITES: dict[str, Write] = {
    "skip": lambda store, webhook: store.skip(webhook, 5),
    "delivered": lambda store, webhook: store.delivered(webhook, 5, 2, AT),
    "failed": lambda store, webhook: store.failed(webhook, 5, 1, "reason", LATER),
    "gone": lambda store, webhook: store.gone(webhook, "reason", AT),
    "bury": lambda store, webhook: store.bury(
        webhook, 5, events=2, attempts=9, reason="reason", at=AT
    ),
}


@pytest.mark.parametrize("write", WRITES)
async def test_it_is_written_for_who_knows_how_things_are(
    webhooks: PostgresWebhooks, write: str
) -> None:
    webhook = await made(webhooks)

    assert await WRITES[write](webhooks, webhook)

    assert await read(webhooks, webhook) != webhook


@pytest.mark.parametrize("since", ["delivered", "replayed", "other types", "taken away"])
@pytest.mark.parametrize("write", WRITES)
async def test_nothing_is_written_for_who_does_not(
    webhooks: PostgresWebhooks, write: str, since: str
) -> None:
    stale = await made(webhooks)
    match since:
        case "delivered":
            assert await webhooks.delivered(stale, 5, 2, AT)
        case "replayed":
            assert await webhooks.replay(stale.id, after=1, upto=3, at=AT)
        case "other types":
            assert await webhooks.change(stale.id, Change(types=("turn.*",)), AT)
        case _:
            assert await webhooks.delete(stale.id)
    before = await webhooks.get(stale.id)

    assert not await WRITES[write](webhooks, stale)

    assert await webhooks.get(stale.id) == before
    assert await webhooks.letters(stale.id, after=0, limit=9) == []


async def test_a_batch_is_begun_once(webhooks: PostgresWebhooks) -> None:
    stale = await made(webhooks, pinned=None)
    assert await webhooks.pin(stale, after=4, upto=9)
    pinned = await read(webhooks, stale)
    assert (pinned.checkpoint, pinned.pinned) == (4, 9)

    # Not with another end while it is under way, nor by who has not heard that it is done.
    assert not await webhooks.pin(pinned, after=4, upto=12)
    assert await webhooks.delivered(pinned, 9, 5, AT)
    assert not await webhooks.pin(stale, after=3, upto=9)
    assert not await webhooks.pin(pinned, after=4, upto=9)
    assert (await read(webhooks, stale)).checkpoint == 9


async def test_no_batch_is_begun_for_one_that_is_paused(webhooks: PostgresWebhooks) -> None:
    webhook = await made(webhooks, pinned=None)
    assert await webhooks.change(webhook.id, Change(active=False), AT)

    assert not await webhooks.pin(webhook, after=3, upto=5)


async def test_a_failure_of_what_was_mended_meanwhile_is_not_noted(
    webhooks: PostgresWebhooks,
) -> None:
    webhook = await made(webhooks)
    assert await webhooks.change(webhook.id, Change(url="https://y.test/"), AT)

    assert not await webhooks.failed(webhook, 5, 1, "reason", LATER)

    now = await read(webhooks, webhook)
    assert (now.attempts, now.next_attempt_at, now.pinned) == (0, None, 5)


async def test_a_letter_and_the_checkpoint_go_together(
    webhooks: PostgresWebhooks, database_url: str
) -> None:
    webhook = await made(webhooks)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("alter table webhook_dead_letters add check (reason <> 'impossible')")
    with pytest.raises(psycopg.errors.CheckViolation):
        await webhooks.bury(webhook, 5, events=2, attempts=9, reason="impossible", at=AT)

    assert await read(webhooks, webhook) == webhook
    assert await webhooks.letters(webhook.id, after=0, limit=9) == []


async def test_of_many_who_want_the_last_places_so_many_get_one(
    webhooks: PostgresWebhooks,
) -> None:
    for _ in range(97):
        assert await webhooks.create(new())
    tries = await asyncio.gather(*(webhooks.create(new()) for _ in range(8)))

    kept = await webhooks.page(after=0, limit=200)
    assert len(kept) == 100
    assert tries.count(True) == 3
    assert [one.number for one in kept] == sorted(one.number for one in kept)


async def test_who_finds_a_place_taken_meanwhile_takes_another(
    webhooks: PostgresWebhooks, database_url: str
) -> None:
    with (
        psycopg.connect(database_url) as other,
        psycopg.connect(database_url, autocommit=True) as watcher,
    ):
        other.execute(
            "insert into webhooks (webhook_id, place, url, types, batch, secret, checkpoint,"
            " created_at, updated_at) values (%s, 1, 'x', '{}', 1, 'x', 0, now(), now())",
            (uuid4(),),
        )
        making = asyncio.create_task(webhooks.create(new()))
        waits = (
            "select 1 from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(4):
            while not watcher.execute(waits).fetchone():  # noqa: ASYNC110 - it is in a database
                await asyncio.sleep(0.01)
        other.commit()
        assert await making

    assert len(await webhooks.page(after=0, limit=9)) == 2


async def test_what_is_made_twice_is_made_once(webhooks: PostgresWebhooks) -> None:
    one = new()

    assert await webhooks.create(one)
    assert await webhooks.create(one)

    assert len(await webhooks.page(after=0, limit=9)) == 1


async def test_a_window_of_events_is_a_range_of_an_index(database_url: str) -> None:
    async with open_store(database_url) as store:
        for _ in range(40):
            await store.log.append(Chain().next(200))
    window = {
        "after": 100, "upto": 200, "limit": 50, "bytes": 10**6,
        "all": False, "exact": [], "prefixes": ["turn."], "app": "shop", "user": None,
    }  # fmt: skip
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("analyze")
        plan = connection.execute(
            f"explain (analyze, format json) {sql.load('log')['read_owned']}".encode(), window
        ).fetchone()

    assert plan is not None
    scans = [node for node in _nodes(plan[0][0]["Plan"]) if node.get("Relation Name") == "events"]
    # The window, but not the table of 8,000.
    assert [node["Node Type"] for node in scans] == ["Index Scan"]
    assert scans[0]["Actual Rows"] + scans[0].get("Rows Removed by Filter", 0) <= 100


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)
