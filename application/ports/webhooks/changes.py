"""What is asked of a webhook: to be made, and to be changed."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from application.ports.log.events import EventFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    """A subscription to be made; it goes on after `checkpoint`."""

    id: UUID
    url: str
    wanted: EventFilter
    description: str | None
    batch: int
    secret: str = field(repr=False)
    checkpoint: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What to change of a subscription; None leaves it as it is.

    Args:
        describe: Whether the description changes, to None too.
        old_secret_until: Until when the secret that `secret` takes the place of signs beside it;
            None is not at all.
    """

    url: str | None = None
    types: tuple[str, ...] | None = None
    describe: bool = False
    description: str | None = None
    batch: int | None = None
    secret: str | None = field(default=None, repr=False)
    old_secret_until: datetime | None = None
    active: bool | None = None
