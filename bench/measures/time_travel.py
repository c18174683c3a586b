"""A long session at any moment, what differs, and all that follows from the log anew."""

import asyncio
import json
import random
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

import httpx

from bench import cairn, load
from bench.figures import Figure, at_least, at_most
from bench.lab import Lab
from bench.measures.audit import database_of, long_session, services_of
from bench.servers import HOST

_SNAPSHOT_MS, _DIFF_MS = 60.0, 120.0
_REBUILT = 25_000
_MOST_SAMPLES = 60
_WRITERS, _BATCH = 10, 50
_SESSIONS = 20
_CAIRN = Path(sys.executable).parent / "cairn"


async def past(lab: Lab) -> list[Figure]:
    """Snapshots of a long session at any sequence, and what differs between two of them."""
    events, samples = lab.sizes.audited, min(lab.sizes.samples, _MOST_SAMPLES)
    chosen = random.Random(7)
    with database_of(lab, "bench_past") as url:
        async with services_of(url) as services:
            session_id = await long_session(services, events)
            head = (await services.queries.session(session_id)).sequence
        async with lab.cairn_on(url) as server:
            snapshots, diffs = list[float](), list[float]()
            base = f"http://{HOST}:{server.port}/v1/sessions/{session_id}"
            async with httpx.AsyncClient(timeout=60) as client:
                for _ in range(samples):
                    at, other = sorted(chosen.sample(range(1, head + 1), 2))
                    snapshots.append(await _milliseconds(client, f"{base}/snapshot?at={at}"))
                    asked = f"{base}/diff?from={at}&to={other}"
                    diffs.append(await _milliseconds(client, asked))
    return [
        _figure(f"snapshot at any sequence of {head:,} events, p50", snapshots, _SNAPSHOT_MS),
        _figure("what differs between any two of them, p50", diffs, _DIFF_MS),
    ]


def _figure(title: str, samples: list[float], most: float) -> Figure:
    return Figure(
        measure="past",
        title=title,
        value=median(samples),
        unit="ms",
        target=at_most(median(samples), most, f"under {most:g} ms"),
        detail={"p99_ms": load.percentile(samples, 99)},
    )


async def _milliseconds(client: httpx.AsyncClient, url: str) -> float:
    began = perf_counter()
    (await client.get(url)).raise_for_status()
    return 1000 * (perf_counter() - began)


async def rebuild(lab: Lab) -> list[Figure]:
    """All read models anew, while a server appends at half of the rate that is asked for."""
    with database_of(lab, "bench_rebuild") as url:
        async with services_of(url) as services:
            for _ in range(_SESSIONS):
                await long_session(services, lab.sizes.audited // _SESSIONS)
        async with lab.cairn_on(url) as server:
            writers = _Writers(f"http://{HOST}:{server.port}")
            async with writers:
                began, before = perf_counter(), writers.written
                process = await asyncio.create_subprocess_exec(
                    *(_CAIRN, "rebuild", "--json", "--database-url", url),
                    stdout=asyncio.subprocess.PIPE,
                )
                said, _ = await process.communicate()
                seconds, written = perf_counter() - began, writers.written - before
    report: dict[str, Any] = json.loads(said)
    if process.returncode != 0 or not report["ok"]:
        raise RuntimeError(f"the rebuild has failed: {said!r}")
    rate = report["events"] / seconds
    return [
        Figure(
            measure="rebuild",
            title=f"rebuild of {report['events']:,} events, beside appends, with its start",
            value=rate,
            unit="events/s",
            target=at_least(rate, _REBUILT, f"at least {_REBUILT:,}/s"),
            detail={"appended_per_second": written / seconds, "seconds": seconds},
        )
    ]


class _Writers:
    """Clients that append batches at half of the rate at which is to be rebuilt.

    Args:
        base: The URL of the server.
    """

    def __init__(self, base: str) -> None:
        self._client = httpx.AsyncClient(base_url=base, timeout=60)
        self._tasks: list[asyncio.Task[None]] = []
        self.written = 0

    async def __aenter__(self) -> None:
        for _ in range(_WRITERS):
            made = await self._client.post("/v1/sessions", json={"app": "bench", "user": "writer"})
            path = f"/v1/sessions/{UUID(made.json()['session']['id'])}/turns"
            parts = [{"type": "text", "text": "go"}]
            asked = {"turn_id": "t", "input": {"parts": parts}}
            (await self._client.post(path, json=asked)).raise_for_status()
            self._tasks.append(asyncio.create_task(self._write(f"{path}/t/events")))

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _write(self, path: str) -> None:
        said = {
            "type": "agent.message",
            "data": {"parts": [{"type": "text", "text": cairn.text()}]},
        }
        pause = _WRITERS * _BATCH / (_REBUILT / 2)
        due = perf_counter()
        while True:
            await asyncio.sleep(max(due - perf_counter(), 0))
            (await self._client.post(path, json={"events": [said] * _BATCH})).raise_for_status()
            self.written += _BATCH
            due = max(due + pause, perf_counter() - 1)
