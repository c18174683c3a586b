"""Telling webhooks of events: in order, at least once, each at its own pace.

One process does it for all. Every webhook has a task of its own, so that a receiver that is slow or
away holds up nobody else. A batch is pinned before it is sent and stays the same, under the same
id, until it is delivered or given up: a receiver that keeps ids can drop what comes twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import uniform
from time import monotonic
from uuid import UUID

from application.errors import StoreUnavailable
from application.fan_out import FanOut
from application.memory_budget import MEBIBYTE, Share
from application.ports.clock import Clock
from application.ports.events import OwnedEvent, OwnedPage
from application.ports.log import EventLog
from application.ports.webhooks import (
    MOST_WEBHOOKS,
    DeadLetter,
    DeliveryResult,
    Line,
    Sender,
    Webhook,
    WebhookStore,
)
from application.projections.following import SCANNED, BatchSize, take_batch
from application.webhooks.messages import body_of, message_id, signed
from application.webhooks.newest import Newest

_GONE = 410

_logger = logging.getLogger("cairn.webhooks")

Pause = Callable[[asyncio.Event, float | None], Awaitable[None]]


async def wait_for(woken: asyncio.Event, seconds: float | None) -> None:
    """Wait until woken, or for so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How deliveries go.

    Args:
        attempts: How often a batch is tried before it is given up.
        first: Seconds until the second attempt; twice as many until each next one.
        longest: The most seconds between two attempts.
        jitter: By which part these vary.
        pace: The least seconds between two looks at a log that grows: what comes meanwhile
            goes into one batch.
        lazily: Seconds after which a checkpoint is written that no delivery has moved.
        look: Seconds after which the webhooks are read anew although nobody said they changed.
        after_error: Seconds until the next try when the store is away, or something unforeseen.
        patience: Seconds that deliveries under way are given when this process lets go.
    """

    attempts: int = 12
    first: float = 1.0
    longest: float = 600.0
    jitter: float = 0.2
    pace: float = 0.1
    lazily: float = 5.0
    look: float = 60.0
    after_error: float = 1.0
    patience: float = 0.5

    def delay(self, failed: int, asked: float = 0.0) -> float:
        """Return the seconds to wait.

        Args:
            failed: How often it has failed, 1 or more.
            asked: What the receiver asked for.
        """
        delay = self.first * 2.0 ** min(failed - 1, 30)
        varied = delay * uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - no secret
        return min(max(varied, self.first, asked), self.longest)


class _DeliveryContext:
    """What all deliveries of one ownership share."""

    def __init__(
        self,
        store: WebhookStore,
        log: EventLog,
        hub: FanOut,
        sender: Sender,
        clock: Clock,
        rules: RetryPolicy,
        pause: Pause,
        share: Share,
    ) -> None:
        self.store = store
        self.log = log
        self.hub = hub
        self.sender = sender
        self.clock = clock
        self.rules = rules
        self.pause = pause
        self.newest = Newest(log, hub.position, share)
        self.share = share


class _Delivery:
    """Delivers to one webhook."""

    def __init__(self, office: _DeliveryContext, webhook: Webhook) -> None:
        self._office = office
        self._store = office.store
        self._webhook = webhook
        self._scanned = webhook.checkpoint
        self._written = monotonic()
        self._is_stale = False
        self._is_leaving = False
        self._woken = asyncio.Event()
        self._line: Line = office.sender.line()
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
        """End it: after the delivery under way, or in so many seconds."""
        self._is_leaving = True
        self._woken.set()
        await asyncio.wait((self._task,), timeout=patience)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while not self._is_leaving:
                self._woken.clear()
                seconds = await self._guarded()
                if seconds != 0 and not self._is_leaving:
                    await self._office.pause(self._woken, seconds)
        finally:
            await self._line.close()

    async def _guarded(self) -> float | None:
        try:
            return await self._step()
        except StoreUnavailable:
            self._is_stale = True
        except Exception:
            # Whatever this is, the others go on, and it is tried again.
            _logger.exception("webhook %s: something unforeseen; trying again", self._webhook.id)
            self._is_stale = True
        return self._office.rules.after_error

    async def _step(self) -> float | None:
        """Do the next thing, and return the seconds until another; None is until woken."""
        if self._is_stale and not await self._reload():
            self._is_leaving = True
            return 0
        webhook = self._webhook
        if not webhook.active:
            return None
        if webhook.queued:
            await self._redeliver()
            return 0
        if webhook.next_attempt_at is not None:
            left = (webhook.next_attempt_at - self._office.clock.now()).total_seconds()
            if left > 0:
                return left
        if webhook.pinned is None:
            return await self._go_on()
        found = await self._read(webhook.checkpoint, webhook.pinned)
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

    async def _go_on(self) -> float | None:
        """Deliver what is next, if there is anything."""
        webhook, rules = self._webhook, self._office.rules
        is_replay = webhook.replay_upto is not None
        end = self._office.hub.position if webhook.replay_upto is None else webhook.replay_upto
        found = await self._find(end)
        if found.events:
            last = found.events[-1].stored.position
            if await self._store.pin(webhook, after=self._scanned, upto=last):
                self._webhook = replace(webhook, checkpoint=self._scanned, pinned=last)
                await self._deliver(found.events)
            else:
                self._is_stale = True
            # What has come meanwhile makes one batch with what comes until the bell is heard.
            return 0 if self._is_stale or is_replay or found.reached < end else rules.lazily
        self._scanned = found.reached
        if self._scanned < end:
            return 0
        if self._scanned <= webhook.checkpoint:
            return None
        left = self._written + rules.lazily - monotonic()
        if is_replay or left <= 0:
            self._moved(await self._store.skip(webhook, self._scanned), self._scanned)
            return 0
        return left

    async def _find(self, end: int) -> OwnedPage:
        """Return the next batch that is not beyond a position."""
        webhook = self._webhook
        near = None
        if webhook.replay_upto is None:
            near = await self._office.newest.after(self._scanned, end)
        if near is None:
            return await self._read(self._scanned, min(end, self._scanned + SCANNED))
        events, reached = near
        wanted = filter(webhook.wanted.takes, events)
        return take_batch(wanted, BatchSize(webhook.batch), reached)

    async def _read(self, after: int, upto: int) -> OwnedPage:
        """Return the batch after a position, read from the log."""
        webhook = self._webhook
        size = BatchSize(webhook.batch)
        return await self._office.log.read_owned(
            after=after,
            upto=upto,
            limit=size.events,
            most_bytes=size.most_bytes,
            wanted=webhook.wanted,
        )

    async def _deliver(self, events: Sequence[OwnedEvent]) -> None:
        """Try to deliver the batch that is pinned, and note what became of it."""
        webhook, rules, now = self._webhook, self._office.rules, self._office.clock.now
        upto = events[-1].stored.position
        receipt = await self._send(webhook.generation, events)
        if receipt.is_delivered:
            self._moved(await self._store.delivered(webhook, upto, len(events), now()), upto)
            return
        self._is_stale = True
        attempts, reason = webhook.attempts + 1, receipt.reason
        if receipt.status == _GONE:
            _logger.warning("webhook %s is paused: %s", webhook.id, reason)
            await self._store.gone(webhook, reason, now())
        elif attempts >= rules.attempts:
            _logger.warning(
                "webhook %s: a batch of %s events is given up after %s attempts: %s",
                webhook.id, len(events), attempts, reason,
            )  # fmt: skip
            await self._store.bury(
                webhook, upto, events=len(events), attempts=attempts, reason=reason, at=now()
            )
        else:
            delay = rules.delay(attempts, receipt.retry_after)
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
        webhook, now = self._webhook, self._office.clock.now
        self._is_stale = True
        letter = await self._store.queued_letter(webhook.id)
        if letter is None:
            return
        events = await self._events_of(letter)
        receipt = await self._send(letter.generation, events) if events else DeliveryResult(200)
        if receipt.is_delivered:
            await self._store.letter_delivered(webhook.id, letter.number, now())
        else:
            await self._store.letter_failed(webhook.id, letter.number, receipt.reason, now())

    async def _events_of(self, letter: DeadLetter) -> Sequence[OwnedEvent]:
        wanted = replace(self._webhook.wanted, types=letter.types)
        size = BatchSize(letter.events)
        page = await self._office.log.read_owned(
            after=letter.after,
            upto=letter.upto,
            limit=size.events,
            most_bytes=size.most_bytes,
            wanted=wanted,
        )
        return page.events

    async def _send(self, generation: int, events: Sequence[OwnedEvent]) -> DeliveryResult:
        webhook, share = self._webhook, self._office.share
        body = body_of(webhook.id, events)
        name = message_id(webhook.id, generation, events)
        now = self._office.clock.now()
        timestamp = int(now.timestamp())
        share.count(len(body))
        try:
            return await self._line.send(
                webhook.url, signed(webhook.secrets(now), name, timestamp, body), body
            )
        finally:
            share.count(-len(body))


class Deliveries:
    """All deliveries, as a job for the process that owns it.

    Args:
        store: Where the webhooks are.
        log: Where the events are.
        hub: Who tells that the log has grown.
        sender: Reaches the receivers.
        clock: What attempts are timed by.
        rules: How deliveries go.
        pause: Waits for an event, or so many seconds.
        share: The memory for events on their way.
    """

    def __init__(
        self,
        store: WebhookStore,
        log: EventLog,
        hub: FanOut,
        sender: Sender,
        clock: Clock,
        rules: RetryPolicy | None = None,
        pause: Pause = wait_for,
        share: Share | None = None,
    ) -> None:
        self._store = store
        self._hub = hub
        self._sender = sender
        self._rules = rules or RetryPolicy()
        share = share or Share("webhooks", 8 * MEBIBYTE)
        self._open = partial(
            _DeliveryContext, store, log, hub, sender, clock, self._rules, pause, share
        )
        self._office: _DeliveryContext | None = None
        self._couriers: dict[UUID, _Delivery] = {}
        self._bell: asyncio.Task[None] | None = None

    async def round(self) -> float:
        """Begin and end deliveries as webhooks come and go; return the seconds until the next."""
        if self._office is None:
            self._office = self._open()
            self._bell = asyncio.create_task(self._pass_on())
        webhooks = await self._store.page(after=0, limit=MOST_WEBHOOKS)
        if webhooks:
            await self._sender.prepare()
        found = {webhook.id: webhook for webhook in webhooks}
        for webhook_id, courier in list(self._couriers.items()):
            courier.look_at(found.get(webhook_id))
            if courier.is_done:
                del self._couriers[webhook_id]
        for webhook in webhooks:
            if webhook.id not in self._couriers:
                self._couriers[webhook.id] = _Delivery(self._office, webhook)
        return self._rules.look

    async def let_go(self) -> None:
        """End all deliveries: this process does not own them any longer."""
        couriers, self._couriers = list(self._couriers.values()), {}
        office, self._office = self._office, None
        if office is not None:
            office.newest.clear()
        if self._bell is not None:
            self._bell.cancel()
            await asyncio.gather(self._bell, return_exceptions=True)
            self._bell = None
        await asyncio.gather(*(courier.end(self._rules.patience) for courier in couriers))

    async def _pass_on(self) -> None:
        """Tell everybody that the log has grown: at once, but not more often than need be."""
        heard = self._hub.position
        while True:
            if self._hub.position == heard:
                await self._hub.log.wait(None)
                continue
            heard = self._hub.position
            for courier in self._couriers.values():
                courier.wake()
            await asyncio.sleep(self._rules.pace)
