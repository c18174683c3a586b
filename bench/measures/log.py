"""The log without HTTP: 64 concurrent appends of one event, each to its own session."""

import asyncio
from functools import partial
from statistics import median
from time import perf_counter

from bench import cairn, floors, load
from bench.figures import Figure, at_least
from bench.lab import Lab
from bench.log_adapter import LogAdapter

_CONCURRENT = 64
_TIMES = 2


async def alone(lab: Lab) -> list[Figure]:
    """Chained, with head and list rows and idempotency keys; beside single INSERTs."""
    seconds = lab.sizes.seconds
    conninfo = lab.postgres.fresh_database("bench_log")
    try:
        async with LogAdapter(conninfo) as log:
            sessions = {cairn.session_id(): 0 for _ in range(_CONCURRENT)}
            await appends(log, sessions, 1)
            ours, inserts = await load.alternate(
                lab.sizes.rounds,
                partial(appends, log, sessions, seconds),
                partial(floors.psycopg_inserts, lab.floor_database, _CONCURRENT, seconds),
            )
    finally:
        lab.postgres.drop_database("bench_log")
    rate, floor = median(ours), median(inserts)
    return [
        Figure(
            measure="log",
            title=f"the log alone, {_CONCURRENT} concurrent appends of one event",
            value=rate,
            unit="events/s",
            floor=floor,
            floor_name="psycopg, one INSERT each, no HTTP",
            target=at_least(rate, _TIMES * floor, f"at least {_TIMES} x the floor"),
            detail={"runs": ours, "pgbench": await floors.pgbench(lab.postgres, 64, seconds)},
        )
    ]


async def appends(log: LogAdapter, sessions: dict[str, int], seconds: float) -> float:
    """Events per second. `sessions` holds each one's sequence, carried from stretch to stretch."""
    message = cairn.text()
    before = sum(sessions.values())
    started = perf_counter()

    async def one(session: str) -> None:
        while perf_counter() < started + seconds:
            sequence = sessions[session] + 1
            await log.append(session, sequence, message, f"{session}-{sequence}")
            sessions[session] = sequence

    await asyncio.gather(*map(one, sessions))
    return (sum(sessions.values()) - before) / (perf_counter() - started)
