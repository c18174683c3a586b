"""The chain of digests that makes a log evidence: each one covers the record and all before it.

It runs over the hashes of the records: when a record is erased its hash is kept, and the chain can
be checked before it, at it and after it.
"""

from hashlib import sha256
from uuid import UUID


def genesis(session_id: UUID) -> bytes:
    """Return the digest before the first event: it binds a chain to its own session.

    Args:
        session_id: The session whose log begins.
    """
    return sha256(session_id.bytes).digest()


def record_hash(record: bytes) -> bytes:
    """Return the 32 bytes by which the chain knows a record.

    Args:
        record: The stored bytes, exactly.
    """
    return sha256(record).digest()


def link(previous: bytes, hashed: bytes) -> bytes:
    """Return the digest of an event.

    Args:
        previous: The 32 bytes of the event before it, or of `genesis`.
        hashed: The `record_hash` of its record.
    """
    return sha256(previous + hashed).digest()
