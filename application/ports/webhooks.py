"""Webhooks as they are kept, and what they need of the world."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from application.ports.log.events import EventFilter

MOST_WEBHOOKS = 100


def consumer_of(webhook_id: UUID) -> str:
    """Return the name under which the checkpoint of a webhook is kept with all others."""
    return f"webhook {webhook_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A subscription, and how far it has come.

    Args:
        number: 1, 2, 3 ... in the order in which they were made.
        secret: What deliveries are signed with, as `whsec_` and base64; empty when it is sealed
            with a key that nobody has.
        old_secret: The one before it, which signs too until `old_secret_until`.
        revision: Counts what was changed of its settings.
        generation: Counts what makes batches other ones: replays, and changes of the types.
        checkpoint: Everything up to this position is delivered, given up, or not wanted.
        pinned: The last position of the batch that was begun.
        replay_upto: The last position of a replay that runs.
        resume_at: Where it goes on after that.
        attempts: How often the batch has failed.
        dead_letters: How many dead letters there are.
        queued: How many of them are to be sent again.
    """

    id: UUID
    number: int
    url: str
    wanted: EventFilter
    description: str | None
    batch: int
    secret: str = field(repr=False)
    old_secret: str | None = field(default=None, repr=False)
    old_secret_until: datetime | None = None
    active: bool = True
    paused_because: str | None = None
    revision: int = 1
    generation: int = 1
    checkpoint: int = 0
    pinned: int | None = None
    replay_upto: int | None = None
    resume_at: int | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    last_error: str | None = None
    last_delivered_at: datetime | None = None
    delivered_events: int = 0
    delivered_batches: int = 0
    failed_attempts: int = 0
    dead_letters_made: int = 0
    created_at: datetime
    updated_at: datetime
    dead_letters: int = 0
    queued: int = 0

    @property
    def reached(self) -> int:
        """The position up to which it has been told, replays left aside."""
        return self.checkpoint if self.resume_at is None else self.resume_at

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """Return what a delivery is signed with, the newest first; nothing when it cannot be read.

        Args:
            now: When it is sent.
        """
        until = self.old_secret_until
        if not self.secret:
            return ()
        if self.old_secret is None or until is None or until <= now:
            return (self.secret,)
        return (self.secret, self.old_secret)

    @property
    def state(self) -> str:
        """`active`, `failing` when its next batch has failed before, or `paused`."""
        if not self.active:
            return "paused"
        return "failing" if self.attempts else "active"


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


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A batch that was given up: the wanted events after one position, up to another."""

    number: int
    generation: int
    after: int
    upto: int
    types: tuple[str, ...]
    events: int
    attempts: int
    reason: str
    queued: bool
    failed_at: datetime


class WebhookStore(Protocol):
    """Webhooks and their dead letters.

    What a delivery writes is about the webhook as it was read: when its generation or checkpoint is
    another one by now, nothing is written and False is returned.
    """

    async def create(self, new: NewWebhook) -> bool:
        """Make a webhook; False when there are as many as there may be."""
        ...

    async def get(self, webhook_id: UUID) -> Webhook | None:
        """Return a webhook."""
        ...

    async def page(self, *, after: int, limit: int) -> Sequence[Webhook]:
        """Return webhooks in the order of their numbers, `after` excluded."""
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

    async def dead_letters(
        self, webhook_id: UUID, *, after: int, limit: int
    ) -> Sequence[DeadLetter]:
        """Return dead letters in the order of their numbers, `after` excluded."""
        ...

    async def dead_letter(self, webhook_id: UUID, number: int) -> DeadLetter | None:
        """Return a dead letter."""
        ...

    async def queue_dead_letter(self, webhook_id: UUID, number: int) -> bool:
        """Have a dead letter sent again; False when there is none."""
        ...

    async def delete_dead_letter(self, webhook_id: UUID, number: int) -> bool:
        """Take a dead letter away; False when there is none."""
        ...

    async def nudge(self) -> None:
        """Tell the process that delivers that something was changed."""
        ...

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


class DeliveryResult(NamedTuple):
    """What a receiver answered.

    Args:
        status: The HTTP status; 0 when there was no answer.
        reason: What went wrong, in a few words without anything secret.
        retry_after: The seconds it asks to be left alone.
    """

    status: int
    reason: str = ""
    retry_after: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has it."""
        return 200 <= self.status < 300


class Connection(Protocol):
    """A connection to one receiver."""

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> DeliveryResult:
        """Send a body, and return what became of it; never raises."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...


class Sender(Protocol):
    """Reaches receivers."""

    async def refusal(self, url: str) -> str | None:
        """Return why a URL may not be called; None when it may, or when that is not known yet."""
        ...

    async def prepare(self) -> None:
        """Get ready to send; asked again, there is nothing to do."""
        ...

    def connect(self) -> Connection:
        """Return a connection to one receiver; those to others cannot keep it busy."""
        ...
