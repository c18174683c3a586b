"""The transparency log: checkpoints, proofs, and what keeping the tree costs appends."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from statistics import median

import psycopg

from application.fan_out import FanOut
from application.projections.log_tiles import LOOK, TileKeeper
from application.reads.evidence.transparency import AuditKeys, TransparencyLog
from bench import cairn, load
from bench.figures import Figure, at_least, at_most
from bench.lab import Lab
from bench.log_adapter import LogAdapter
from bench.measures.audit import database_of, seconds_of, services_of
from bench.measures.log import appends
from infrastructure.keys.ed25519 import Ed25519
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.log.checkpoints import PostgresCheckpoints
from infrastructure.postgres.log.event_log import PostgresEventLog
from infrastructure.postgres.log.transparency import PostgresSignedHeads, PostgresTiles

_PROOF_MS = 5.0


class _MadeUpTiles(PostgresTiles):
    """Tiles over a log that has no events: only digests are made up."""

    async def digests(self, after: int, upto: int) -> bytes:
        return b"".join(sha256(b"%d" % number).digest() for number in range(after, upto))


async def tree(lab: Lab) -> list[Figure]:
    """Checkpoints after few and after many events, and an inclusion proof in a large tree."""
    many, leaves = lab.sizes.since_checkpoint, lab.sizes.leaves
    with database_of(lab, "bench_tree") as url:
        async with services_of(url) as services:
            few: list[float] = []
            _grow_log(url, many)
            after_many = await seconds_of(services.transparency.checkpoint)
            for _ in range(lab.sizes.rounds * 3):
                _grow_log(url, 1_000)
                few.append(1000 * await seconds_of(services.transparency.checkpoint))
    with database_of(lab, "bench_proof") as url:
        proofs = await _proofs(url, leaves, lab.sizes.samples)
    after_few, proof = min(few), median(proofs)
    return [
        Figure(
            measure="tree",
            title=f"a checkpoint after {many:,} events",
            value=after_many,
            unit="s",
            target=at_most(after_many * 1_000_000 / many, 3, "under 3 s for 1,000,000"),
        ),
        Figure(
            measure="tree",
            title="a checkpoint after 1,000 events",
            value=after_few,
            unit="ms",
            target=at_most(after_few, 20, "under 20 ms"),
            detail={"runs": few},
        ),
        Figure(
            measure="tree",
            title=f"an inclusion proof at {leaves:,} leaves, p50",
            value=proof,
            unit="ms",
            target=at_most(proof, _PROOF_MS, f"under {_PROOF_MS:g} ms"),
            detail={"p99_ms": load.percentile(proofs, 99)},
        ),
    ]


def _grow_log(url: str, events: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into events (originator_id, originator_version, topic, state, notification_id,"
            " digest) select '00000000-0000-4000-8000-000000000001', head + n, 'bench', '{}',"
            " head + n, sha256(int8send(head + n)) from log_head, generate_series(1, %s) as n",
            (events,),
        )
        connection.execute("update log_head set head = head + %s", (events,))


async def _proofs(url: str, leaves: int, samples: int) -> list[float]:
    database, fan_out = Database(url), FanOut()
    await database.open()
    try:
        with psycopg.connect(url) as connection:
            connection.execute("update log_head set head = %s", (leaves,))
        tiles = _MadeUpTiles(database)
        keeper = TileKeeper(tiles, PostgresCheckpoints(database), fan_out)
        await keeper.catch_up(leaves)
        log = PostgresEventLog(database, lambda _: None)
        heads, keys = PostgresSignedHeads(database), AuditKeys()
        proven = TransparencyLog(log, tiles, heads, keeper, Ed25519(), keys)
        step = leaves // samples
        return [
            1000 * await seconds_of(partial(proven.inclusion, 1 + number * step, leaves))
            for number in range(samples)
        ]
    finally:
        await database.close()


async def beside_appends(lab: Lab) -> list[Figure]:
    """Appends while the tree is kept, beside appends while it is not."""
    seconds = lab.sizes.seconds
    with database_of(lab, "bench_tiles") as url:
        database = Database(url)
        await database.open()
        try:
            keeper = TileKeeper(PostgresTiles(database), PostgresCheckpoints(database), FanOut())
            async with LogAdapter(url) as log:
                sessions = {cairn.session_id(): 0 for _ in range(64)}
                alone = partial(appends, log, sessions, seconds)
                await alone()
                kept, plain = await load.alternate(
                    2 * lab.sizes.rounds, partial(_with_tiles, keeper, sessions, alone), alone
                )
        finally:
            await database.close()
    rate, floor = median(kept), median(plain)
    return [
        Figure(
            measure="tree",
            title="64 concurrent appends while the tree is kept",
            value=rate,
            unit="events/s",
            floor=floor,
            floor_name="the same while it is not",
            target=at_least(rate, 0.97 * floor, "at most 3 % slower"),
            detail={"runs": kept},
        )
    ]


async def _with_tiles(
    keeper: TileKeeper[psycopg.AsyncConnection],
    sessions: dict[str, int],
    work: Callable[[], Awaitable[float]],
) -> float:
    # What was appended while it was not kept is no cost of this stretch.
    await keeper.catch_up(sum(sessions.values()))

    async def keep() -> None:
        while True:
            await keeper.catch_up(sum(sessions.values()))
            await asyncio.sleep(LOOK)

    job = asyncio.create_task(keep())
    rate = await work()
    job.cancel()
    await asyncio.wait((job,))
    return rate
