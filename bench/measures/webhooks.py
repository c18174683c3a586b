"""Webhooks: do they keep up with 1,000 events a second, and do the writers feel it?"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter

import msgspec

from bench import cairn, load
from bench.figures import Figure, Target, at_least, at_most
from bench.lab import Lab
from bench.receiver import Seen
from bench.servers import ROOT, Server, free_port
from bench.wire import HOST, Client, Request, Response, get, post

_RATE = 1_100
_AIM = 1_000
_CONNECTIONS = 16
_RATIO = 1.2
_ROUNDS = 4
_BACKLOG = 20_000
_CAUGHT_UP_WITHIN = 30.0
_ALLOWED = {"CAIRN_WEBHOOK_PRIVATE_TARGETS": "true"}


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Milliseconds of each append, and what the receiver had of them."""

    latencies: list[float]
    delivered: float = 0.0
    deliveries: int = 0
    behind: float = 0.0


async def webhooks(lab: Lab) -> list[Figure]:
    """The same writers with a webhook and without, in turns; then a backlog."""
    rounds = max(_ROUNDS, lab.sizes.rounds)
    await lab.rest()
    async with lab.own_cairn(environment=_ALLOWED) as server, _receiver() as port:
        sessions = await cairn.new_sessions(server, 64)
        await _write(server, sessions, 1.0)
        without, told = await load.alternate(
            rounds,
            partial(_alone, server, sessions, lab.sizes.seconds),
            partial(_told, server, sessions, lab.sizes.seconds, port),
        )
        backlog, events = await _backlog(server, port)
        gaps = (await _seen(port)).gaps
    p99 = [median(load.percentile(one.latencies, 99) for one in side) for side in (told, without)]
    p50 = [median(load.percentile(one.latencies, 50) for one in side) for side in (told, without)]
    rate = median(one.delivered for one in told)
    # Two webhooks after each other begin anew: that is one gap each, and no other.
    in_order = gaps <= len(told) + 1
    return [
        Figure(
            measure="webhooks",
            title=f"one webhook while {_RATE:,} events/s are appended",
            value=rate,
            unit="events/s",
            target=Target(f"at least {_AIM:,}/s, in order", rate >= _AIM and in_order),
            note="" if in_order else f"{gaps} gaps",
            detail={
                "last_event_behind_ms": median(one.behind for one in told),
                "deliveries_per_s": median(one.deliveries for one in told) / lab.sizes.seconds,
            },
        ),
        Figure(
            measure="webhooks",
            title=f"append at {_RATE:,}/s beside a webhook, p99",
            value=p99[0],
            unit="ms",
            floor=p99[1],
            floor_name="the same without a webhook",
            target=at_most(p99[0], _RATIO * p99[1], "at most 1.2 x without"),
            detail={
                "p50_ms": p50[0],
                "p50_without_ms": p50[1],
                "p99_ms": [load.percentile(one.latencies, 99) for one in told],
                "p99_without_ms": [load.percentile(one.latencies, 99) for one in without],
            },
        ),
        Figure(
            measure="webhooks",
            title=f"a backlog of {events:,} events to one webhook",
            value=backlog,
            unit="events/s",
            target=at_least(backlog, _AIM, f"at least {_AIM:,}/s"),
        ),
    ]


@asynccontextmanager
async def _receiver() -> AsyncIterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.receiver", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    await _seen(port)
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


async def _seen(port: int) -> Seen:
    return msgspec.json.decode((await _ask(port, get("/"))).body, type=Seen)


async def _alone(server: Server, sessions: list[str], seconds: float) -> _Stretch:
    return _Stretch(await _write(server, sessions, seconds))


async def _told(server: Server, sessions: list[str], seconds: float, port: int) -> _Stretch:
    before = await _seen(port)
    webhook = await _make(server, port, "now")
    started = time.time()
    latencies = await _write(server, sessions, seconds)
    written = time.time()
    seen = await _until(port, before.events + len(latencies))
    await _end(server, webhook)
    return _Stretch(
        latencies=latencies,
        delivered=len(latencies) / (seen.newest_at - started),
        deliveries=seen.deliveries - before.deliveries,
        behind=(seen.newest_at - written) * 1e3,
    )


async def _backlog(server: Server, port: int) -> tuple[float, int]:
    """Events a second of those that are there, nobody writing; and how many."""
    before = await _seen(port)
    head: int = (await _ask(server.port, cairn.page_of_all(0, 1))).json()["head"]
    events = min(head, _BACKLOG)
    started = time.time()
    webhook = await _make(server, port, head - events)
    seen = await _until(port, before.events + events)
    await _end(server, webhook)
    return events / (seen.newest_at - started), events


async def _make(server: Server, port: int, begin: int | str) -> str:
    body = {"url": f"http://{HOST}:{port}/", "from": begin, "batch": 500}
    webhook: str = (await _ask(server.port, post("/v1/webhooks", body))).json()["id"]
    return webhook


async def _end(server: Server, webhook: str) -> None:
    await _ask(server.port, Request("DELETE", f"/v1/webhooks/{webhook}"))


async def _ask(port: int, request: Request) -> Response:
    """Send one request over a connection of its own: idle ones are closed by servers."""
    client = await Client.connect(port)
    try:
        return (await client.send(request)).expect(200, 201)
    finally:
        client.close()


async def _until(port: int, events: int) -> Seen:
    deadline = perf_counter() + _CAUGHT_UP_WITHIN
    while (seen := await _seen(port)).events < events:
        if perf_counter() > deadline:
            raise RuntimeError(f"only {seen.events} of {events} events were delivered in time")
        await asyncio.sleep(0.05)
    return seen


async def _write(server: Server, sessions: list[str], seconds: float) -> list[float]:
    """Append at a fixed rate; milliseconds of each, counted from when it was due."""
    clients = await asyncio.gather(*(Client.connect(server.port) for _ in range(_CONNECTIONS)))
    own = [sessions[number::_CONNECTIONS] for number in range(_CONNECTIONS)]
    plans = [[cairn.append(session).render() for session in mine] for mine in own]
    each = _CONNECTIONS / _RATE
    start = perf_counter() + 0.1
    latencies: list[float] = []

    async def drive(number: int, client: Client) -> None:
        due = start + number * each / _CONNECTIONS
        turn = 0
        while due < start + seconds:
            await asyncio.sleep(max(due - perf_counter(), 0.0))
            (await client.send(plans[number][turn % len(plans[number])])).expect(201)
            latencies.append((perf_counter() - due) * 1e3)
            due, turn = due + each, turn + 1

    try:
        await asyncio.gather(*(drive(number, client) for number, client in enumerate(clients)))
    finally:
        for client in clients:
            client.close()
    return latencies
