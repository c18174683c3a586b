"""How many requests were answered, and how fast: what `/metrics` says of HTTP.

prometheus_client takes three locks and makes a dozen calls for one request, or writes to a file
that all workers share. So requests are counted in plain numbers, and handed over once in a turn of
the loop: it has that before it begins with whatever comes next, so a scrape misses none.
"""

import asyncio
import re
from bisect import bisect_left
from collections import Counter as Count
from functools import cache
from typing import Any

from prometheus_client import Counter, Histogram

_TYPE = re.compile(r":\w+}")


class _Seconds(Histogram):
    """A histogram that takes many at once."""

    def observe_all(self, amounts: list[float]) -> None:
        """Observe amounts, each as `observe` does.

        Args:
            amounts: At least one.
        """
        mine: Any = self  # its values have no types
        mine._sum.inc(sum(amounts))
        places = Count([bisect_left(mine._upper_bounds, one) for one in amounts])
        for place, many in places.items():
            mine._buckets[place].inc(many)


_REQUESTS = Counter(
    "cairn_http_requests_total", "Requests answered.", ["method", "route", "status"]
)
_SECONDS = _Seconds(
    "cairn_http_request_seconds",
    "Time to answer, streams and long polls left out.",
    ["method", "route"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


@cache
def _counter(method: str, route: str, status: int) -> Counter:
    return _REQUESTS.labels(method, _as_described(route), status)


@cache
def _histogram(method: str, route: str) -> _Seconds:
    return _SECONDS.labels(method, _as_described(route))


def _as_described(route: str) -> str:
    """Return a route as the OpenAPI document has it."""
    return _TYPE.sub("}", route)


class RequestTally:
    """Counts the requests of one turn of the loop."""

    def __init__(self) -> None:
        self._answered: list[tuple[str, str, int]] = []
        self._seconds: dict[tuple[str, str], list[float]] = {}

    def count(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count a request that was answered.

        Args:
            method: One that there is, or `other`.
            route: Its path, with the places of its parameters.
            status: Of the answer; 0 when its client had gone before.
            seconds: How long that took; None for what takes as long as its reader wants.
        """
        if not self._answered:
            asyncio.get_running_loop().call_soon(self._hand_over)
        self._answered.append((method, route, status))
        if seconds is not None:
            self._seconds.setdefault((method, route), []).append(seconds)

    def _hand_over(self) -> None:
        answered, self._answered = self._answered, []
        observed, self._seconds = self._seconds, {}
        for kind, many in Count(answered).items():
            _counter(*kind).inc(many)
        for (method, route), seconds in observed.items():
            _histogram(method, route).observe_all(seconds)
