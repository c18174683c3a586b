"""Events as everybody outside sees them: the stored bytes, and what stands beside them."""

from application.ports.events import StoredEvent


def record_json(event: StoredEvent) -> bytes:
    """Return the public form of an event: its place, its digest, and the stored bytes."""
    return b'{"session_id":"%s","sequence":%d,"position":%d,"digest":"%s",%s' % (
        str(event.session_id).encode(),
        event.sequence,
        event.position,
        event.digest.hex().encode(),
        event.record[1:],
    )
