"""Events as everybody outside sees them: the stored bytes, and what stands beside them."""

from functools import lru_cache
from uuid import UUID

from application.ports.log.events import StoredEvent


def record_json(event: StoredEvent) -> bytes:
    """Return the public form of an event: its place, its digest, and the stored bytes."""
    return b'%s%d,"position":%d,"digest":"%s",%s' % (
        _beginning(event.session_id),
        event.sequence,
        event.position,
        event.digest.hex().encode(),
        event.record[1:],
    )


@lru_cache(1024)
def _beginning(session_id: UUID) -> bytes:
    return b'{"session_id":"%s","sequence":' % str(session_id).encode()
