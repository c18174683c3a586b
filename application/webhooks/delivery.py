"""Delivering to one webhook: in order, at least once, at its own pace.

A batch is pinned before it is sent and stays the same, under the same id, until it is delivered or
given up: a receiver that keeps ids can drop what comes twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic

from application.errors import StoreUnavailable
from application.fan_out import FanOut
from application.memory_budget import Share
from application.ports.clock import Clock
from application.ports.log.events import OwnedEvent
from application.ports.webhooks.delivering import DeliveredWebhooks
from application.ports.webhooks.sender import Connection, DeliveryResult, Sender
from application.ports.webhooks.webhook import Webhook
from application.webhooks.batches import BatchReader
from application.webhooks.messages import body_of, message_id, signed
from application.webhooks.retry_policy import RetryPolicy

_GONE = 410

_logger = logging.getLogger("cairn.webhooks")

Pause = Callable[[asyncio.Event, float | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DeliveryContext:
    """What all deliveries of one process share.

    Args:
        store: Where the webhooks are.
        batches: Reads what is to be delivered.
        fan_out: Knows the head of the log.
        sender: Reaches the receivers.
        clock: What attempts are timed by.
        policy: How deliveries go.
        pause: Waits for an event, or so many seconds.
        share: The memory for events on their way.
    """

    store: DeliveredWebhooks
    batches: BatchReader
    fan_out: FanOut
    sender: Sender
    clock: Clock
    policy: RetryPolicy
    pause: Pause
    share: Share


class Delivery:
    """Delivers to one webhook, in a task of its own.

    Args:
        context: What it shares with the others.
        webhook: As it is when this begins.
    """

    def __init__(self, context: DeliveryContext, webhook: Webhook) -> None:
        self._context = context
        self._store = context.store
        self._webhook = webhook
        self._scanned = webhook.checkpoint
        self._written = monotonic()
        self._is_stale = False
        self._is_ending = False
        self._woken = asyncio.Event()
        self._connection: Connection = context.sender.connect()
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Hear that the log has grown."""
        self._woken.set()

    def look_at(self, webhook: Webhook | None) -> None:
        """Hear how the webhook is now; None when it was taken away."""
        known = self._webhook
        if webhook is None or (webhook.revision, webhook.queued) != (known.revision, known.queued):
            self._is_stale = True
            self._woken.set()

    @property
    def is_done(self) -> bool:
        """Whether it has ended, because the webhook was taken away."""
        return self._task.done()

    async def end(self, patience: float) -> None:
        """End it: after the attempt under way, or in so many seconds."""
        self._is_ending = True
        self._woken.set()
        await asyncio.wait((self._task,), timeout=patience)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while not self._is_ending:
                self._woken.clear()
                seconds = await self._guarded()
                if seconds != 0 and not self._is_ending:
                    await self._context.pause(self._woken, seconds)
        finally:
            await self._connection.close()

    async def _guarded(self) -> float | None:
        try:
            return await self._step()
        except StoreUnavailable:
            self._is_stale = True
        except Exception:
            # Whatever this is, the others go on, and it is tried again.
            _logger.exception("webhook %s: something unforeseen; trying again", self._webhook.id)
            self._is_stale = True
        return self._context.policy.after_error

    async def _step(self) -> float | None:
        """Do the next thing, and return the seconds until another; None is until woken."""
        if self._is_stale and not await self._reload():
            self._is_ending = True
            return 0
        webhook = self._webhook
        if not webhook.active:
            return None
        if webhook.queued:
            await self._redeliver()
            return 0
        if webhook.next_attempt_at is not None:
            left = (webhook.next_attempt_at - self._context.clock.now()).total_seconds()
            if left > 0:
                return left
        if webhook.pinned is None:
            return await self._deliver_next()
        found = await self._context.batches.between(webhook, webhook.checkpoint, webhook.pinned)
        if found.events:
            await self._deliver(found.events)
        else:
            self._moved(await self._store.skip(webhook, webhook.pinned), webhook.pinned)
        return 0

    async def _reload(self) -> bool:
        """Read the webhook anew; False when it was taken away."""
        webhook = await self._store.get(self._webhook.id)
        if webhook is None:
            return False
        known, self._webhook, self._is_stale = self._webhook, webhook, False
        if (webhook.generation, webhook.checkpoint) != (known.generation, known.checkpoint):
            self._scanned = webhook.checkpoint
        return True

    async def _deliver_next(self) -> float | None:
        """Deliver the next batch, if there is one."""
        webhook, policy = self._webhook, self._context.policy
        is_replay = webhook.replay_upto is not None
        end = self._context.fan_out.position if webhook.replay_upto is None else webhook.replay_upto
        found = await self._context.batches.next_batch(webhook, self._scanned, end)
        if found.events:
            last = found.events[-1].stored.position
            if await self._store.pin(webhook, after=self._scanned, upto=last):
                self._webhook = replace(webhook, checkpoint=self._scanned, pinned=last)
                await self._deliver(found.events)
            else:
                self._is_stale = True
            # What has come meanwhile makes one batch with what comes until it is woken.
            return 0 if self._is_stale or is_replay or found.reached < end else policy.lazily
        self._scanned = found.reached
        if self._scanned < end:
            return 0
        if self._scanned <= webhook.checkpoint:
            return None
        left = self._written + policy.lazily - monotonic()
        if is_replay or left <= 0:
            self._moved(await self._store.skip(webhook, self._scanned), self._scanned)
            return 0
        return left

    async def _deliver(self, events: Sequence[OwnedEvent]) -> None:
        """Try to deliver the batch that is pinned, and note what became of it."""
        webhook, policy, now = self._webhook, self._context.policy, self._context.clock.now
        upto = events[-1].stored.position
        result = await self._send(webhook.generation, events)
        if result.is_delivered:
            self._moved(await self._store.delivered(webhook, upto, len(events), now()), upto)
            return
        self._is_stale = True
        attempts, reason = webhook.attempts + 1, result.reason
        if result.status == _GONE:
            _logger.warning("webhook %s is paused: %s", webhook.id, reason)
            await self._store.gone(webhook, reason, now())
        elif attempts >= policy.attempts:
            _logger.warning(
                "webhook %s: a batch of %s events is given up after %s attempts: %s",
                webhook.id, len(events), attempts, reason,
            )  # fmt: skip
            await self._store.add_dead_letter(
                webhook, upto, events=len(events), attempts=attempts, reason=reason, at=now()
            )
        else:
            delay = policy.delay(attempts, result.retry_after)
            _logger.info("webhook %s: %s; again in %.0f s", webhook.id, reason, delay)
            again = now() + timedelta(seconds=delay)
            await self._store.failed(webhook, upto, attempts, reason, again)

    def _moved(self, done: bool, upto: int) -> None:
        """Go on after a position, if that was written."""
        webhook = self._webhook
        if not done:
            self._is_stale = True
            return
        self._written = monotonic()
        if webhook.replay_upto is not None and upto >= webhook.replay_upto:
            upto = webhook.reached
            webhook = replace(webhook, replay_upto=None, resume_at=None)
        self._scanned = upto
        self._webhook = replace(
            webhook, checkpoint=upto, pinned=None, attempts=0, next_attempt_at=None
        )

    async def _redeliver(self) -> None:
        """Try once to deliver the next dead letter that somebody wants sent again."""
        webhook, now = self._webhook, self._context.clock.now
        self._is_stale = True
        dead = await self._store.queued_dead_letter(webhook.id)
        if dead is None:
            return
        events = await self._context.batches.of_dead_letter(webhook, dead)
        result = await self._send(dead.generation, events) if events else DeliveryResult(200)
        if result.is_delivered:
            await self._store.dead_letter_delivered(webhook.id, dead.number, now())
        else:
            await self._store.dead_letter_failed(webhook.id, dead.number, result.reason, now())

    async def _send(self, generation: int, events: Sequence[OwnedEvent]) -> DeliveryResult:
        webhook, share = self._webhook, self._context.share
        # As late as can be: what is sent from here on was not yet said to be erased.
        events = await self._context.batches.without_erased(events)
        body = body_of(webhook.id, events)
        name = message_id(webhook.id, generation, events)
        now = self._context.clock.now()
        secrets = webhook.secrets(now)
        if not secrets:
            return DeliveryResult(0, "its secret is sealed with a key that the server has not")
        headers = signed(secrets, name, int(now.timestamp()), body)
        share.count(len(body))
        try:
            return await self._connection.send(webhook.url, headers, body)
        finally:
            share.count(-len(body))
