"""Large answers in fewer bytes, for clients that can read them (RFC 9110, section 12.5.3)."""

import asyncio
import gzip
import re
from typing import Any

from api.http.outgoing.responses import Reply

_SMALLEST = 8 * 1024
"""Bytes below which a smaller answer is not worth its making."""

_AT_ONCE = 64 * 1024
"""Bytes above which other requests would notice that the loop waits for it."""

_TEXT = re.compile(rb"text/|application/(?:[a-z.]+\+)?json\b|application/(?:jsonl|x-ndjson)\b")
_QUALITY = re.compile(rb"(gzip|x-gzip|identity|\*)\s*(?:;\s*q\s*=\s*([0-9.]+))?", re.IGNORECASE)


async def compressed(answer: Reply, scope: dict[str, Any]) -> Reply:
    """Return an answer as the client wants it: with gzip when it is large text, or as it is.

    A stream is never one of these, as it is not made as a whole.

    Args:
        answer: With its whole body.
        scope: Of its request; gets what the answer varies by.
    """
    names = dict(answer.head)
    is_text = _TEXT.match(names.get(b"content-type", b"")) is not None
    if len(answer.body) < _SMALLEST or not is_text or b"content-encoding" in names:
        return answer
    varies = scope.get("cairn_vary")
    scope["cairn_vary"] = b"Accept-Encoding" if varies is None else varies + b", Accept-Encoding"
    if not takes_gzip(scope["cairn_headers"].get(b"accept-encoding", b"")):
        return answer
    if len(answer.body) > _AT_ONCE:
        body = await asyncio.to_thread(gzip.compress, answer.body, 1, mtime=0)
    else:
        body = gzip.compress(answer.body, 1, mtime=0)
    return answer.encoded(body, "gzip")


def takes_gzip(accept: bytes) -> bool:
    """Return whether a client reads gzip, and likes it no less than the answer as it is.

    Args:
        accept: Its header Accept-Encoding; empty when it has sent none.
    """
    liked: dict[bytes, float] = {}
    for one in accept.split(b","):
        found = _QUALITY.fullmatch(one.strip())
        if found is not None:
            try:
                liked[found[1].lower()] = float(found[2] or 1)
            except ValueError:
                continue
    quality = liked.get(b"gzip", liked.get(b"x-gzip", liked.get(b"*", 0.0)))
    return quality > 0 and quality >= liked.get(b"identity", 0.0)
