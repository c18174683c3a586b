"""Which webhooks there are, as whoever looks after them sees it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports.webhooks.changes import Change, NewWebhook
from application.ports.webhooks.dead_letters import DeadLetters
from application.ports.webhooks.webhook import Webhook


class KeptWebhooks(Protocol):
    """Finds webhooks."""

    async def get(self, webhook_id: UUID) -> Webhook | None:
        """Return a webhook."""
        ...

    async def page(self, *, after: int, limit: int) -> Sequence[Webhook]:
        """Return webhooks in the order of their numbers, `after` excluded."""
        ...


class ManagedWebhooks(KeptWebhooks, DeadLetters, Protocol):
    """Makes, changes and takes away webhooks."""

    async def create(self, new: NewWebhook) -> bool:
        """Make a webhook; False when there are as many as there may be."""
        ...

    async def change(self, webhook_id: UUID, change: Change, at: datetime) -> bool:
        """Change a webhook; False when there is none."""
        ...

    async def delete(self, webhook_id: UUID) -> bool:
        """Take a webhook away, with its dead letters; False when there is none."""
        ...

    async def replay(self, webhook_id: UUID, *, after: int, upto: int, at: datetime) -> bool:
        """Go back to send a range; False when it has not come as far as its begin."""
        ...

    async def nudge(self) -> None:
        """Tell the process that delivers that something was changed."""
        ...
