"""A webhook, as it is kept."""

from dataclasses import dataclass, field
from datetime import datetime
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
