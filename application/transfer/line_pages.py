"""Lines of an export file, read many at a time: nearly all are spelled alike."""

import re
from binascii import unhexlify
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from application.ports.log.inspection import FoundEvent
from application.transfer.lines import NAMED, PLACE, event_of
from domain.log.spelling import PLAIN_BEGINNING

_PAGE_BYTES = 1024 * 1024
_EVENTS = re.compile(rb"(?m)^" + PLACE + rb"(" + NAMED + rb".*\})\n")
_PLAIN_EVENTS = re.compile(rb"(?m)^" + PLACE + rb"(" + PLAIN_BEGINNING + rb"(\{.*\})\})\n")
_found: Callable[[tuple[Any, ...]], FoundEvent] = partial(tuple.__new__, FoundEvent)  # pyright: ignore[reportUnknownMemberType]

Lines = Sequence[bytes | None]
"""Lines without their ends; None for one that is too long."""


def page_of(lines: Iterable[bytes | None], most: int) -> Lines:
    """Take so many lines, or fewer: it ends with the one with which they come to a MiB.

    Args:
        lines: Those that are left.
        most: How many.
    """
    page: list[bytes | None] = []
    size = 0
    for line in islice(lines, most):
        page.append(line)
        size += len(line or b"")
        if size >= _PAGE_BYTES:
            break
    return page


def events_of(lines: Lines) -> Sequence[FoundEvent | None]:
    """Return the event of each line, of which it was checked whose it is; None when it has none.

    Args:
        lines: Of one page.
    """
    found = _EVENTS.findall(_block(lines))
    if len(found) != len(lines):
        return [None if line is None else _found_in(line) for line in lines]
    return [
        _found((int(sequence), int(position), _text(name), b"{" + record, unhexlify(digest), None))
        for _, sequence, position, digest, record, name in found
    ]


def plain_events(lines: Lines) -> Sequence[tuple[bytes, ...]]:
    """Return the parts of lines that are all spelled as the log spells its own; else nothing.

    Nobody has looked yet whether the time is on the calendar and whether the data can be read.

    Args:
        lines: Of one page.

    Returns:
        Of each, as it stands there: session, sequence, position and digest; the record without its
        first brace; its id, type, version, time, turn, which may be empty, and data.
    """
    block = _block(lines)
    if b"\r" in block or not _is_text(block):
        return ()
    found = _PLAIN_EVENTS.findall(block)
    return found if len(found) == len(lines) else ()


def _found_in(line: bytes) -> FoundEvent | None:
    event = event_of(line)
    return event and FoundEvent(*event[1:])


@lru_cache(maxsize=1024)
def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _block(lines: Lines) -> bytes:
    return b"".join([line + b"\n" for line in lines if line is not None])


def _is_text(block: bytes) -> bool:
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False
