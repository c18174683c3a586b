"""Many sessions of one app that patch the same shared key space, beside sessions that do not."""

import asyncio
import json
from itertools import count

from bench import cairn
from bench.cairn import APP, new_sessions
from bench.figures import Figure, at_least
from bench.lab import Lab
from bench.load import Load, latencies, median_load, percentile, run, send_all
from bench.servers import Server
from bench.wire import Request, get, patch, post

_PATCHERS = 64
_BYSTANDERS = 16
_UNTOUCHED = 0.8


async def scopes(lab: Lab) -> list[Figure]:
    """Patches of one app scope by 64 sessions; what 16 others notice of it; and what is lost."""
    server = await lab.cairn()
    patching = await new_sessions(server, _PATCHERS)
    others = await new_sessions(server, _BYSTANDERS)
    quiet, beside, patched = [], [], []
    for _ in range(lab.sizes.rounds):
        quiet.append(await _append(server, others, lab.sizes.seconds))
        alone, both = await _both(server, patching, others, lab.sizes.seconds)
        patched.append(alone)
        beside.append(both)
    calm, busy, shared = median_load(quiet), median_load(beside), median_load(patched)
    # Both kinds share one processor and one database: a fair share is what the patches leave.
    kept = busy.rate / calm.rate if calm.rate else 0.0
    plain = await _plain_beside(server, patching, others, lab.sizes.seconds)
    fair = busy.rate / plain.rate if plain.rate else 0.0
    lost = await _lost(server, patching)
    return [
        Figure(
            measure="scopes",
            title=f"patches of one app's shared keys, {_PATCHERS} sessions at once",
            unit="/s",
            value=shared.rate,
            note=f"p99 {shared.p99:.1f} ms",
        ),
        Figure(
            measure="scopes",
            title=f"{_BYSTANDERS} sessions that do not touch them, meanwhile",
            unit="/s",
            value=busy.rate,
            floor=plain.rate,
            floor_name="the same beside patches of the sessions' own keys",
            target=at_least(fair, _UNTOUCHED, f"at least {_UNTOUCHED:g} of that beside own keys"),
            note=f"{kept:.2f} of what they do alone",
        ),
        Figure(
            measure="scopes",
            title="updates lost of 64 sessions that each count 50 times on a key of their own",
            unit="events",
            value=float(lost),
            target=at_least(-lost, 0, "none"),
        ),
    ]


async def _append(server: Server, sessions: list[str], seconds: float) -> Load:
    requests = [cairn.append(session) for session in sessions]
    return await run(server.port, requests, len(sessions), seconds)


async def _both(
    server: Server, patching: list[str], others: list[str], seconds: float, prefix: str = "app:"
) -> tuple[Load, Load]:
    numbers = count()
    requests = [
        _patch(session, f"{prefix}key-{next(numbers) % 8}", n)
        for n in range(40)
        for session in patching
    ]
    first, second = await asyncio.gather(
        run(server.port, requests, len(patching), seconds), _append(server, others, seconds)
    )
    return first, second


async def _plain_beside(
    server: Server, patching: list[str], others: list[str], seconds: float
) -> Load:
    """What the others do beside patches that share nothing."""
    _, beside = await _both(server, patching, others, seconds, prefix="")
    return beside


async def _lost(server: Server, patching: list[str]) -> int:
    """Have each session count up a shared key of its own, all at once; return what is missing."""
    for number in range(1, 51):
        await send_all(
            server.port,
            (_patch(session, f"app:of-{session}", number) for session in patching),
        )
    answer = (await send_all(server.port, [get(f"/v1/apps/{APP}/state")], 1))[0]
    state = json.loads(answer.body)["state"]
    return sum(50 - int(state.get(f"app:of-{session}", 0)) for session in patching)


def _patch(session: str, key: str, value: object) -> Request:
    return patch(f"/v1/sessions/{session}/state", {"set": {key: value}})


async def forks(lab: Lab) -> list[Figure]:
    """A fork of a long session beside one of a short one: nothing of the history is copied."""
    server = await lab.cairn()
    short, long = await new_sessions(server, 2)
    await cairn.grow(server, [short], 10)
    await cairn.grow(server, [long], lab.sizes.snapshot_events)
    times: dict[str, list[float]] = {short: [], long: []}
    for _ in range(max(lab.sizes.samples // 10, 5)):
        for session in (short, long):
            times[session].append(await _timed(server, post(f"/v1/sessions/{session}/fork", {})))
    forked = await send_all(server.port, [post(f"/v1/sessions/{long}/fork", {})], 1)
    made = json.loads(forked[0].body)["session"]["id"]
    again = max(lab.sizes.samples // 10, 5)
    reads = await latencies(server.port, [cairn.snapshot(made)] * again, (200,))
    few, many = percentile(times[short], 50), percentile(times[long], 50)
    return [
        Figure(
            measure="forks",
            title=f"fork of a session of {lab.sizes.snapshot_events:,} messages",
            unit="ms",
            value=many,
            floor=few,
            floor_name="fork of a session of 10",
            target=at_least(-many, -max(5 * few, few + 5), "within 5 ms or 5 times the short one"),
        ),
        Figure(
            measure="forks",
            title="snapshot of that fork",
            unit="ms",
            value=percentile(reads, 50),
        ),
    ]


async def _timed(server: Server, request: Request) -> float:
    return (await latencies(server.port, [request], (200, 201)))[0]
