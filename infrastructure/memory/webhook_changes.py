"""What a change does to a webhook that is kept in memory."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from application.ports.webhooks.changes import Change
from application.ports.webhooks.webhook import Webhook

_ATTEMPTED_ANEW = ("url", "types", "secret", "active")


def changed(kept: Webhook, change: Change, at: datetime) -> dict[str, Any]:
    """Return the fields that a change gives to a webhook.

    Args:
        kept: The webhook.
        change: What was asked for.
        at: The time, UTC.
    """
    given = {
        name: value
        for name in ("url", "batch", "active")
        if (value := getattr(change, name)) is not None
    }
    if change.types is not None:
        wanted = replace(kept.wanted, types=change.types)
        given |= {"wanted": wanted, "generation": kept.generation + 1}
    if change.types is not None or change.batch is not None:
        given["pinned"] = None
    if change.describe:
        given["description"] = change.description
    if change.active is not None:
        given["paused_because"] = None if change.active else kept.paused_because
        if kept.active and not change.active:
            given["paused_because"] = "asked"
    if change.secret is not None and change.secret != kept.secret:
        until = change.old_secret_until
        is_kept = until is not None and until > at
        given |= {
            "secret": change.secret,
            "old_secret": kept.secret if is_kept else None,
            "old_secret_until": until if is_kept else None,
        }
    if any(getattr(change, name) is not None for name in _ATTEMPTED_ANEW):
        given |= {"attempts": 0, "next_attempt_at": None}
    return given
