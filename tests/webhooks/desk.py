"""Deliveries over a database, with a clock that the test moves on by waiting."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from application.fan_out import FanOut
from application.ports.log.events import EventFilter
from application.ports.log.whole_log import WholeLog
from application.ports.webhooks.changes import NewWebhook
from application.ports.webhooks.webhook import Webhook
from application.webhooks.dispatcher import WebhookDispatcher
from application.webhooks.retry_policy import RetryPolicy
from infrastructure.outgoing.webhook_sender import HttpSender
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.store import open_store
from infrastructure.postgres.webhooks import PostgresWebhooks
from tests.support.appends import Chain
from tests.support.tasks import no_task_left

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoaXMgdGVzdCwgbG9uZyBlbm91Z2g="
RULES: dict[str, Any] = {"lazily": 0.0, "pace": 0.001, "patience": 0.2}


class Time:
    """Goes on when somebody waits for it, and not by itself.

    While it `stands`, waiting moves nothing on: only `pass_by` does.
    """

    def __init__(self) -> None:
        self.at = START
        self.waited: list[float] = []
        self.stands = False
        self._waiting: list[tuple[datetime, asyncio.Event]] = []

    def now(self) -> datetime:
        return self.at

    def new_id(self) -> UUID:
        return uuid4()

    def new_name(self) -> str:
        return str(self.new_id())

    def pass_by(self, seconds: float) -> None:
        """Move on, and end the waits that are over then."""
        self.at += timedelta(seconds=seconds)
        for end, woken in self._waiting:
            if end <= self.at:
                woken.set()

    async def pause(self, woken: asyncio.Event, seconds: float | None) -> None:
        if seconds is None:
            await woken.wait()
            return
        self.waited.append(seconds)
        if not self.stands:
            self.at += timedelta(seconds=seconds)
            await asyncio.sleep(0)
            return
        here = (self.at + timedelta(seconds=seconds), woken)
        self._waiting.append(here)
        try:
            await woken.wait()
        finally:
            self._waiting.remove(here)


class Desk:
    """One process that delivers, and what is needed to give it work.

    Args:
        database: Where everything is.
        log: To write to.
        fan_out: Told of what is written.
        rules: How it delivers.
        sender: Reaches receivers.
    """

    def __init__(
        self,
        database: Database,
        log: WholeLog,
        fan_out: FanOut,
        rules: RetryPolicy,
        sender: HttpSender,
    ) -> None:
        self.store = PostgresWebhooks(database)
        self.log = log
        self.fan_out = fan_out
        self.time = Time()
        self.sender = sender
        self.rules = rules
        self.dispatcher = self.another()

    def another(self) -> WebhookDispatcher:
        """Deliver anew, as a process does that takes over."""
        return WebhookDispatcher(
            self.store, self.log, self.fan_out, self.sender, self.time, self.rules, self.time.pause
        )

    async def webhook(
        self,
        url: str,
        *types: str,
        app: str | None = None,
        user: str | None = None,
        batch: int = 100,
        after: int = 0,
    ) -> UUID:
        """Make a webhook and have it served."""
        webhook_id = await self.made(url, *types, app=app, user=user, batch=batch, after=after)
        await self.dispatcher.round()
        return webhook_id

    async def made(
        self,
        url: str,
        *types: str,
        app: str | None = None,
        user: str | None = None,
        batch: int = 100,
        after: int = 0,
    ) -> UUID:
        """Make a webhook."""
        new = NewWebhook(
            id=uuid4(),
            url=url,
            wanted=EventFilter(types, app, user),
            description=None,
            batch=batch,
            secret=SECRET,
            checkpoint=after,
            at=START,
        )
        assert await self.store.create(new)
        return new.id

    async def write(self, chain: Chain, events: int | Sequence[str] = 1, **rest: Any) -> int:
        """Append events, and return the newest position."""
        return await self.log.append(chain.next(events, **rest))

    async def get(self, webhook_id: UUID) -> Webhook:
        found = await self.store.get(webhook_id)
        assert found is not None
        return found

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something is so in the store."""
        async with asyncio.timeout(60):
            while not await holds():  # noqa: ASYNC110 - it happens in a database
                await asyncio.sleep(0.005)

    async def settled(self, webhook_id: UUID, checkpoint: int) -> None:
        """Wait until a webhook has come to a position."""

        async def is_there() -> bool:
            return (await self.get(webhook_id)).checkpoint == checkpoint

        await self.until(is_there)

    async def paused(self, webhook_id: UUID) -> None:
        """Wait until a webhook is paused."""

        async def is_paused() -> bool:
            return not (await self.get(webhook_id)).active

        await self.until(is_paused)

    async def restart(self) -> None:
        """Let go, and begin again as another process."""
        await self.dispatcher.let_go()
        self.dispatcher = self.another()
        await self.dispatcher.round()


@asynccontextmanager
async def desk(url: str, *, within: float = 10.0, **rules: Any) -> AsyncIterator[Desk]:
    """Lend a desk over a database, and close it."""
    with no_task_left():
        fan_out = FanOut()
        database = Database(url, readers=4)
        await database.open()
        sender = HttpSender(timeout=within, private_targets=True)
        try:
            async with open_store(url, committed=fan_out.reached) as store:
                fan_out.reached(await store.log.head())
                lent = Desk(database, store.log, fan_out, RetryPolicy(**{**RULES, **rules}), sender)
                try:
                    yield lent
                finally:
                    await lent.dispatcher.let_go()
        finally:
            await database.close()
