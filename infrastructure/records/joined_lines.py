"""Events joined as lines in their public form, where all of them are plain."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from application.ports.log.events import JoinedEvents, StoredEvent
from application.reads.streams.wire import record_json
from domain.log.erased_records import ERASING

LONGEST = 8 * 1024
"""The most bytes of a plain record."""
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
    try:
        if not lines.isascii():
            lines.decode()
        return len(_lines(lines)) == count
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
