"""Large answers in fewer bytes, for clients that can read them (RFC 9110, section 12.5.3).

A long transcript takes five times as long with gzip as with zstd, and is larger then.
"""

import asyncio
import gzip
import re
from collections.abc import Callable
from typing import Any, Final

from api.http.outgoing.responses import Reply
from application.zstd import zstd

SMALLEST = 8 * 1024
"""Bytes of a body below which a smaller answer is not worth its making."""

_AT_ONCE = 64 * 1024
"""Bytes above which other requests would notice that the loop waits for it."""

_TEXT = re.compile(rb"text/|application/(?:[a-z.]+\+)?json\b|application/(?:jsonl|x-ndjson)\b")
_QUALITY = re.compile(
    rb"(zstd|gzip|x-gzip|identity|\*)\s*(?:;\s*q\s*=\s*([0-9.]+))?", re.IGNORECASE
)


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)


def _zstd(body: bytes) -> bytes:
    # Its window stays far below the 8 MiB that a client must be able to hold (RFC 9659).
    return zstd.compress(body, level=1)


_CODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {"zstd": _zstd, "gzip": _gzip}


async def compressed(answer: Reply, scope: dict[str, Any]) -> Reply:
    """Return an answer as the client wants it: in a coding when it is large text, or as it is.

    A stream is never one of these, as it is not made as a whole.

    Args:
        answer: With its whole body, which is not one of the smallest.
        scope: Of its request; gets what the answer varies by.
    """
    names = dict(answer.head)
    is_text = _TEXT.match(names.get(b"content-type", b"")) is not None
    if not is_text or b"content-encoding" in names:
        return answer
    varies = scope.get("cairn_vary")
    scope["cairn_vary"] = b"Accept-Encoding" if varies is None else varies + b", Accept-Encoding"
    coding = coding_for(scope["cairn_headers"].get(b"accept-encoding", b""))
    if coding is None:
        return answer
    compress = _CODINGS[coding]
    body = answer.whole
    if len(body) > _AT_ONCE:
        body = await asyncio.to_thread(compress, body)
    else:
        body = compress(body)
    return answer.encoded(body, coding)


def coding_for(accept: bytes) -> str | None:
    """Return the coding that a client reads and likes most; None when it wants none.

    Of two that it likes alike it is zstd, and gzip is for who says only `*`.

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
    gzip_quality = liked.get(b"gzip", liked.get(b"x-gzip", liked.get(b"*", 0.0)))
    qualities = {"zstd": liked.get(b"zstd", 0.0), "gzip": gzip_quality}
    best = max(qualities, key=lambda coding: qualities[coding])
    wanted = qualities[best] > 0 and qualities[best] >= liked.get(b"identity", 0.0)
    return best if wanted else None
