"""What a record of another program must be to stand in the log beside those of this one."""

import re
from datetime import datetime
from uuid import UUID

import msgspec

from domain.log.catalogue import NAMES
from domain.log.spelling import PLAIN_BEGINNING, is_on_the_calendar
from domain.session.events import UNREADABLE
from domain.values import rfc3339

_TYPE = re.compile(r"[A-Za-z0-9_.:<>-]{1,255}")
_OURS = frozenset(name for name, _ in NAMES.values()) | {UNREADABLE}


class Record(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A record as the log has it: these fields, in this order."""

    id: UUID
    type: str
    v: int
    at: str
    actor: str
    origin: str
    turn_id: str | None = None
    causation: str | None = None
    idempotency_key: str | None = None
    claimed_actor: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


_SPELLED = re.compile(rb"\{" + PLAIN_BEGINNING)
_AT = 4


class _Object(msgspec.Struct):
    """An object of any fields."""


_object = msgspec.json.Decoder(_Object).decode
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


def fault_of(event_type: str, record: bytes) -> str | None:
    """Return what keeps a record out of the log, as a predicate; None when it may stand there.

    Pages, streams and envelopes are joined from stored bytes, so a record is refused unless it is
    spelled as the log spells its own.

    Args:
        event_type: The type it is to be stored with.
        record: UTF-8 JSON.
    """
    if not _TYPE.fullmatch(event_type):
        return "has a type that is empty, too long, or holds characters beside A-Z a-z 0-9 _.:<>-"
    if event_type in _OURS:
        return f"is a {event_type}, which only commands of Cairn record"
    return spelling_fault_of(record, event_type)


def spelling_fault_of(record: bytes, event_type: str | None = None) -> str | None:
    """Return what keeps a record from being spelled as the log spells its own, as a predicate.

    Args:
        record: UTF-8 JSON.
        event_type: The type that it must name; None is any.
    """
    if event_type is None and _is_plainly_spelled(record):
        return None
    try:
        record.decode()
        read = _decode(record)
    except (UnicodeDecodeError, msgspec.DecodeError) as fault:
        return f"is no record of Cairn: {fault}"
    if event_type is not None and read.type != event_type:
        return f"is stored as {event_type} and names itself {read.type}"
    if not bytes(read.data).startswith(b"{"):
        return "has data that are no object"
    if read.v < 1:
        return "has a version below 1"
    if not _is_time(read.at):
        return "has a time that is not written as 2026-01-31T12:00:00.000000Z"
    if _encode(read) != record or b"\n" in record or b"\r" in record:
        return "has fields in another order, or white space between them"
    return None


def _is_plainly_spelled(record: bytes) -> bool:
    """Return, quickly, whether a record is spelled as nearly all are; of others nothing is said."""
    begins = _SPELLED.match(record)
    if begins is None or not record.endswith(b"}}") or not is_on_the_calendar(begins[_AT].decode()):
        return False
    data = record[begins.end() : -1]
    try:
        if not record.isascii():
            record.decode()
        _object(data)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return data.startswith(b"{") and b"\n" not in record and b"\r" not in record


def _is_time(text: str) -> bool:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    return moment.tzinfo is not None and rfc3339(moment) == text
