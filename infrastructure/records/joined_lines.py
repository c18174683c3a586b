"""Events joined as lines in their public form, where all of them are plain."""

from collections.abc import Sequence
from datetime import datetime
from math import nan
from typing import Annotated

import msgspec

from application.ports.log.events import JoinedEvents, StoredEvent
from application.reads.streams.wire import record_json
from domain.log.erased_records import ERASING

LONGEST = 8 * 1024
"""The most bytes of a plain record."""
_PIECE = 256 * 1024
"""About the bytes of a page that are looked over at a time."""
_Word = Annotated[str, msgspec.Meta(min_length=1)]


class _Any(msgspec.Struct, frozen=True, gc=False):
    """An object of any fields."""


class _Line(msgspec.Struct, gc=False):
    """What the public form of a record has that can be read and was not erased."""

    id: _Word
    type: str
    v: Annotated[int, msgspec.Meta(ge=1)]
    at: datetime
    actor: _Word
    origin: _Word
    data: _Any = _Any()
    turn_id: str | None = None


_lines = msgspec.json.Decoder(_Line).decode_lines


def joined(events: Sequence[StoredEvent]) -> JoinedEvents | None:
    """Return events joined; None when one of them is not plain.

    Args:
        events: As they are stored.
    """
    if not all(map(_is_plain, events)):
        return None
    lines = b"".join([record_json(event) + b"\n" for event in events])
    if not are_readable(lines, len(events)):
        return None
    return JoinedEvents(len(events), sum(len(event.record) for event in events), lines)


def _is_plain(event: StoredEvent) -> bool:
    record = event.record
    return len(record) <= LONGEST and event.type not in ERASING and record[:2] == b'{"'


def are_readable(lines: bytes, count: int) -> bool:
    """Return whether events in their public form can be read, all of them, and none was erased.

    Args:
        lines: One on each.
        count: How many they should be.
    """
    return _readable_in(lines) == count


def with_commas(lines: bytes, count: int) -> tuple[bytes, ...] | None:
    """Return events in their public form with commas between them, in pieces.

    A piece is looked over and changed while the processor has it at hand: one look after the other
    at a page of 1 MB fetched all of it each time.

    Args:
        lines: One on each, the last one without an end.
        count: How many they should be.

    Returns:
        None when one of them cannot be read or was erased.
    """
    pieces: list[bytes] = []
    at, read = 0, 0.0
    while at < len(lines):
        end = len(lines)
        if end - at > _PIECE:
            end = (lines.rfind(b"\n", at, at + _PIECE) + 1) or (lines.find(b"\n", at) + 1) or end
        piece, at = lines[at:end], end
        read += _readable_in(piece)
        # In what can be read line by line no other byte ends a line.
        pieces.append(piece.replace(b"\n", b","))
    return tuple(pieces) if read == count else None


def _readable_in(lines: bytes) -> float:
    """Return how many events can be read, where all can; else no number that one is equal to."""
    try:
        if not lines.isascii():
            lines.decode()
        return len(_lines(lines))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return nan
