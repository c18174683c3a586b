"""What the store of webhooks promises to those who deliver: whoever comes second writes nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from application.ports.log.checkpoints import Checkpoints
from application.ports.log.events import EventFilter
from application.ports.webhooks.changes import Change, NewWebhook
from application.ports.webhooks.webhook import Webhook, consumer_of
from application.ports.webhooks.webhook_store import WebhookStore
from infrastructure.memory.log.checkpoints import MemoryCheckpoints
from infrastructure.memory.tables import Tables
from infrastructure.memory.webhooks import MemoryWebhooks
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.log.checkpoints import PostgresCheckpoints
from infrastructure.postgres.store import open_store
from infrastructure.postgres.webhooks import PostgresWebhooks
from tests.support.appends import Chain
from tests.support.locks import until_somebody_waits

AT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
MUCH_LATER = AT + timedelta(hours=2)
Write = Callable[[WebhookStore, Webhook], Awaitable[bool]]
Both = tuple[WebhookStore, Checkpoints[Any]]


@pytest.fixture
async def on_postgres(database_url: str) -> AsyncIterator[Both]:
    database = Database(database_url, readers=4)
    await database.open()
    yield PostgresWebhooks(database), PostgresCheckpoints(database)
    await database.close()


@pytest.fixture
def in_memory() -> Both:
    tables = Tables()
    return MemoryWebhooks(tables), MemoryCheckpoints(tables)


@pytest.fixture(params=["in_memory", "on_postgres"])
def both(request: pytest.FixtureRequest) -> Both:
    """Each test that asks for it, or for one of the two, runs on both."""
    chosen: Both = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def webhooks(both: Both) -> WebhookStore:
    return both[0]


@pytest.fixture
def checkpoints(both: Both) -> Checkpoints[Any]:
    return both[1]


def new(**changes: object) -> NewWebhook:
    usual = NewWebhook(
        id=uuid4(), url="https://x.test/", wanted=EventFilter(), description=None, batch=100,
        secret="whsec_", checkpoint=0, at=AT,
    )  # fmt: skip
    return replace(usual, **changes)  # type: ignore[arg-type]


async def made(webhooks: WebhookStore, *, pinned: int | None = 5) -> Webhook:
    """A webhook that has come to position 3 and has begun a batch."""
    one = new(checkpoint=3)
    assert await webhooks.create(one)
    webhook = await read(webhooks, one)
    if pinned is not None:
        assert await webhooks.pin(webhook, after=3, upto=pinned)
    return await read(webhooks, one)


async def read(webhooks: WebhookStore, one: NewWebhook | Webhook) -> Webhook:
    found = await webhooks.get(one.id)
    assert found is not None
    return found


WRITES: dict[str, Write] = {
    "skip": lambda store, webhook: store.skip(webhook, 5),
    "delivered": lambda store, webhook: store.delivered(webhook, 5, 2, AT),
    "failed": lambda store, webhook: store.failed(webhook, 5, 1, "reason", LATER),
    "gone": lambda store, webhook: store.gone(webhook, "reason", AT),
    "add_dead_letter": lambda store, webhook: store.add_dead_letter(
        webhook, 5, events=2, attempts=9, reason="reason", at=AT
    ),
}


@pytest.mark.parametrize("write", WRITES)
async def test_it_is_written_for_who_knows_how_things_are(
    webhooks: WebhookStore, write: str
) -> None:
    webhook = await made(webhooks)

    assert await WRITES[write](webhooks, webhook)

    assert await read(webhooks, webhook) != webhook


@pytest.mark.parametrize("since", ["delivered", "replayed", "other types", "taken away"])
@pytest.mark.parametrize("write", WRITES)
async def test_nothing_is_written_for_who_does_not(
    webhooks: WebhookStore, write: str, since: str
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
    assert await webhooks.dead_letters(stale.id, after=0, limit=9) == []


async def test_a_batch_is_begun_once(webhooks: WebhookStore) -> None:
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


async def test_no_batch_is_begun_for_one_that_is_paused(webhooks: WebhookStore) -> None:
    webhook = await made(webhooks, pinned=None)
    assert await webhooks.change(webhook.id, Change(active=False), AT)

    assert not await webhooks.pin(webhook, after=3, upto=5)


async def test_a_failure_of_what_was_mended_meanwhile_is_not_noted(
    webhooks: WebhookStore,
) -> None:
    webhook = await made(webhooks)
    assert await webhooks.change(webhook.id, Change(url="https://y.test/"), AT)

    assert not await webhooks.failed(webhook, 5, 1, "reason", LATER)

    now = await read(webhooks, webhook)
    assert (now.attempts, now.next_attempt_at, now.pinned) == (0, None, 5)


async def test_a_dead_letter_and_the_checkpoint_go_together(
    on_postgres: Both, database_url: str
) -> None:
    webhooks, _ = on_postgres
    webhook = await made(webhooks)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("alter table webhook_dead_letters add check (reason <> 'impossible')")
    with pytest.raises(psycopg.errors.CheckViolation):
        await webhooks.add_dead_letter(webhook, 5, events=2, attempts=9, reason="impossible", at=AT)

    assert await read(webhooks, webhook) == webhook
    assert await webhooks.dead_letters(webhook.id, after=0, limit=9) == []


async def test_of_many_who_want_the_last_places_so_many_get_one(
    webhooks: WebhookStore,
) -> None:
    for _ in range(97):
        assert await webhooks.create(new())
    tries = await asyncio.gather(*(webhooks.create(new()) for _ in range(8)))

    kept = await webhooks.page(after=0, limit=200)
    assert len(kept) == 100
    assert tries.count(True) == 3
    assert [one.number for one in kept] == sorted(one.number for one in kept)


async def test_who_finds_a_place_taken_meanwhile_takes_another(
    on_postgres: Both, database_url: str
) -> None:
    webhooks, _ = on_postgres
    with psycopg.connect(database_url) as other:
        other.execute(
            "with made as (insert into webhooks (webhook_id, place, url, types, batch, secret,"
            " created_at, updated_at) values (%s, 1, 'x', '{}', 1, 'x', now(), now())"
            " returning webhook_id)"
            " insert into checkpoints select 'webhook ' || webhook_id, 0 from made",
            (uuid4(),),
        )
        making = asyncio.create_task(webhooks.create(new()))
        await asyncio.to_thread(until_somebody_waits, database_url)
        other.commit()
        assert await making

    assert len(await webhooks.page(after=0, limit=9)) == 2


async def test_what_is_made_twice_is_made_once(webhooks: WebhookStore) -> None:
    one = new()

    assert await webhooks.create(one)
    assert await webhooks.create(one)

    assert len(await webhooks.page(after=0, limit=9)) == 1


async def test_its_checkpoint_is_kept_with_those_of_all_consumers(
    webhooks: WebhookStore, checkpoints: Checkpoints[Any]
) -> None:
    webhook = await made(webhooks, pinned=7)
    name = consumer_of(webhook.id)
    assert await checkpoints.position(name) == 3

    assert await webhooks.delivered(webhook, 7, 2, AT)
    assert await checkpoints.position(name) == 7

    assert await webhooks.replay(webhook.id, after=1, upto=4, at=AT)
    assert await checkpoints.position(name) == 1

    assert await webhooks.delete(webhook.id)
    assert await checkpoints.position(name) == 0


@pytest.mark.parametrize("how", ["skip", "delivered", "add_dead_letter"])
async def test_after_a_replay_it_goes_on_where_it_was(webhooks: WebhookStore, how: str) -> None:
    webhook = await made(webhooks)
    assert await webhooks.delivered(webhook, 9, 2, AT)
    assert await webhooks.replay(webhook.id, after=1, upto=5, at=AT)
    replaying = await read(webhooks, webhook)
    assert (replaying.checkpoint, replaying.replay_upto, replaying.reached) == (1, 5, 9)
    assert not await webhooks.replay(webhook.id, after=9, upto=12, at=AT)

    assert await WRITES[how](webhooks, replaying)

    now = await read(webhooks, webhook)
    assert (now.checkpoint, now.replay_upto, now.resume_at, now.pinned) == (9, None, None, None)


async def test_dead_letters_are_counted_sent_again_and_taken_away(webhooks: WebhookStore) -> None:
    webhook = await made(webhooks)
    assert await WRITES["add_dead_letter"](webhooks, webhook)
    second = await read(webhooks, webhook)
    assert await webhooks.pin(second, after=5, upto=8)
    second = await read(webhooks, webhook)
    assert await webhooks.add_dead_letter(second, 8, events=1, attempts=2, reason="no", at=AT)
    first, last = await webhooks.dead_letters(webhook.id, after=0, limit=9)
    assert (first.number, first.after, first.upto, first.events) == (1, 3, 5, 2)
    assert (last.number, last.after, last.upto, last.attempts) == (2, 5, 8, 2)
    assert await webhooks.dead_letters(webhook.id, after=1, limit=9) == [last]
    assert await webhooks.dead_letter(webhook.id, 1) == first

    assert await webhooks.queued_dead_letter(webhook.id) is None
    assert await webhooks.queue_dead_letter(webhook.id, 2)
    assert not await webhooks.queue_dead_letter(webhook.id, 3)
    assert (await read(webhooks, webhook)).queued == 1
    await webhooks.dead_letter_failed(webhook.id, 2, "still not", LATER)
    again = replace(last, attempts=3, reason="still not", failed_at=LATER)
    assert await webhooks.dead_letter(webhook.id, 2) == again

    await webhooks.dead_letter_delivered(webhook.id, 2, LATER)
    assert await webhooks.delete_dead_letter(webhook.id, 1)
    assert not await webhooks.delete_dead_letter(webhook.id, 1)
    now = await read(webhooks, webhook)
    assert (now.dead_letters, now.dead_letters_made, now.queued) == (0, 2, 0)
    assert (now.delivered_events, now.delivered_batches, now.failed_attempts) == (1, 1, 3)
    assert (now.last_delivered_at, now.last_error) == (LATER, "still not")


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (Change(url="https://y.test/"), {"url": "https://y.test/", "attempts": 0, "pinned": 5}),
        (Change(types=("turn.*",)), {"generation": 2, "attempts": 0, "pinned": None}),
        (Change(batch=7), {"batch": 7, "attempts": 4, "pinned": None}),
        (Change(describe=True, description="d"), {"description": "d", "attempts": 4, "pinned": 5}),
        (Change(active=False), {"active": False, "paused_because": "asked", "attempts": 0}),
        (Change(active=True), {"active": True, "paused_because": None, "attempts": 0}),
        (
            Change(secret="new", old_secret_until=MUCH_LATER),
            {"secret": "new", "old_secret": "whsec_", "old_secret_until": MUCH_LATER},
        ),
        (Change(secret="new"), {"secret": "new", "old_secret": None, "old_secret_until": None}),
        (Change(secret="whsec_", old_secret_until=MUCH_LATER), {"old_secret": None}),
    ],
    ids=lambda value: "" if isinstance(value, dict) else None,
)
async def test_what_a_change_moves(
    webhooks: WebhookStore, change: Change, seen: dict[str, Any]
) -> None:
    webhook = await made(webhooks)
    assert await webhooks.failed(webhook, 5, 4, "reason", LATER)

    assert await webhooks.change(webhook.id, change, LATER)

    now = await read(webhooks, webhook)
    assert {name: getattr(now, name) for name in seen} == seen
    assert (now.revision, now.updated_at) == (2, LATER)


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
