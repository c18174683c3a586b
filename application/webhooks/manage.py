"""What can be asked of webhooks; `dispatcher.py` is what they do.

A webhook is no session: what becomes of it is not in the log.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from application.errors import (
    CursorAhead,
    DeadLetterNotFound,
    NothingToReplay,
    StoreUnavailable,
    WebhookNotFound,
    WebhookPaused,
    WebhookTargetRefused,
)
from application.ports.clock import Clock
from application.ports.log.events import EventFilter
from application.ports.log.whole_log import WholeLog
from application.ports.webhooks.changes import Change, NewWebhook
from application.ports.webhooks.dead_letters import DeadLetter
from application.ports.webhooks.keeping import ManagedWebhooks
from application.ports.webhooks.sender import Sender
from application.ports.webhooks.webhook import MOST_WEBHOOKS, Webhook
from application.webhooks.checks import check_secret, check_types, fault_of_url, new_secret
from domain.errors import Invalid, LimitReached

OLD_SECRET_SECONDS = 24 * 3600
LONGEST_OLD_SECRET_SECONDS = 7 * 24 * 3600


class Webhooks:
    """Everything that the doors ask of webhooks.

    Args:
        store: Where they are.
        log: What they are told of.
        sender: Knows which receivers may be called.
        clock: Time and new ids.
    """

    def __init__(self, store: ManagedWebhooks, log: WholeLog, sender: Sender, clock: Clock) -> None:
        self._store = store
        self._log = log
        self._sender = sender
        self._clock = clock

    async def create(
        self,
        url: str,
        wanted: EventFilter,
        *,
        after: int | None,
        description: str | None = None,
        batch: int,
        secret: str | None = None,
    ) -> Webhook:
        """Make a webhook.

        Args:
            url: Whom to tell.
            wanted: Of which events.
            after: Of those after this position; None is the head.
            description: For people.
            batch: The most events in one delivery, 1 to 500.
            secret: What deliveries are signed with; None makes one.

        Raises:
            Invalid: A value cannot be used.
            WebhookTargetRefused: The URL is one that may not be called.
            CursorAhead: The position is beyond the head.
            LimitReached: There are as many webhooks as there may be.
        """
        await self._check_url(url)
        check_types(wanted.types)
        if secret is not None:
            check_secret(secret)
        head = await self._log.head()
        if after is not None and after > head:
            raise CursorAhead(None, head=head, cursor=after)
        new = NewWebhook(
            id=self._clock.new_id(),
            url=url,
            wanted=wanted,
            description=description,
            batch=batch,
            secret=secret or new_secret(),
            checkpoint=head if after is None else after,
            at=self._clock.now(),
        )
        if not await self._store.create(new):
            raise LimitReached(
                f"There are {MOST_WEBHOOKS} webhooks, which is as many as there may be;"
                " take one away first.",
                limit=MOST_WEBHOOKS,
            )
        await self._tell()
        return await self.get(new.id)

    async def get(self, webhook_id: UUID) -> Webhook:
        """Return a webhook.

        Raises:
            WebhookNotFound: There is none with this id.
        """
        webhook = await self._store.get(webhook_id)
        if webhook is None:
            raise WebhookNotFound
        return webhook

    async def page(self, *, after: int, limit: int) -> Sequence[Webhook]:
        """Return webhooks in the order in which they were made, by their numbers."""
        return await self._store.page(after=after, limit=limit)

    async def head(self) -> int:
        """Return the newest position of the log, to hold a checkpoint against."""
        return await self._log.head()

    async def change(
        self,
        webhook_id: UUID,
        change: Change,
        *,
        with_new_secret: bool = False,
        old_secret_seconds: int = OLD_SECRET_SECONDS,
    ) -> Webhook:
        """Change a webhook.

        Args:
            webhook_id: Which one.
            change: What of it.
            with_new_secret: Make another secret.
            old_secret_seconds: For how long the one that another takes the place of signs beside
                it, 0 to 604,800.

        Raises:
            WebhookNotFound: There is none with this id.
            Invalid: A value cannot be used.
            WebhookTargetRefused: The URL is one that may not be called.
        """
        if change.url is not None:
            await self._check_url(change.url)
        if change.types is not None:
            check_types(change.types)
        if change.secret is not None:
            check_secret(change.secret)
        if with_new_secret:
            change = replace(change, secret=new_secret())
        now = self._clock.now()
        if change.secret is not None:
            until = now + timedelta(seconds=old_secret_seconds)
            change = replace(change, old_secret_until=until)
        if change != Change():
            if not await self._store.change(webhook_id, change, now):
                raise WebhookNotFound
            await self._tell()
        return await self.get(webhook_id)

    async def delete(self, webhook_id: UUID) -> None:
        """Take a webhook away, with its dead letters.

        Raises:
            WebhookNotFound: There is none with this id.
        """
        if not await self._store.delete(webhook_id):
            raise WebhookNotFound
        await self._tell()

    async def replay(self, webhook_id: UUID, *, after: int, upto: int | None) -> Webhook:
        """Send what is wanted between two positions, sent before or not, and then go on.

        Args:
            webhook_id: To whom.
            after: What was after this position.
            upto: Up to this one; None is as far as it had come.

        Raises:
            WebhookNotFound: There is none with this id.
            Invalid: There is nothing between the positions.
            NothingToReplay: It has not come as far as the first of them.
        """
        webhook = await self.get(webhook_id)
        if upto is not None and upto <= after:
            raise Invalid("It must be greater than `from`.", field="upto")
        end = webhook.reached if upto is None else upto
        replayed = after < end and await self._store.replay(
            webhook_id, after=after, upto=end, at=self._clock.now()
        )
        if not replayed:
            raise NothingToReplay(None, reached=webhook.reached)
        await self._tell()
        return await self.get(webhook_id)

    async def dead_letters(
        self, webhook_id: UUID, *, after: int, limit: int
    ) -> Sequence[DeadLetter]:
        """Return the batches that were given up, by their numbers.

        Raises:
            WebhookNotFound: There is none with this id.
        """
        await self.get(webhook_id)
        return await self._store.dead_letters(webhook_id, after=after, limit=limit)

    async def retry_dead_letter(self, webhook_id: UUID, number: int) -> DeadLetter:
        """Have a batch that was given up sent once more, soon.

        Raises:
            WebhookNotFound: There is none with this id.
            DeadLetterNotFound: It has none with this number.
            WebhookPaused: Nothing is sent to it.
        """
        webhook = await self.get(webhook_id)
        letter = await self._store.dead_letter(webhook_id, number)
        if letter is None:
            raise DeadLetterNotFound
        if not webhook.active:
            raise WebhookPaused
        if not await self._store.queue_dead_letter(webhook_id, number):
            raise DeadLetterNotFound
        await self._tell()
        return replace(letter, queued=True)

    async def delete_dead_letter(self, webhook_id: UUID, number: int) -> None:
        """Take away a batch that was given up.

        Raises:
            WebhookNotFound: There is none with this id.
            DeadLetterNotFound: It has none with this number.
        """
        await self.get(webhook_id)
        if not await self._store.delete_dead_letter(webhook_id, number):
            raise DeadLetterNotFound

    async def _tell(self) -> None:
        # It is stored, and will be found within a minute whether or not this is heard.
        with suppress(StoreUnavailable):
            await self._store.nudge()

    async def _check_url(self, url: str) -> None:
        why = fault_of_url(url)
        if why:
            raise Invalid(why, field="url")
        refusal = await self._sender.refusal(url)
        if refusal is not None:
            raise WebhookTargetRefused(f"The URL is refused: {refusal}.")
