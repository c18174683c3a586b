"""Telling all webhooks of events.

One process does it for all. Every webhook has a task of its own, so that a receiver that is slow or
away holds up nobody else.
"""

import asyncio
from contextlib import suppress
from uuid import UUID

from application.fan_out import FanOut
from application.memory_budget import MEBIBYTE, Share
from application.ports.clock import Clock
from application.ports.log.whole_log import WholeLog
from application.ports.webhooks.delivering import DeliveredWebhooks
from application.ports.webhooks.sender import Sender
from application.ports.webhooks.webhook import MOST_WEBHOOKS
from application.webhooks.batches import BatchReader
from application.webhooks.delivery import Delivery, DeliveryContext, Pause
from application.webhooks.newest import Newest
from application.webhooks.retry_policy import RetryPolicy


async def wait_for(woken: asyncio.Event, seconds: float | None) -> None:
    """Wait until woken, or for so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()


class WebhookDispatcher:
    """A delivery for each webhook, as a job for the process that owns it.

    Args:
        store: Where the webhooks are.
        log: Where the events are.
        fan_out: Who tells that the log has grown.
        sender: Reaches the receivers.
        clock: What attempts are timed by.
        policy: How deliveries go.
        pause: Waits for an event, or so many seconds.
        share: The memory for events on their way.
    """

    def __init__(
        self,
        store: DeliveredWebhooks,
        log: WholeLog,
        fan_out: FanOut,
        sender: Sender,
        clock: Clock,
        policy: RetryPolicy | None = None,
        pause: Pause = wait_for,
        share: Share | None = None,
    ) -> None:
        self._store = store
        self._log = log
        self._fan_out = fan_out
        self._sender = sender
        self._policy = policy or RetryPolicy()
        self._share = share or Share("webhooks", 8 * MEBIBYTE)
        self._newest = Newest(log, fan_out.position, self._share)
        self._context = DeliveryContext(
            store,
            BatchReader(log, self._newest),
            fan_out,
            sender,
            clock,
            self._policy,
            pause,
            self._share,
        )
        self._deliveries: dict[UUID, Delivery] = {}
        self._waking: asyncio.Task[None] | None = None

    async def round(self) -> float:
        """Begin and end deliveries as webhooks come and go; return the seconds until the next."""
        if self._waking is None:
            self._waking = asyncio.create_task(self._wake_deliveries())
        webhooks = await self._store.page(after=0, limit=MOST_WEBHOOKS)
        if webhooks:
            await self._sender.prepare()
        found = {webhook.id: webhook for webhook in webhooks}
        for webhook_id, delivery in list(self._deliveries.items()):
            delivery.look_at(found.get(webhook_id))
            if delivery.is_done:
                del self._deliveries[webhook_id]
        for webhook in webhooks:
            if webhook.id not in self._deliveries:
                self._deliveries[webhook.id] = Delivery(self._context, webhook)
        return self._policy.look

    async def let_go(self) -> None:
        """End all deliveries: this process does not own them any longer."""
        deliveries, self._deliveries = list(self._deliveries.values()), {}
        if self._waking is not None:
            self._waking.cancel()
            await asyncio.gather(self._waking, return_exceptions=True)
            self._waking = None
        await asyncio.gather(*(one.end(self._policy.patience) for one in deliveries))
        self._newest.clear()

    async def _wake_deliveries(self) -> None:
        """Tell everybody that the log has grown: at once, but not more often than need be."""
        heard = self._fan_out.position
        while True:
            if self._fan_out.position == heard:
                await self._fan_out.log.wait(None)
                continue
            heard = self._fan_out.position
            for delivery in self._deliveries.values():
                delivery.wake()
            await asyncio.sleep(self._policy.pace)
