"""Webhooks and their dead letters in memory; their checkpoints are in the table of all of them.

Nothing here waits for anything, so each method is one transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from application.ports.webhooks.changes import Change, NewWebhook
from application.ports.webhooks.dead_letters import DeadLetter
from application.ports.webhooks.webhook import MOST_WEBHOOKS, Webhook, consumer_of
from infrastructure.memory.tables import Tables
from infrastructure.memory.webhook_changes import changed


class MemoryWebhooks:
    """The webhooks; see `application.ports.webhooks.webhook_store.WebhookStore`.

    Args:
        tables: What it shares with the log.
        nudged: Called when whoever delivers should look at once.
    """

    def __init__(self, tables: Tables, nudged: Callable[[], None] = lambda: None) -> None:
        self._tables = tables
        self._webhooks: dict[UUID, Webhook] = {}
        self._dead: dict[UUID, dict[int, DeadLetter]] = {}
        self._nudged = nudged
        self._made = 0

    async def create(self, new: NewWebhook) -> bool:
        """Make a webhook."""
        if new.id in self._webhooks:
            return True
        if len(self._webhooks) == MOST_WEBHOOKS:
            return False
        self._made += 1
        self._webhooks[new.id] = Webhook(
            id=new.id,
            number=self._made,
            url=new.url,
            wanted=new.wanted,
            description=new.description,
            batch=new.batch,
            secret=new.secret,
            created_at=new.at,
            updated_at=new.at,
        )
        self._dead[new.id] = {}
        self._tables.checkpoints[consumer_of(new.id)] = new.checkpoint
        return True

    async def get(self, webhook_id: UUID) -> Webhook | None:
        """Return a webhook."""
        kept = self._webhooks.get(webhook_id)
        return kept and self._whole(kept)

    async def page(self, *, after: int, limit: int) -> Sequence[Webhook]:
        """Return webhooks in the order of their numbers."""
        later = [self._whole(one) for one in self._webhooks.values() if one.number > after]
        return later[:limit]

    async def change(self, webhook_id: UUID, change: Change, at: datetime) -> bool:
        """Change a webhook."""
        kept = self._webhooks.get(webhook_id)
        if kept is None:
            return False
        given = changed(kept, change, at)
        self._put(kept, **given, revision=kept.revision + 1, updated_at=at)
        return True

    async def delete(self, webhook_id: UUID) -> bool:
        """Take a webhook away."""
        self._dead.pop(webhook_id, None)
        self._tables.checkpoints.pop(consumer_of(webhook_id), None)
        return self._webhooks.pop(webhook_id, None) is not None

    async def replay(self, webhook_id: UUID, *, after: int, upto: int, at: datetime) -> bool:
        """Go back to send a range."""
        found = await self.get(webhook_id)
        if found is None or after >= found.reached:
            return False
        self._put(
            self._webhooks[webhook_id],
            resume_at=found.reached,
            replay_upto=min(upto, found.reached),
            pinned=None,
            attempts=0,
            next_attempt_at=None,
            generation=found.generation + 1,
            revision=found.revision + 1,
            updated_at=at,
        )
        self._tables.checkpoints[consumer_of(webhook_id)] = after
        return True

    async def dead_letters(
        self, webhook_id: UUID, *, after: int, limit: int
    ) -> Sequence[DeadLetter]:
        """Return dead letters in the order of their numbers."""
        dead = self._dead.get(webhook_id, {}).values()
        return [one for one in dead if one.number > after][:limit]

    async def dead_letter(self, webhook_id: UUID, number: int) -> DeadLetter | None:
        """Return a dead letter."""
        return self._dead.get(webhook_id, {}).get(number)

    async def queue_dead_letter(self, webhook_id: UUID, number: int) -> bool:
        """Have a dead letter sent again."""
        dead = await self.dead_letter(webhook_id, number)
        if dead is None:
            return False
        self._dead[webhook_id][number] = replace(dead, queued=True)
        return True

    async def delete_dead_letter(self, webhook_id: UUID, number: int) -> bool:
        """Take a dead letter away."""
        return self._dead.get(webhook_id, {}).pop(number, None) is not None

    async def nudge(self) -> None:
        """Tell whoever delivers that something was changed."""
        self._nudged()

    async def pin(self, webhook: Webhook, *, after: int, upto: int) -> bool:
        """Begin a batch that ends at a position."""
        kept = self._as_known(webhook)
        if kept is None or not kept.active or kept.pinned is not None:
            return False
        self._put(kept, pinned=upto)
        self._tables.checkpoints[consumer_of(webhook.id)] = after
        return True

    async def skip(self, webhook: Webhook, upto: int) -> bool:
        """Move the checkpoint on: nothing up to there is wanted."""
        kept = self._as_known(webhook)
        if kept is None or kept.pinned != webhook.pinned:
            return False
        self._move(kept, upto)
        return True

    async def delivered(self, webhook: Webhook, upto: int, events: int, at: datetime) -> bool:
        """Move the checkpoint on: the batch was delivered."""
        kept = self._as_known(webhook)
        if kept is None:
            return False
        until = kept.old_secret_until
        is_over = until is None or until <= at
        self._move(
            kept,
            upto,
            attempts=0,
            next_attempt_at=None,
            last_error=None,
            last_delivered_at=at,
            delivered_events=kept.delivered_events + events,
            delivered_batches=kept.delivered_batches + 1,
            old_secret=None if is_over else kept.old_secret,
            old_secret_until=None if is_over else until,
        )
        return True

    async def failed(
        self, webhook: Webhook, upto: int, attempts: int, reason: str, next_at: datetime
    ) -> bool:
        """Note that the batch failed, and when to try again."""
        kept = self._as_known(webhook)
        if kept is None or (kept.pinned, kept.revision) != (upto, webhook.revision):
            return False
        self._put(
            kept,
            attempts=attempts,
            next_attempt_at=next_at,
            last_error=reason,
            failed_attempts=kept.failed_attempts + 1,
        )
        return True

    async def gone(self, webhook: Webhook, reason: str, at: datetime) -> bool:
        """Pause the webhook: its receiver wants no more."""
        kept = self._as_known(webhook)
        if kept is None:
            return False
        self._put(
            kept,
            active=False,
            paused_because="gone",
            attempts=0,
            next_attempt_at=None,
            last_error=reason,
            failed_attempts=kept.failed_attempts + 1,
            revision=kept.revision + 1,
            updated_at=at,
        )
        return True

    async def add_dead_letter(
        self, webhook: Webhook, upto: int, *, events: int, attempts: int, reason: str, at: datetime
    ) -> bool:
        """Give the batch up."""
        kept = self._as_known(webhook)
        if kept is None:
            return False
        number = kept.dead_letters_made + 1
        self._dead[kept.id][number] = DeadLetter(
            number=number,
            generation=kept.generation,
            after=webhook.checkpoint,
            upto=upto,
            types=kept.wanted.types,
            events=events,
            attempts=attempts,
            reason=reason,
            queued=False,
            failed_at=at,
        )
        self._move(
            kept,
            upto,
            attempts=0,
            next_attempt_at=None,
            last_error=reason,
            failed_attempts=kept.failed_attempts + 1,
            dead_letters_made=number,
        )
        return True

    async def queued_dead_letter(self, webhook_id: UUID) -> DeadLetter | None:
        """Return the first dead letter that is to be sent again."""
        return next((one for one in self._dead.get(webhook_id, {}).values() if one.queued), None)

    async def dead_letter_delivered(self, webhook_id: UUID, number: int, at: datetime) -> None:
        """Take away a dead letter that was delivered."""
        dead = self._dead.get(webhook_id, {}).pop(number, None)
        if dead is not None:
            kept = self._webhooks[webhook_id]
            self._put(
                kept,
                last_delivered_at=at,
                delivered_events=kept.delivered_events + dead.events,
                delivered_batches=kept.delivered_batches + 1,
            )

    async def dead_letter_failed(
        self, webhook_id: UUID, number: int, reason: str, at: datetime
    ) -> None:
        """Note that a dead letter failed again."""
        dead = await self.dead_letter(webhook_id, number)
        if dead is not None:
            self._dead[webhook_id][number] = replace(
                dead, queued=False, attempts=dead.attempts + 1, reason=reason, failed_at=at
            )
            kept = self._webhooks[webhook_id]
            self._put(kept, failed_attempts=kept.failed_attempts + 1, last_error=reason)

    def _whole(self, kept: Webhook) -> Webhook:
        """Return a webhook with what is kept elsewhere: its checkpoint and its dead letters."""
        dead = self._dead[kept.id].values()
        return replace(
            kept,
            checkpoint=self._tables.checkpoints[consumer_of(kept.id)],
            dead_letters=len(dead),
            queued=sum(one.queued for one in dead),
        )

    def _as_known(self, webhook: Webhook) -> Webhook | None:
        """Return a webhook as it is kept; None when whoever delivers knows an older one."""
        kept = self._webhooks.get(webhook.id)
        checkpoint = self._tables.checkpoints.get(consumer_of(webhook.id))
        if kept is None or (kept.generation, checkpoint) != (
            webhook.generation,
            webhook.checkpoint,
        ):
            return None
        return kept

    def _move(self, kept: Webhook, upto: int, **changes: Any) -> None:
        """Move the checkpoint on, out of a replay that ends there."""
        if kept.replay_upto is not None and kept.resume_at is not None and upto >= kept.replay_upto:
            upto = kept.resume_at
            changes |= {"replay_upto": None, "resume_at": None}
        self._put(kept, **changes, pinned=None)
        self._tables.checkpoints[consumer_of(kept.id)] = upto

    def _put(self, kept: Webhook, **changes: Any) -> None:
        self._webhooks[kept.id] = replace(kept, **changes)
