"""How far webhooks have come, as whoever delivers notes it."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports.webhooks.dead_letters import DeadLetter
from application.ports.webhooks.keeping import KeptWebhooks
from application.ports.webhooks.webhook import Webhook


class DeliveredWebhooks(KeptWebhooks, Protocol):
    """Notes what has become of deliveries.

    What is written is about the webhook as it was read: when its generation or checkpoint is
    another one by now, nothing is written and False is returned.
    """

    async def pin(self, webhook: Webhook, *, after: int, upto: int) -> bool:
        """Begin a batch that ends at a position, nothing before `after` being wanted.

        False also when it is paused.
        """
        ...

    async def skip(self, webhook: Webhook, upto: int) -> bool:
        """Move the checkpoint on: nothing up to there is wanted."""
        ...

    async def delivered(self, webhook: Webhook, upto: int, events: int, at: datetime) -> bool:
        """Move the checkpoint on: the batch was delivered."""
        ...

    async def failed(
        self, webhook: Webhook, upto: int, attempts: int, reason: str, next_at: datetime
    ) -> bool:
        """Note that the batch failed, and when to try again; False also when it was changed."""
        ...

    async def gone(self, webhook: Webhook, reason: str, at: datetime) -> bool:
        """Pause the webhook: its receiver wants no more."""
        ...

    async def add_dead_letter(
        self, webhook: Webhook, upto: int, *, events: int, attempts: int, reason: str, at: datetime
    ) -> bool:
        """Give the batch up: make a dead letter of it and move the checkpoint on, together."""
        ...

    async def queued_dead_letter(self, webhook_id: UUID) -> DeadLetter | None:
        """Return the first dead letter that is to be sent again."""
        ...

    async def dead_letter_delivered(self, webhook_id: UUID, number: int, at: datetime) -> None:
        """Take away a dead letter that was delivered."""
        ...

    async def dead_letter_failed(
        self, webhook_id: UUID, number: int, reason: str, at: datetime
    ) -> None:
        """Note that a dead letter failed again."""
        ...
