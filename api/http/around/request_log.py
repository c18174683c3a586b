"""Which requests stand in the log of the server: all, or else those that fail or are slow.

While the store is away every request fails for the same reason, which the log has told when it
began. So requests that are refused with 503 have one line in ten seconds at most: it says how many
there were since the line before.
"""

import logging
from collections.abc import Callable
from time import monotonic

from litestar.types import HTTPScope

_SLOW_SECONDS = 1.0
_REFUSED_EVERY = 10.0
_UNAVAILABLE = 503

_logger = logging.getLogger("cairn.http")


class RequestLog:
    """Writes a line about a request that was answered.

    Args:
        everything: Whether each request has its line.
        clock: Seconds that only grow.
    """

    def __init__(self, *, everything: bool, clock: Callable[[], float] = monotonic) -> None:
        self._everything = everything
        self._clock = clock
        self._refused_at = -_REFUSED_EVERY
        self._refused = 0

    def answered(self, scope: HTTPScope, status: int, seconds: float, request_id: str) -> None:
        """Write the line, if the request is to have one.

        Args:
            scope: The request.
            status: What it was answered with; 0 when its client had gone before.
            seconds: How long that took.
            request_id: Its name.
        """
        if not (self._everything or status >= 500 or seconds > _SLOW_SECONDS):
            return
        fields: dict[str, object] = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "ms": round(seconds * 1000, 1),
            "request_id": request_id,
        }
        if status == _UNAVAILABLE and not self._everything:
            self._refused += 1
            now = self._clock()
            if now - self._refused_at < _REFUSED_EVERY:
                return
            if self._refused > 1:
                fields["refused"] = self._refused
            self._refused_at, self._refused = now, 0
        level = logging.ERROR if status >= 500 else logging.INFO
        _logger.log(level, "request", extra={"fields": fields})
