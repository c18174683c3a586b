"""Live subscribers: how soon they see what was appended, and what a thousand idle ones weigh."""

import asyncio
import resource
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter

from bench import cairn, floors, load
from bench.figures import Figure, at_most
from bench.lab import Lab, Sizes
from bench.servers import Server
from bench.wire import WORKER_HEADER, Client, Request, Stream, UnexpectedAnswer

_IN_PROCESS_MS = 3.0
_ACROSS_MS = 15.0
_MEMORY_MB = 300.0
_PUBLISHERS = 8
_CAUGHT_UP_WITHIN = 20.0
_IN_FLIGHT = 5.0


@dataclass(frozen=True, slots=True)
class _Side:
    """Cairn or the floor: where to publish and how to subscribe."""

    server: Server
    topics: list[str]
    publish: Callable[[str, int], Request]
    subscribe: Callable[[str], Request]


@dataclass(frozen=True, slots=True)
class _Delivery:
    """Milliseconds from commit (the answer to the POST) and from sending to each frame read."""

    from_commit: list[float]
    from_send: list[float]
    missing: int


async def one_process(lab: Lab) -> list[Figure]:
    """Publisher and subscribers on the same worker."""
    sides = await _sides(lab, await lab.cairn(), await lab.floor())
    return await _delivery(lab, sides, across=False)


async def two_processes(lab: Lab) -> list[Figure]:
    """Two workers; only frames that had to cross from one to the other count."""
    async with lab.own_cairn(workers=2) as server, lab.own_floor(workers=2) as floor:
        return await _delivery(lab, await _sides(lab, server, floor), across=True)


async def memory(lab: Lab) -> list[Figure]:
    """A server of its own with idle streams and touched sessions."""
    sizes = lab.sizes
    async with lab.own_cairn() as server, lab.own_floor() as floor:
        idle, floor_idle = server.rss_mb(), floor.rss_mb()
        sessions = await cairn.new_sessions(server, sizes.touched)
        await cairn.grow(server, sessions, 1)
        topics = [f"idle{number}" for number in range(sizes.idle_streams)]
        async with AsyncExitStack() as stack:
            for port, targets, subscribe in (
                (server.port, sessions[: sizes.idle_streams], cairn.subscribe),
                (floor.port, topics, floors.subscribe),
            ):
                streams = await _open(port, targets, subscribe, _ignore)
                for stream in streams:
                    stack.callback(stream.close)
            await asyncio.sleep(2)
            value, least = server.rss_mb(), floor.rss_mb()
    title = f"memory with {sizes.idle_streams:,} idle streams, {sizes.touched:,} touched sessions"
    return [
        Figure(
            measure="memory",
            title=title,
            value=value,
            unit="MB",
            floor=least,
            floor_name=f"bare ASGI with {sizes.idle_streams:,} streams",
            target=at_most(value, _MEMORY_MB, f"below {_MEMORY_MB:g} MB"),
            detail={"just_started": idle, "floor_just_started": floor_idle},
        )
    ]


async def _sides(lab: Lab, server: Server, floor: Server) -> list[_Side]:
    count = lab.sizes.stream_sessions
    topics = [f"live{number}" for number in range(count)]
    sessions = await cairn.new_sessions(server, count)
    return [
        _Side(server, sessions, cairn.append, cairn.subscribe),
        _Side(floor, topics, partial(floors.write, "publish"), floors.subscribe),
    ]


async def _delivery(lab: Lab, sides: list[_Side], *, across: bool) -> list[Figure]:
    # Two rounds each: every one opens all its streams anew.
    runs = await load.alternate(2, *(partial(_publish, side, lab.sizes, across) for side in sides))
    ours, least = runs
    limit = _ACROSS_MS if across else _IN_PROCESS_MS
    how = "across 2 workers" if across else "same worker"
    name = "bare ASGI, INSERT and " + ("NOTIFY with payload" if across else "queues")
    figures = []
    for since, of in (("commit", "from_commit"), ("send", "from_send")):
        for q in (50, 99):
            value = median(load.percentile(getattr(run, of), q) for run in ours)
            judged = since == "commit" and q == 50
            figures.append(
                Figure(
                    measure="stream-2" if across else "stream-1",
                    title=f"{since} to subscriber, {lab.sizes.streams} streams, {how}, p{q}",
                    value=value,
                    unit="ms",
                    floor=median(load.percentile(getattr(run, of), q) for run in least),
                    floor_name=name,
                    target=at_most(value, limit, f"at most {limit:g} ms") if judged else None,
                    detail={
                        "frames": sum(len(run.from_send) for run in ours),
                        "frames_missing": sum(run.missing for run in ours),
                    },
                    note=_missing(ours) if judged else "",
                )
            )
    return figures


