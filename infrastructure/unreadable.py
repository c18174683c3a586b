"""Events whose records cannot be read: named in their place, so that nothing else fails."""

from typing import Any
from uuid import UUID, uuid5

import msgspec

from application.ports.events import StoredEvent

TYPE = "unreadable"
_checked = msgspec.json.Decoder(msgspec.Raw).decode


def stored_event(
    session_id: UUID, sequence: int, position: int, type_: str, record: bytes, digest: bytes
) -> StoredEvent:
    """Return a row of the log as an event; with another record where its own cannot be read.

    Args:
        session_id: As it is stored.
        sequence: As it is stored.
        position: As it is stored.
        type_: As it is stored.
        record: As it is stored.
        digest: As it is stored.
    """
    try:
        _checked(record)
        readable = record[:2] == b'{"' and (record.isascii() or bool(record.decode()))
    except (msgspec.DecodeError, UnicodeDecodeError):
        readable = False
    if readable:
        return StoredEvent(session_id, sequence, position, type_, record, digest)
    named = _instead(session_id, sequence, type_)
    return StoredEvent(session_id, sequence, position, TYPE, named, digest)


def _instead(session_id: UUID, sequence: int, type_: str) -> bytes:
    envelope: dict[str, Any] = {
        "id": uuid5(session_id, str(sequence)),
        "type": TYPE,
        "v": 1,
        "at": "1970-01-01T00:00:00.000000Z",
        "actor": "system",
        "origin": TYPE,
        "data": {"type": type_},
    }
    return msgspec.json.encode(envelope)
