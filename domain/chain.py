"""The chain of digests that makes a log evidence: each one covers the record and all before it."""

from hashlib import sha256
from uuid import UUID

DIGEST_SIZE = 32


def genesis(session_id: UUID) -> bytes:
    """Return the digest before the first event: it binds a chain to its own session.

    Args:
        session_id: The session whose log begins.
    """
    return sha256(session_id.bytes).digest()


def link(previous: bytes, record: bytes) -> bytes:
    """Return the digest of a record.

    Args:
        previous: The 32 bytes of the event before it, or of `genesis`.
        record: The stored bytes, exactly.
    """
    return sha256(previous + record).digest()
