"""Requests that two servers sign with a secret they share: HMAC-SHA256 over what is sent.

The scheme is that of agentapi-proxy: the method, the request target as it stands on the request
line, the text of the timestamp and the body, joined by line feeds; nothing is normalised.
"""

import hmac
import re
from collections.abc import Iterable
from hashlib import sha256

SIGNATURE = "X-Hub-Signature-256"
TIMESTAMP = "X-Timestamp"
WINDOW_SECONDS = 300
"""How far a timestamp may be from the clock, before it and after it."""

_TIMESTAMP = re.compile(r"\+?[0-9]{1,19}")


def sign(secret: bytes, method: str, target: bytes, timestamp: str, body: bytes) -> str:
    """Return the signature of a request, as its header has it.

    Args:
        secret: What both sides know.
        method: Such as `POST`, in any case.
        target: Path and query, with every escape as it is sent.
        timestamp: Seconds since 1970, as text.
        body: All of it; empty when there is none.
    """
    head = b"\n".join((method.upper().encode(), target, timestamp.encode("latin-1")))
    return "sha256=" + hmac.new(secret, head + b"\n" + body, sha256).hexdigest()


def is_signed(
    shown: str, secrets: Iterable[bytes], method: str, target: bytes, timestamp: str, body: bytes
) -> bool:
    """Return whether one of several secrets has made a signature; it takes the same time for each.

    Args:
        shown: The signature, as its header has it.
        secrets: Those that are in use.
        method: Of the request.
        target: Path and query, as they came.
        timestamp: As its header has it.
        body: All of it.
    """
    given = shown.encode("utf-8", "surrogatepass")
    found = False
    for secret in secrets:
        wanted = sign(secret, method, target, timestamp, body)
        found |= hmac.compare_digest(given, wanted.encode())
    return found


def is_in_time(timestamp: str, now: float) -> bool:
    """Return whether a timestamp is one, and near enough to now.

    Args:
        timestamp: As its header has it.
        now: Seconds since 1970.
    """
    if not _TIMESTAMP.fullmatch(timestamp):
        return False
    # Of whole numbers nothing overflows, however far the timestamp is away.
    return abs(int(timestamp) - now) <= WINDOW_SECONDS
