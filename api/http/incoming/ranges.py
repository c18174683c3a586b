"""Which bytes of an answer a client wants (RFC 9110, section 14), and whether it has them."""

import re
from typing import NamedTuple

from api.http.incoming.requests import HttpRequest, header

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.ASCII | re.IGNORECASE)
_ETAG = re.compile(r'(?:W/)?"([^"]*)"')


class ByteRange(NamedTuple):
    """Some bytes of a whole: from `start` to before `end`."""

    start: int
    end: int


def range_of(request: HttpRequest, size: int, etag: str) -> ByteRange | None:
    """Return the bytes that a client wants; None when it wants all of them.

    More than one range, another unit and what makes no sense count as none, as the standard allows.

    Args:
        request: Whose header Range.
        size: Bytes of the whole, at least 1.
        etag: Of the whole, with its quotes: another one in If-Range wants all of it.

    Raises:
        ValueError: It wants bytes behind the end.
    """
    found = _RANGE.fullmatch((header(request, b"range") or "").strip())
    condition = header(request, b"if-range")
    if found is None or not (found[1] or found[2]) or (condition or etag).strip() != etag:
        return None
    if not found[1]:
        length = int(found[2])
        if not length:
            raise ValueError("it wants the last 0 bytes")
        return ByteRange(max(size - length, 0), size)
    start, last = int(found[1]), int(found[2] or size - 1)
    if found[2] and last < start:
        return None
    if start >= size:
        raise ValueError(f"it wants bytes from {start} on, of {size}")
    return ByteRange(start, min(last + 1, size))


def has_already(request: HttpRequest, etag: str) -> bool:
    """Return whether the client has what has this ETag, by If-None-Match.

    Args:
        request: Whose condition.
        etag: With its quotes.
    """
    given = header(request, b"if-none-match")
    if given is None:
        return False
    return given.strip() == "*" or etag.strip('"') in _ETAG.findall(given)
