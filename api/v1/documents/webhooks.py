"""What clients see of webhooks and of their dead letters."""

from datetime import datetime
from typing import Any

from application.ports.webhooks.dead_letters import DeadLetter
from application.ports.webhooks.webhook import Webhook
from domain.values import rfc3339


def webhook_document(webhook: Webhook, head: int) -> dict[str, Any]:
    """Return what clients see of a webhook; its secrets are not in it.

    Args:
        webhook: As it is kept.
        head: The newest position of the log.
    """
    wanted, replay_upto = webhook.wanted, webhook.replay_upto
    return {
        "id": webhook.id,
        "url": webhook.url,
        "types": wanted.types or None,
        "app": wanted.app,
        "user": wanted.user,
        "description": webhook.description,
        "batch": webhook.batch,
        "state": webhook.state,
        "paused_because": webhook.paused_because,
        "checkpoint": webhook.checkpoint,
        "head": head,
        "lag": max(head - webhook.checkpoint, 0),
        "replaying": None
        if replay_upto is None
        else {"upto": replay_upto, "resume_at": webhook.reached},
        "attempts": webhook.attempts,
        "next_attempt_at": _maybe(webhook.next_attempt_at),
        "last_error": webhook.last_error,
        "last_delivered_at": _maybe(webhook.last_delivered_at),
        "counts": {
            "delivered_events": webhook.delivered_events,
            "delivered_batches": webhook.delivered_batches,
            "failed_attempts": webhook.failed_attempts,
            "dead_letters": webhook.dead_letters,
        },
        "created_at": rfc3339(webhook.created_at),
        "updated_at": rfc3339(webhook.updated_at),
        "old_secret_until": _maybe(webhook.old_secret_until),
    }


def _maybe(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def dead_letter_document(dead: DeadLetter) -> dict[str, Any]:
    """Return what clients see of a batch that was given up."""
    return {
        "number": dead.number,
        "after": dead.after,
        "upto": dead.upto,
        "types": dead.types or None,
        "events": dead.events,
        "attempts": dead.attempts,
        "reason": dead.reason,
        "queued": dead.queued,
        "failed_at": rfc3339(dead.failed_at),
    }
