"""What is measured, in the order in which it is run: small stores first, full ones last."""

from collections.abc import Awaitable, Callable

from bench import floors
from bench.figures import Figure
from bench.lab import Lab
from bench.measures import (
    append,
    audit,
    decisions,
    doors,
    erasure,
    imports,
    log,
    partials,
    pressure,
    reads,
    safety,
    shared,
    streams,
    time_travel,
    transfer,
    tree,
    webhooks,
)

Measure = Callable[[Lab], Awaitable[list[Figure]]]

MEASURES: dict[str, Measure] = {
    "floors": floors.measure,
    "decisions": decisions.decisions,
    "throughput": append.throughput,
    "tail-latency": append.tail_latency,
    "batch": append.batch,
    "log": log.alone,
    "history": append.history,
    "doors": doors.doors,
    "snapshot": reads.snapshot,
    "scopes": shared.scopes,
    "forks": shared.forks,
    "stream-1": streams.one_process,
    "stream-2": streams.two_processes,
    "partials": partials.one_process,
    "partials-2": partials.two_processes,
    "webhooks": webhooks.webhooks,
    "burst": safety.burst,
    "kill": safety.kill_nine,
    "tail": reads.tail,
    "memory": streams.memory,
    "stalled": pressure.stalled_readers,
    "hostile": pressure.hostile,
    "audit": audit.analysis,
    "dry-run": audit.dry_run,
    "import-adk": imports.adk,
    "erase": erasure.erase,
    "past": time_travel.past,
    "rebuild": time_travel.rebuild,
    "tree": tree.tree,
    "tree-appends": tree.beside_appends,
    "list": reads.listing,
    "transfer": transfer.transfer,
}
