"""What a receiver gets: a body, an id, and a signature as Standard Webhooks has them."""

import base64
import hmac
from collections.abc import Iterable, Sequence
from uuid import UUID, uuid5

from application.ports.log.events import OwnedEvent
from application.reads.streams.wire import record_json

SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of a secret, not one


def message_id(webhook_id: UUID, generation: int, events: Sequence[OwnedEvent]) -> str:
    """Return the id of a batch: the same one for the same events, each time it is sent."""
    first, last = events[0].stored.position, events[-1].stored.position
    return f"msg_{uuid5(webhook_id, f'{generation}:{first}-{last}').hex}"


def body_of(webhook_id: UUID, events: Sequence[OwnedEvent]) -> bytes:
    """Return what is posted: the stored records, joined."""
    records = b",".join(record_json(event.stored) for event in events)
    following = events[-1].stored.position
    return b'{"webhook_id":"%s","events":[%s],"next":%d}' % (
        str(webhook_id).encode(),
        records,
        following,
    )


def signed(secrets: Iterable[str], name: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message as Standard Webhooks has them.

    Args:
        secrets: Each `whsec_` and base64, each for a signature of its own.
        name: The id of the message.
        timestamp: Seconds since 1970.
        body: What is sent.
    """
    content = b"%s.%d.%s" % (name.encode(), timestamp, body)
    return {
        "webhook-id": name,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, content, 'sha256')).decode()}"
