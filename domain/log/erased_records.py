"""What is left of a record that was erased: its type, its time, and the hash the chain needs.

The id of the event is gone with the payload: its random bits keep whoever has the hash from
guessing what was said. The database makes these bytes (`erased_record_v1` in `migrations/`).
"""

import re
from typing import NamedTuple

from domain.log.chain import record_hash

_FORM = re.compile(
    rb'\{"type":"([A-Za-z0-9_.:<>-]{1,255})","at":("[^"\\\x00-\x1f]{1,64}"|null),"erased":true,'
    rb'"record_hash":"([0-9a-f]{64})"\}'
)
_BEGINNING = b'{"type":'
"""Of no other record: those begin with the id of their event."""

ERASING = frozenset({"session.erased", "scope.erased"})
"""The types of the events that say that everything before them is erased."""


class ErasedRecord(NamedTuple):
    """What an erased record says.

    Args:
        type: Of the event.
        hashed: The hash that the record had, 32 bytes.
    """

    type: str
    hashed: bytes


def erased_record(record: bytes) -> ErasedRecord | None:
    """Return what is left of an erased record; None for one that is there, or is something else.

    Args:
        record: The stored bytes.
    """
    if not record.startswith(_BEGINNING):
        return None
    form = _FORM.fullmatch(record)
    return form and ErasedRecord(form[1].decode(), bytes.fromhex(form[3].decode()))


def left_of(record: bytes, type_: str, at: str | None) -> bytes:
    """Return what is left of a record when it is erased.

    Args:
        record: The stored bytes.
        type_: Of the event.
        at: Its time as the record has it; None when it does not say.
    """
    moment = "null" if at is None else f'"{at}"'
    hashed = record_hash(record).hex()
    left = f'{{"type":"{type_}","at":{moment},"erased":true,"record_hash":"{hashed}"}}'
    return left.encode()


def erased_hash(record: bytes) -> bytes | None:
    """Return the hash that an erased record had; None for one that was not erased.

    Args:
        record: The stored bytes.
    """
    found = erased_record(record)
    return found and found.hashed


def fault_of(record: bytes, type_: str, hashed: bytes) -> str | None:
    """Return what is wrong with what is left of an erased record; None when nothing is.

    Args:
        record: The stored bytes.
        type_: Of the event, as it is stored beside the record.
        hashed: The hash that is kept beside the record.
    """
    found = erased_record(record)
    if found is None:
        return "it is said to be erased, and holds more than what an erasure leaves"
    if found != (type_, hashed):
        return "what is left of it names another type or another hash than stand beside it"
    return None


class Explained:
    """Follows a log, and tells whether each erased event has a later one that says so."""

    def __init__(self) -> None:
        self.missing: int | None = None
        """The first event that is erased, and no event after it says so, so far."""

    def take(self, sequence: int, type_: str, *, erased: bool) -> None:
        """Look at the next event.

        Args:
            sequence: Of the event.
            type_: Of the event.
            erased: Its record was erased.
        """
        if erased:
            self.missing = self.missing or sequence
        elif type_ in ERASING:
            self.missing = None
