"""Makes load and measures it: many connections for a rate, one connection for a latency.

Rates come from `wrk` when it is on PATH, else from this file run as a process of its own
(`python -m bench.load PLAN`). Whichever it is drives Cairn and the floors alike.
"""

import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import uvloop

from bench.wire import HOST, Client, Request, Response

_LUA = Path(__file__).with_name("wrk.lua")
_WRK_THREADS = 2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Load:
    """What one stretch of load gave. Latencies in milliseconds."""

    rate: float
    p50: float
    p99: float
    requests: int
    errors: int


def generator_name() -> str:
    """Which load generator this run uses."""
    return "wrk" if shutil.which("wrk") else "the built-in asyncio generator (wrk is not on PATH)"


def percentile(samples: Sequence[float], q: float) -> float:
    """The value below which `q` per cent of the samples lie."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q / 100))]


async def run(port: int, requests: Sequence[Request], connections: int, seconds: float) -> Load:
    """Send the requests in turn, for ever, over so many connections; successes count."""
    with tempfile.TemporaryDirectory(prefix="cairn-load-") as folder:
        plan = Path(folder, "plan")
        command = shutil.which("wrk")
        if command:
            argv, environment = _wrk(command, plan, port, requests, connections, seconds)
        else:
            argv, environment = _built_in(plan, port, requests, connections, seconds)
        process = await asyncio.create_subprocess_exec(
            *argv,
            env={**os.environ, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    found = [line for line in output.decode().splitlines() if line.startswith("LOAD ")]
    if not found:
        raise RuntimeError(f"the load generator failed: {output.decode()[-500:]}")
    load = Load(**json.loads(found[0][5:]))
    if load.errors > load.requests // 100:
        raise RuntimeError(f"{load.errors} of {load.requests + load.errors} requests failed")
    return load


def _wrk(
    command: str,
    plan: Path,
    port: int,
    requests: Sequence[Request],
    connections: int,
    seconds: float,
) -> tuple[list[str], dict[str, str]]:
    plan.write_text("".join(f"{r.method}\t{r.path}\t{r.body.decode()}\n" for r in requests))
    threads = min(connections, _WRK_THREADS, len(requests))
    argv = [command, f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    argv += ["--timeout", "30s", "-s", str(_LUA), f"http://{HOST}:{port}"]
    return argv, {"LOAD_PLAN": str(plan), "LOAD_THREADS": str(threads)}


def _built_in(
    plan: Path, port: int, requests: Sequence[Request], connections: int, seconds: float
) -> tuple[list[str], dict[str, str]]:
    rendered = [r.render().decode() for r in requests]
    plan.write_text(json.dumps([port, connections, seconds, rendered]))
    return [sys.executable, "-m", "bench.load", str(plan)], {}


async def generate(port: int, requests: list[bytes], connections: int, seconds: float) -> Load:
    """The built-in generator: each connection goes round its own share of the requests."""
    clients = await asyncio.gather(*(Client.connect(port) for _ in range(connections)))
    samples: list[float] = []
    errors = 0
    started = perf_counter()
    end = started + seconds

    async def drive(client: Client, mine: list[bytes]) -> None:
        nonlocal errors
        for request in cycle(mine):
            before = perf_counter()
            if before >= end:
                return
            answer = await client.send(request)
            if answer.status < 400:
                samples.append((perf_counter() - before) * 1e3)
            else:
                errors += 1

    shares = [requests[i::connections] or [requests[i % len(requests)]] for i in range(connections)]
    await asyncio.gather(*(drive(c, share) for c, share in zip(clients, shares, strict=True)))
    took = perf_counter() - started
    return Load(
        rate=len(samples) / took,
        p50=percentile(samples, 50) if samples else 0.0,
        p99=percentile(samples, 99) if samples else 0.0,
        requests=len(samples),
        errors=errors,
    )


async def send_all(port: int, requests: Iterable[Request], connections: int = 64) -> list[Response]:
    """Send each request once (for seeding); an answer that is not a success is an error."""
    todo = enumerate(requests)
    answers: list[tuple[int, Response]] = []
    clients = await asyncio.gather(*(Client.connect(port) for _ in range(connections)))

    async def drain(client: Client) -> None:
        for number, request in todo:
            answers.append((number, (await client.send(request)).expect(200, 201, 202)))

    try:
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(drain(client))
    finally:
        for client in clients:
            client.close()
    return [answer for _, answer in sorted(answers)]


async def latencies(
    port: int, requests: Iterable[Request], expect: Sequence[int] = (200, 201)
) -> list[float]:
    """Send the requests one after the other over one connection; milliseconds of each."""
    client = await Client.connect(port)
    samples: list[float] = []
    for data in [request.render() for request in requests]:
        before = perf_counter()
        answer = await client.send(data)
        samples.append((perf_counter() - before) * 1e3)
        answer.expect(*expect)
    client.close()
    return samples


async def alternate(rounds: int, *sides: Callable[[], Awaitable[T]]) -> list[list[T]]:
    """Run the sides in turn (A B, B A, A B ...), so that a drift of the machine hits them alike."""
    results: list[list[T]] = [[] for _ in sides]
    for number in range(rounds):
        order = range(len(sides)) if number % 2 == 0 else reversed(range(len(sides)))
        for side in order:
            results[side].append(await sides[side]())
    return results


def median_load(loads: Sequence[Load]) -> Load:
    """The middle of several stretches, figure by figure."""
    return Load(
        rate=statistics.median(load.rate for load in loads),
        p50=statistics.median(load.p50 for load in loads),
        p99=statistics.median(load.p99 for load in loads),
        requests=sum(load.requests for load in loads),
        errors=sum(load.errors for load in loads),
    )


if __name__ == "__main__":
    _port, _connections, _seconds, _requests = json.loads(Path(sys.argv[1]).read_text())
    _result = uvloop.run(generate(_port, [r.encode() for r in _requests], _connections, _seconds))
    print("LOAD", json.dumps(asdict(_result)))
