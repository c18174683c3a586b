"""Webhooks and their dead letters on Postgres."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from application.errors import OutcomeUnknown, StoreUnavailable
from application.ports.log.events import EventFilter
from application.ports.webhooks.changes import Change, NewWebhook
from application.ports.webhooks.dead_letters import DeadLetter
from application.ports.webhooks.webhook import MOST_WEBHOOKS, Webhook, consumer_of
from infrastructure.keys.sealing import CannotOpen, Plain, Sealer
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.single_owner import nudge

JOB = "webhooks"
"""The name under which one process owns all deliveries."""

_STATEMENTS = sql.load("webhooks")
_logger = logging.getLogger("cairn.webhooks")


class PostgresWebhooks:
    """The webhooks; see `application.ports.webhooks.webhook_store.WebhookStore`.

    Args:
        database: Where they are kept.
        sealer: Seals their secrets.
    """

    def __init__(self, database: Database, sealer: Plain | Sealer | None = None) -> None:
        self._database = database
        self._sealer = sealer or Plain()

    async def reseal(self) -> int:
        """Seal the secrets with the newest key that are not, and return how many webhooks had one.

        Raises:
            CannotOpen: A secret is sealed with a key that is not known.
        """
        rows = await self._database.fetch(_STATEMENTS["secrets"], {})
        resealed = 0
        for webhook_id, *kept in rows:
            if all(one is None or self._sealer.is_current(one) for one in kept):
                continue
            secret, old_secret = (
                None if one is None else self._sealed(webhook_id, self._opened(webhook_id, one))
                for one in kept
            )
            values = {
                "id": webhook_id,
                "kept": kept[0],
                "old_kept": kept[1],
                "secret": secret,
                "old_secret": old_secret,
            }
            resealed += bool(await self._database.fetch(_STATEMENTS["reseal"], values))
        return resealed

    def _sealed(self, webhook_id: UUID, secret: str) -> str:
        return self._sealer.seal(secret, consumer_of(webhook_id))

    def _opened(self, webhook_id: UUID, kept: str) -> str:
        return self._sealer.open(kept, consumer_of(webhook_id))

    def _read(self, row: tuple[Any, ...]) -> Webhook:
        webhook = _webhook(row)
        try:
            secret = self._opened(webhook.id, webhook.secret)
            old = webhook.old_secret
            old = None if old is None else self._opened(webhook.id, old)
        except CannotOpen as error:
            _logger.warning("the secret of webhook %s does not open: %s", webhook.id, error)
            return replace(webhook, secret="", old_secret=None)
        return replace(webhook, secret=secret, old_secret=old)

    async def create(self, new: NewWebhook) -> bool:
        """Make a webhook."""
        values = {
            "id": new.id,
            "url": new.url,
            "types": list(new.wanted.types),
            "app": new.wanted.app,
            "user": new.wanted.user,
            "description": new.description,
            "batch": new.batch,
            "secret": self._sealed(new.id, new.secret),
            "checkpoint": new.checkpoint,
            "at": new.at,
            "most": MOST_WEBHOOKS,
        }
        while True:
            try:
                if await self._write("create", values):
                    return True
            except psycopg.errors.UniqueViolation:
                continue  # somebody took this place at the same time
            # Not in a free place: all are taken, or the answer to a first attempt was lost.
            return await self.get(new.id) is not None

    async def get(self, webhook_id: UUID) -> Webhook | None:
        """Return a webhook."""
        rows = await self._database.fetch(_STATEMENTS["get"], {"id": webhook_id})
        return self._read(rows[0]) if rows else None

    async def page(self, *, after: int, limit: int) -> Sequence[Webhook]:
        """Return webhooks in the order of their numbers."""
        rows = await self._database.fetch(_STATEMENTS["list"], {"after": after, "limit": limit})
        return [self._read(row) for row in rows]

    async def change(self, webhook_id: UUID, change: Change, at: datetime) -> bool:
        """Change a webhook."""
        values = asdict(change) | {"id": webhook_id, "at": at}
        values["types"] = None if change.types is None else list(change.types)
        if change.secret is not None:
            values["secret"] = await self._kept(webhook_id, change.secret)
        return await self._write("change", values)

    async def _kept(self, webhook_id: UUID, secret: str) -> str:
        """Return a secret as it is kept: the same again is what is there."""
        for row in await self._database.fetch(_STATEMENTS["secrets"], {}):
            if row[0] == webhook_id:
                with suppress(CannotOpen):
                    if self._opened(webhook_id, row[1]) == secret:
                        return str(row[1])
        return self._sealed(webhook_id, secret)

    async def delete(self, webhook_id: UUID) -> bool:
        """Take a webhook away."""
        return await self._write("delete", {"id": webhook_id})

    async def replay(self, webhook_id: UUID, *, after: int, upto: int, at: datetime) -> bool:
        """Go back to send a range."""
        values = {"id": webhook_id, "from": after, "upto": upto, "at": at}
        return await self._write("replay", values)

    async def dead_letters(
        self, webhook_id: UUID, *, after: int, limit: int
    ) -> Sequence[DeadLetter]:
        """Return dead letters in the order of their numbers."""
        values = {"id": webhook_id, "after": after, "limit": limit}
        return [
            _letter(row) for row in await self._database.fetch(_STATEMENTS["dead_letters"], values)
        ]

    async def dead_letter(self, webhook_id: UUID, number: int) -> DeadLetter | None:
        """Return a dead letter."""
        values = {"id": webhook_id, "number": number}
        rows = await self._database.fetch(_STATEMENTS["dead_letter"], values)
        return _letter(rows[0]) if rows else None

    async def queue_dead_letter(self, webhook_id: UUID, number: int) -> bool:
        """Have a dead letter sent again."""
        return await self._write("queue_dead_letter", {"id": webhook_id, "number": number})

    async def delete_dead_letter(self, webhook_id: UUID, number: int) -> bool:
        """Take a dead letter away."""
        return await self._write("delete_dead_letter", {"id": webhook_id, "number": number})

    async def nudge(self) -> None:
        """Tell the process that delivers that something was changed."""
        await nudge(self._database, JOB)

    async def pin(self, webhook: Webhook, *, after: int, upto: int) -> bool:
        """Begin a batch that ends at a position."""
        return await self._hits("pin", {**_about(webhook, upto), "after": after})

    async def skip(self, webhook: Webhook, upto: int) -> bool:
        """Move the checkpoint on: nothing up to there is wanted."""
        return await self._hits("skip", {**_about(webhook, upto), "pinned": webhook.pinned})

    async def delivered(self, webhook: Webhook, upto: int, events: int, at: datetime) -> bool:
        """Move the checkpoint on: the batch was delivered."""
        return await self._hits("delivered", {**_about(webhook, upto), "events": events, "at": at})

    async def failed(
        self, webhook: Webhook, upto: int, attempts: int, reason: str, next_at: datetime
    ) -> bool:
        """Note that the batch failed, and when to try again."""
        values = {"attempts": attempts, "reason": reason, "next": next_at}
        values["revision"] = webhook.revision
        return await self._hits("failed", {**_about(webhook, upto), **values})

    async def gone(self, webhook: Webhook, reason: str, at: datetime) -> bool:
        """Pause the webhook: its receiver wants no more."""
        values = {**_about(webhook, webhook.checkpoint), "reason": reason, "at": at}
        return await self._hits("gone", values)

    async def add_dead_letter(
        self, webhook: Webhook, upto: int, *, events: int, attempts: int, reason: str, at: datetime
    ) -> bool:
        """Give the batch up."""
        values = {"events": events, "attempts": attempts, "reason": reason, "at": at}
        return await self._hits("add_dead_letter", {**_about(webhook, upto), **values})

    async def queued_dead_letter(self, webhook_id: UUID) -> DeadLetter | None:
        """Return the first dead letter that is to be sent again."""
        rows = await self._database.fetch(_STATEMENTS["queued_dead_letter"], {"id": webhook_id})
        return _letter(rows[0]) if rows else None

    async def dead_letter_delivered(self, webhook_id: UUID, number: int, at: datetime) -> None:
        """Take away a dead letter that was delivered."""
        await self._hits("dead_letter_delivered", {"id": webhook_id, "number": number, "at": at})

    async def dead_letter_failed(
        self, webhook_id: UUID, number: int, reason: str, at: datetime
    ) -> None:
        """Note that a dead letter failed again."""
        values = {"id": webhook_id, "number": number, "reason": reason, "at": at}
        await self._hits("dead_letter_failed", values)

    async def _write(self, statement: str, values: dict[str, Any]) -> bool:
        """Do the same for somebody who waits for the answer."""
        try:
            return await self._hits(statement, values)
        except StoreUnavailable:
            raise OutcomeUnknown(
                "The database was lost while it was writing this, which may or may not be stored;"
                " read the webhook."
            ) from None

    async def _hits(self, statement: str, values: dict[str, Any]) -> bool:
        """Run a statement that is safe to be run again, and return whether it changed a row."""
        return bool(await self._database.fetch(_STATEMENTS[statement], values))


def _about(webhook: Webhook, upto: int) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "generation": webhook.generation,
        "checkpoint": webhook.checkpoint,
        "upto": upto,
    }


def _webhook(row: tuple[Any, ...]) -> Webhook:
    identity, number, url, types, app, user, description, batch, secret, *rest = row
    (
        old_secret, old_secret_until, active, paused_because, revision, generation, checkpoint,
        pinned, replay_upto, resume_at,
        attempts, next_attempt_at, last_error, last_delivered_at, delivered_events,
        delivered_batches, failed_attempts, dead_letters_made, created_at, updated_at,
        dead_letters, queued,
    ) = rest  # fmt: skip
    return Webhook(
        id=identity,
        number=number,
        url=url,
        wanted=EventFilter(tuple(types), app, user),
        description=description,
        batch=batch,
        secret=secret,
        old_secret=old_secret,
        old_secret_until=old_secret_until,
        active=active,
        paused_because=paused_because,
        revision=revision,
        generation=generation,
        checkpoint=checkpoint,
        pinned=pinned,
        replay_upto=replay_upto,
        resume_at=resume_at,
        attempts=attempts,
        next_attempt_at=next_attempt_at,
        last_error=last_error,
        last_delivered_at=last_delivered_at,
        delivered_events=delivered_events,
        delivered_batches=delivered_batches,
        failed_attempts=failed_attempts,
        dead_letters_made=dead_letters_made,
        created_at=created_at,
        updated_at=updated_at,
        dead_letters=dead_letters,
        queued=queued,
    )


def _letter(row: tuple[Any, ...]) -> DeadLetter:
    number, generation, after, upto, types, *rest = row
    return DeadLetter(number, generation, after, upto, tuple(types), *rest)
