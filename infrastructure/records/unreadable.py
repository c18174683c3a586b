"""Events whose records cannot be read: named in their place, so that nothing else fails."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from application.ports.log.events import StoredEvent
from domain.log.erased_records import erased_hash
from domain.session.events import UNREADABLE


class _Envelope(msgspec.Struct, gc=False):
    """What whoever reads a record takes for granted; of an erased one less is left."""

    type: str
    at: datetime | None
    id: str = ""
    v: int = 0
    actor: str = ""
    origin: str = ""
    turn_id: str | None = None
    data: dict[str, Any] = {}
    erased: bool = False


_envelope = msgspec.json.Decoder(_Envelope).decode


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
    if _is_readable(record):
        return StoredEvent(session_id, sequence, position, type_, record, digest)
    named = _instead(session_id, sequence, type_)
    return StoredEvent(session_id, sequence, position, UNREADABLE, named, digest)


def _is_readable(record: bytes) -> bool:
    try:
        said = _envelope(record)
        # Pages are joined from records: each must begin as the log spells them, and be UTF-8.
        begins = record[:2] == b'{"' and (record.isascii() or bool(record.decode()))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return begins and (
        erased_hash(record) is not None
        if said.erased
        else bool(said.id and said.v and said.at and said.actor and said.origin)
    )


def _instead(session_id: UUID, sequence: int, type_: str) -> bytes:
    envelope: dict[str, Any] = {
        "id": uuid5(session_id, str(sequence)),
        "type": UNREADABLE,
        "v": 1,
        "at": "1970-01-01T00:00:00.000000Z",
        "actor": "system",
        "origin": UNREADABLE,
        "data": {"type": type_},
    }
    return msgspec.json.encode(envelope)
