"""Appending over HTTP: how many a second, how late at worst, and whether history slows it."""

from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from statistics import median

from bench import cairn, floors, load
from bench.figures import Figure, Target, at_least, at_most
from bench.lab import Lab
from bench.wire import Request

_INSERT = "bare ASGI + one INSERT"
_TIMES = 1.3
_BATCH, _BATCH_MICROS = 100, 40
_WARM = 5


async def throughput(lab: Lab) -> list[Figure]:
    """64 connections over 64 sessions, against an INSERT per request and a validated no-op."""
    server, floor, litestar = await lab.cairn(), await lab.floor(), await lab.litestar()
    requests = [cairn.append(session) for session in await cairn.new_sessions(server, 64)]
    seconds, rounds = lab.sizes.seconds, lab.sizes.rounds
    sides = (
        (server.port, requests),
        (floor.port, floors.writes("insert")),
        (litestar.port, floors.writes("noop")),
    )
    for port, plan in sides:
        await load.run(port, plan, 64, 1)
    both = (server, floor)
    began = [one.processor_seconds() for one in both]
    runs = await load.alternate(
        rounds, *(partial(load.run, port, plan, 64, seconds) for port, plan in sides)
    )
    ended = [one.processor_seconds() for one in both]
    ours, insert, noop = (load.median_load(side) for side in runs)
    ours_costs, insert_costs = map(_micros_each, began, ended, (ours, insert))
    rates: dict[str, object] = {
        "cairn": [run.rate for run in runs[0]],
        "insert": [run.rate for run in runs[1]],
        "litestar": [run.rate for run in runs[2]],
        "cairn_p50_ms": ours.p50,
        "cairn_p99_ms": ours.p99,
    }
    title = "HTTP append, 64 connections"
    return [
        Figure(
            measure="throughput",
            title=title,
            value=ours.rate,
            unit="/s",
            floor=insert.rate,
            floor_name=_INSERT,
            target=_judged(
                ours,
                at_least(ours.rate, _TIMES * insert.rate, f"at least {_TIMES} x the floor"),
            ),
            note=_refused(ours),
            detail=rates,
        ),
        Figure(
            measure="throughput",
            title=f"{title}, beside a framework that stores nothing",
            value=ours.rate,
            unit="/s",
            floor=noop.rate,
            floor_name="Litestar + pydantic, no store",
            target=_judged(ours, at_least(ours.rate, noop.rate / 2, "at least half of the floor")),
        ),
        Figure(
            measure="throughput",
            title=f"{title}, processor time of the server for each",
            value=ours_costs,
            unit="µs",
            floor=insert_costs,
            floor_name=_INSERT,
            note="" if ours_costs is not None else "this system has no /proc",
        ),
    ]


def _micros_each(began: float | None, ended: float | None, run: load.Load) -> float | None:
    """Return the processor time of a request in microseconds."""
    if began is None or ended is None:
        return None
    return (ended - began) * 1e6 / run.requests


async def tail_latency(lab: Lab) -> list[Figure]:
    """16 connections: the slowest one in a hundred."""
    server, floor = await lab.cairn(), await lab.floor()
    requests = [cairn.append(session) for session in await cairn.new_sessions(server, 64)]
    sides = ((server.port, requests), (floor.port, floors.writes("insert")))
    for port, plan in sides:
        await load.run(port, plan, 16, 1)
    runs = await load.alternate(
        max(3, lab.sizes.rounds),  # a p99 is easily disturbed
        *(partial(load.run, port, plan, 16, lab.sizes.seconds) for port, plan in sides),
    )
    ours, insert = (load.median_load(side) for side in runs)
    return [
        Figure(
            measure="tail-latency",
            title="HTTP append, 16 connections, p99",
            value=ours.p99,
            unit="ms",
            floor=insert.p99,
            floor_name=_INSERT,
            target=_judged(ours, at_most(ours.p99, 2 * insert.p99, "at most 2 x the floor")),
            note=_refused(ours),
            detail={"rate": ours.rate, "p50_ms": ours.p50, "floor_rate": insert.rate},
        )
    ]


async def history(lab: Lab) -> list[Figure]:
    """One client, sessions of three lengths: the longest must cost what the shortest costs."""
    server, floor = await lab.cairn(), await lab.floor()
    sizes = lab.sizes
    each = sizes.samples // sizes.rounds
    short, middle, long = sizes.prior_events
    sessions = {
        # A short session grows by what is measured, so there is one for every few appends.
        short: await cairn.new_sessions(server, max(1, sizes.samples // short)),
        middle: await cairn.new_sessions(server, 1),
        long: await cairn.new_sessions(server, 1),
    }
    for events, its_sessions in sessions.items():
        await cairn.grow(server, its_sessions, events - 1)
    appends = {events: cairn.endless(own) for events, own in sessions.items()}
    inserts = [floors.write("insert", "s0")] * each
    # Once unmeasured: a session's first append after others may have to be read in again.
    for events in sessions:
        await load.latencies(server.port, islice(appends[events], len(sessions[events])))
    *runs, floor_runs = await load.alternate(
        sizes.rounds,
        *(partial(_take, server.port, appends[events], each) for events in sessions),
        partial(load.latencies, floor.port, inserts),
    )
    p50 = {
        events: median(chain.from_iterable(side))
        for events, side in zip(sessions, runs, strict=True)
    }
    floor_p50 = median(chain.from_iterable(floor_runs))
    flat = p50[long] / p50[short]
    rows = [
        Figure(
            measure="history",
            title=f"HTTP append after {events:,} events, 1 client, p50",
            value=value,
            unit="ms",
            floor=floor_p50,
            floor_name=_INSERT,
            target=at_most(value, 1.2 * p50[short], f"within 20 % of {short:,} events"),
        )
        for events, value in p50.items()
    ]
    return [
        *rows,
        Figure(
            measure="history",
            title=f"append after {long:,} events as a multiple of after {short:,}",
            value=flat,
            unit="x",
            floor=1.0,
            floor_name="flat",
            target=at_most(flat, 1.2, "at most 1.2"),
        ),
    ]


async def batch(lab: Lab) -> list[Figure]:
    """One client that records many events with each request, as an import does."""
    server = await lab.cairn()
    (session,) = await cairn.new_sessions(server, 1)
    await load.latencies(server.port, [cairn.start_turn(session, "t1")])
    count = lab.sizes.samples // 2
    requests = [cairn.activity(session, "t1", _BATCH) for _ in range(_WARM + count)]
    await load.latencies(server.port, requests[:_WARM])
    each = [1_000 * ms / _BATCH for ms in await load.latencies(server.port, requests[_WARM:])]
    value = median(each)
    return [
        Figure(
            measure="batch",
            title=f"HTTP append of {_BATCH} events at once, 1 client, of each event, p50",
            value=value,
            unit="µs",
            target=at_most(value, _BATCH_MICROS, f"at most {_BATCH_MICROS} µs"),
            detail={"p99_us": load.percentile(each, 99)},
        )
    ]


def _judged(ours: load.Load, target: Target) -> Target:
    """The target, which is missed whatever the speed when anything was refused."""
    return Target(target.text, bool(target.met) and not ours.errors)


def _refused(ours: load.Load) -> str:
    return f"{ours.errors} requests failed" if ours.errors else ""


async def _take(port: int, requests: Iterator[Request], count: int) -> list[float]:
    return await load.latencies(port, islice(requests, count))
