"""What `/metrics` says of HTTP, counted for a turn of the loop and handed over at once."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import REGISTRY, Histogram
from prometheus_client.metrics_core import Metric

from api.http.around.tally import RequestTally

_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_AMOUNTS = (0.0, 0.001, 0.0011, 0.0625, 0.0625, 0.25, 5.0, 5.5, 600.0)


def _seconds_of(metrics: Sequence[Metric], route: str) -> dict[tuple[str, str], float]:
    return {
        (one.name, one.labels.get("le", "")): one.value
        for metric in metrics
        for one in metric.samples
        if one.labels.get("route") == route and not one.name.endswith("_created")
    }


async def test_many_requests_are_observed_as_one_by_one():
    tally = RequestTally()
    for seconds in _AMOUNTS:
        tally.count("GET", "/tally/{name:str}", 200, seconds)
    tally.count("GET", "/tally/{name:str}", 503, None)
    await asyncio.sleep(0)

    alone = Histogram("cairn_http_request_seconds", ".", ["route"], registry=None, buckets=_BOUNDS)
    for seconds in _AMOUNTS:
        alone.labels("/tally/{name}").observe(seconds)
    counted = [one for one in REGISTRY.collect() if one.name == "cairn_http_request_seconds"]
    found = _seconds_of(counted, "/tally/{name}")
    assert len(found) == len(_BOUNDS) + 3
    assert found == pytest.approx(_seconds_of([*alone.collect()], "/tally/{name}"))
    for status, many in ((200, len(_AMOUNTS)), (503, 1)):
        labels = {"method": "GET", "route": "/tally/{name}", "status": str(status)}
        assert REGISTRY.get_sample_value("cairn_http_requests_total", labels) == many


async def test_whatever_begins_after_a_request_finds_it_counted():
    tally = RequestTally()
    labels = {"method": "GET", "route": "/tally", "status": "200"}

    async def scrape() -> float | None:
        return REGISTRY.get_sample_value("cairn_http_requests_total", labels)

    for times in (1, 2):
        tally.count("GET", "/tally", 200, None)
        assert await asyncio.create_task(scrape()) == times