def _missing(runs: list[_Delivery]) -> str:
    missing = sum(run.missing for run in runs)
    return f"{missing} frames never came" if missing else ""


async def _publish(side: _Side, sizes: Sizes, across: bool) -> _Delivery:
    """Publish at a steady pace and note when each subscriber has each frame."""
    sent: dict[int, float] = {}
    answered: dict[int, float] = {}
    publisher: dict[int, str] = {}
    frames: list[tuple[Stream, int, float]] = []
    port = side.server.port
    targets = [side.topics[number % len(side.topics)] for number in range(sizes.streams)]
    streams = await _open(
        port, targets, side.subscribe, lambda stream, mark, at: frames.append((stream, mark, at))
    )
    if across and len({stream.worker for stream in streams}) < 2:
        raise UnexpectedAnswer(f"all streams hang on one worker ({streams[0].worker})")
    clients = await asyncio.gather(*(Client.connect(port) for _ in range(_PUBLISHERS)))
    free: asyncio.Queue[Client] = asyncio.Queue()
    for client in clients:
        free.put_nowait(client)

    async def publish(mark: int, topic: str) -> None:
        client = await free.get()
        data = side.publish(topic, mark).render()
        sent[mark] = perf_counter()
        answer = (await client.send(data)).expect(200, 201)
        answered[mark] = perf_counter()
        publisher[mark] = answer.header(WORKER_HEADER) or ""
        free.put_nowait(client)

    started = perf_counter()
    async with asyncio.timeout(30 + 2 * sizes.published / sizes.publish_rate):
        async with asyncio.TaskGroup() as group:
            for mark in range(sizes.published):
                await asyncio.sleep(max(0.0, started + mark / sizes.publish_rate - perf_counter()))
                group.create_task(publish(mark, side.topics[mark % len(side.topics)]))
    expected = sizes.published * sizes.streams // len(side.topics)
    waited = perf_counter() + _IN_FLIGHT
    while len(frames) < expected and perf_counter() < waited:
        await asyncio.sleep(0.05)
    for stream in streams:
        stream.close()
    for client in clients:
        client.close()
    counted = [
        (mark, at) for stream, mark, at in frames if not across or stream.worker != publisher[mark]
    ]
    return _Delivery(
        from_commit=[(at - answered[mark]) * 1e3 for mark, at in counted],
        from_send=[(at - sent[mark]) * 1e3 for mark, at in counted],
        missing=expected - len(frames),
    )


async def _open(
    port: int,
    topics: list[str],
    subscribe: Callable[[str], Request],
    seen: Callable[[Stream, int, float], None],
) -> list[Stream]:
    """Open all streams, 50 at a time, and wait until each has caught up."""
    _allow_files(2 * len(topics) + 500)
    streams: list[Stream] = []
    for at in range(0, len(topics), 50):
        part = topics[at : at + 50]
        streams += await asyncio.gather(
            *(Stream.open(port, subscribe(topic), topic, seen) for topic in part)
        )
    until = perf_counter() + _CAUGHT_UP_WITHIN
    while not all(stream.caught_up for stream in streams):
        if perf_counter() > until:
            late = sum(not stream.caught_up for stream in streams)
            raise UnexpectedAnswer(f"{late} of {len(streams)} streams never caught up")
        await asyncio.sleep(0.05)
    return streams


def _allow_files(count: int) -> None:
    """Raise this process's limit of open files; servers started later inherit it too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def _ignore(_stream: Stream, _mark: int, _at: float) -> None:
    """Idle streams see nothing."""
