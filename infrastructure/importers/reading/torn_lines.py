"""JSON Lines of programs that were killed while they wrote: what can be read of them, in order."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple, cast

from application.transfer.foreign import Tally
from application.transfer.lines import LONGEST_LINE
from infrastructure.importers.reading.source_files import SourceLine
from infrastructure.importers.reading.values import Unreadable, decoded, object_of

_STARTS = re.compile(rb'\{"(?:parentUuid|type|timestamp|record_type)"')
_MOST_JOINED = 50
_LOOKED_THROUGH = 300
_raw_decoder = json.JSONDecoder()


class Entry(NamedTuple):
    """An object of a file, or something that could not be read.

    Args:
        number: Of its line, from 1.
        value: The object; empty for what could not be read.
        raw: What could not be read.
        reason: Why.
    """

    number: int
    value: dict[str, Any]
    raw: bytes | None = None
    reason: str = ""


def entries_of(lines: Iterable[SourceLine], tally: Tally) -> Iterator[Entry]:
    """Give the objects of a file, each in its place.

    A record that was cut, two on one line, runs of zeros and raw line ends inside of a text cost
    no more than the record that they destroyed.

    Args:
        lines: Of the file.
        tally: Where it is counted what had to be mended.
    """
    joined: list[SourceLine] = []
    for line in lines:
        if line.raw is None:
            yield from _give_up(joined, tally)
            joined = []
            yield Entry(line.number, {}, b"", f"it is longer than {LONGEST_LINE} bytes")
            continue
        raw = line.raw.removeprefix(b"\xef\xbb\xbf") if line.number == 1 else line.raw
        if b"\0" in raw:
            raw = raw.replace(b"\0", b"")
            tally.notes["zeros_dropped"] += 1
        if not raw.strip():
            continue
        if joined and (raw.lstrip().startswith(b"{") or len(joined) > _MOST_JOINED):
            yield from _give_up(joined, tally)
            joined = []
        joined.append(SourceLine(line.number, raw))
        whole = b"\\n".join(part.raw or b"" for part in joined)
        try:
            value = decoded(whole, tally)
        except Unreadable as error:
            if len(joined) == 1 and not raw.lstrip().startswith(b"{"):
                yield Entry(line.number, {}, raw, str(error))
                joined = []
            continue
        number = joined[0].number
        if len(joined) > 1:
            tally.notes["lines_joined"] += len(joined)
        joined = []
        if isinstance(value, dict):
            yield Entry(number, cast("dict[str, Any]", value))
        else:
            yield Entry(number, {}, whole, "it is no object")
    yield from _give_up(joined, tally)


def is_something_else(lines: Iterable[SourceLine]) -> bool:
    """Return whether a file has lines, and none of the first hundreds is an object.

    Args:
        lines: Of the file.
    """
    found = list(islice(entries_of(lines, Tally()), _LOOKED_THROUGH))
    return bool(found) and not any(entry.value for entry in found)


def _give_up(joined: list[SourceLine], tally: Tally) -> Iterator[Entry]:
    """Take apart what is no whole record: of the first line, and of those that followed it."""
    for line in joined:
        yield from _apart(line.number, line.raw or b"", tally)


def _apart(number: int, raw: bytes, tally: Tally) -> Iterator[Entry]:
    """Give the records of a line that holds several, or the last of one and its successor."""
    rest = raw
    while rest.strip():
        value, length = _first(rest, tally)
        if value is not None:
            tally.notes["records_glued"] += 1
            yield Entry(number, value)
            rest = rest[length:]
            continue
        # The record was cut where the next one begins.
        for start in _STARTS.finditer(rest, 1):
            found, _ = _first(rest[start.start() :], tally)
            if found is not None:
                yield Entry(number, {}, rest[: start.start()], "the record was cut")
                rest = rest[start.start() :]
                break
        else:
            yield Entry(number, {}, rest, _why(rest))
            return


def _first(raw: bytes, tally: Tally) -> tuple[dict[str, Any] | None, int]:
    """Return the object that a text begins with, and how many bytes it has."""
    try:
        text = raw.decode()
        blank = len(text) - len(text.lstrip())
        _, end = _raw_decoder.raw_decode(text, blank)
        length = len(text[:end].encode())
        value = object_of(decoded(raw[:length], tally))
    except (ValueError, RecursionError, Unreadable):
        return None, 0
    return (dict(value), length) if value else (None, 0)


def _why(raw: bytes) -> str:
    try:
        decoded(raw, Tally())
    except Unreadable as error:
        return str(error)
    return "it is no object"
