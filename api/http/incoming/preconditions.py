"""ETags of requests (RFC 9110, section 13): which sequences a client allows, or has already."""

import re

from api.http.incoming.requests import HttpRequest, header
from api.http.outgoing.problems import Problem

_ETAG = re.compile(r'\s*(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
_OURS = re.compile(r"0|[1-9]\d{0,18}", re.ASCII)


def expected_of(request: HttpRequest) -> frozenset[int] | None:
    """Return the sequences that If-Match allows; None when it allows any.

    A weak ETag counts as the strong one, for proxies that compress answers make ETags weak. An ETag
    of another form allows nothing.

    Args:
        request: Whose condition.

    Raises:
        Problem: 400, it is not a list of ETags.
    """
    given = header(request, b"if-match")
    if given is None or given.strip() == "*":
        return None
    sequences = _sequences(given)
    if sequences is None:
        raise Problem(
            "malformed_header", 'If-Match must be an ETag such as "7", several of them, or *'
        )
    return sequences


def refuse_conditions(request: HttpRequest, *, but_key: bool = False) -> None:
    """Refuse conditions of a request that is not about a session, rather than overlook them.

    Args:
        request: Whose headers.
        but_key: It heeds an Idempotency-Key.

    Raises:
        Problem: 400, it has one of them.
    """
    for name in (b"if-match",) if but_key else (b"if-match", b"idempotency-key"):
        if header(request, name) is not None:
            raise Problem("malformed_header", f"leave {name.decode()} out: it is about sessions")


def is_current(request: HttpRequest, sequence: int) -> bool:
    """Return whether the client has this very sequence already, by If-None-Match.

    Args:
        request: Whose condition; one that is no list of ETags counts as none.
        sequence: The newest there is.
    """
    given = header(request, b"if-none-match")
    if given is None:
        return False
    return given.strip() == "*" or sequence in (_sequences(given) or ())


def _sequences(given: str) -> frozenset[int] | None:
    """Return the sequences in a list of ETags; None when it is no such list."""
    found: set[int] = set()
    at = 0
    while True:
        one = _ETAG.match(given, at)
        if one is None:
            return None
        if _OURS.fullmatch(one[1]):
            found.add(int(one[1]))
        at = one.end()
        if at == len(given):
            return frozenset(found)
        if given[at] != ",":
            return None
        at += 1
