"""Many readers, slow readers, and readers who hang up."""

import asyncio
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import psycopg
import pytest

from tests.streams.agent import Agent, agents
from tests.support.postgres import Server
from tests.support.processes import Cairn, in_this_process, serving
from tests.support.sse import (
    Connection,
    Frame,
    Stream,
    eventually,
    open_stream,
    streaming,
)

MEBIBYTE = 1024 * 1024
LONG = 100.0
"""Seconds in which a busy machine writes all that a test has it write."""
READERS = 2
JOBS = 5
"""Webhooks, supervision, upkeep, and the tiles of the log."""


@pytest.fixture(scope="module")
def own_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="module")
def server(own_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cairn]:
    """One process, fresh, so that what it holds is what these tests made it hold."""
    logs = tmp_path_factory.mktemp("readers")
    with serving(own_url, logs, database_readers=READERS) as (server,):
        yield server


def events_of(session: str, query: str = "") -> str:
    return f"/v1/sessions/{session}/events{query}"


async def open_all(port: int, paths: list[str]) -> list[Stream]:
    """Open streams, a hundred at a time, and read each to where it is live."""
    streams: list[Stream] = []
    try:
        for i in range(0, len(paths), 100):
            some = [open_stream(port, path) for path in paths[i : i + 100]]
            streams += await asyncio.gather(*some)
        await asyncio.gather(*(stream.until("caught-up") for stream in streams))
    except BaseException:
        close_all(streams)
        raise
    return streams


def close_all(streams: list[Stream]) -> None:
    for stream in streams:
        stream.close()


async def test_a_thousand_streams_on_one_process_are_normal(server: Cairn, measured: Any):
    async with agents(server.port) as (agent,):
        sessions = [await agent.session() for _ in range(50)]
        idle = server.rss()
        began = time.monotonic()
        streams = await open_all(
            server.port, [events_of(sessions[i % 50], "?since=now") for i in range(1000)]
        )
        try:
            opened = time.monotonic()
            holding = server.rss()

            async def arrival(stream: Stream) -> tuple[Frame, float]:
                (frame,) = await stream.stored(1)
                return frame, time.monotonic()

            waiting = [asyncio.create_task(arrival(stream)) for stream in streams]
            written: list[float] = []
            for session in sessions:
                assert await agent.message(session) == 2
                written.append(time.monotonic())
            arrivals = await asyncio.gather(*waiting)
        finally:
            close_all(streams)

    assert [frame.id for frame, _ in arrivals] == [2] * 1000
    for i, (frame, _) in enumerate(arrivals):
        assert frame.json["session_id"] == sessions[i % 50]
    late = [came - written[i % 50] for i, (_, came) in enumerate(arrivals)]
    measured("RSS before, MB", idle // MEBIBYTE)
    measured("RSS with 1000 streams, MB", holding // MEBIBYTE)
    measured("seconds to open 1000 streams", round(opened - began, 2))
    measured("p50 from answer to reader, ms", round(median(late) * 1000, 1))
    measured("the latest, ms", round(max(late) * 1000, 1))
    assert holding - idle < 100 * MEBIBYTE


async def test_idle_streams_hold_no_database_connection(server: Cairn, own_url: str):
    async with agents(server.port) as (agent,):
        sessions = [await agent.session() for _ in range(20)]
        paths = [events_of(sessions[i % 20]) for i in range(180)] + ["/v1/events"] * 20
        streams = await open_all(server.port, paths)
        try:
            with psycopg.connect(own_url, autocommit=True) as connection:
                held = connection.execute(
                    "select application_name, state, count(*) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                    " group by 1, 2"
                ).fetchall()
        finally:
            close_all(streams)

    count = {name: sum(n for other, _, n in held if other == name) for name, _, _ in held}
    assert {state for _, state, _ in held} <= {"idle", "active"}
    assert count.pop("cairn reader") <= READERS
    assert count.pop("cairn writer") <= 2
    # What is being written has a connection of its own, so that it never makes an append wait.
    assert count.pop("cairn partials", 0) <= 1
    # Nor do the bytes of blobs.
    assert count.pop("cairn blobs", 0) <= 2
    # One that listens, one that announces, and one for each job that this process owns.
    others = [name for name in count if not name.startswith("cairn job ")]
    assert sum(count[name] for name in others) <= 2, count
    jobs = {name: one for name, one in count.items() if name.startswith("cairn job ")}
    assert len(jobs) <= JOBS, count
    assert set(jobs.values()) <= {1}, count


async def test_a_slow_reader_slows_nobody_and_gets_everything_later(server: Cairn, measured: Any):
    """One takes a byte a second, twenty take nothing, while megabytes go by."""
    text = "x" * 20_000
    count = 1000
    async with agents(*[server.port] * 6) as writers:
        session = await writers[0].session()
        slow = [
            await open_stream(server.port, events_of(session), receive_buffer=4096, limit=4096)
            for _ in range(21)
        ]
        dripping = asyncio.create_task(drip(slow[0]))
        before = server.rss()
        try:
            async with streaming(server.port, events_of(session)) as fast:
                taken = asyncio.create_task(fast.stored(count + 1, within=LONG))
                began = time.monotonic()
                async with asyncio.TaskGroup() as writing:
                    for writer in writers[1:]:
                        writing.create_task(writer.messages(session, count // 5, text))
                last_written = time.monotonic()
                frames = await taken
                came = time.monotonic()
            grown = server.rss() - before
            dripped = len(await stopped(dripping))
            ids = [
                [frame.id for frame in await stream.stored(count + 1 - seen)]
                for stream, seen in ((slow[1], 0), (slow[2], 0))
            ]
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
            close_all(slow)

    assert [frame.id for frame in frames] == list(range(1, count + 2))
    assert ids == [list(range(1, count + 2))] * 2
    measured("MB written", count * len(text) // MEBIBYTE)
    measured("seconds to write them", round(last_written - began, 2))
    measured("RSS grown, MB", grown // MEBIBYTE)
    measured("bytes taken by the slowest", dripped)
    # The slow ones have taken next to nothing by then, and never will take all in that time.
    assert came - last_written < 20
    # Twenty megabytes for each of 21 readers would be 420.
    assert grown < 120 * MEBIBYTE


async def test_readers_who_take_nothing_of_a_long_backlog_cost_little(server: Cairn, measured: Any):
    """Twenty megabytes wait for each of thirty."""
    async with agents(server.port) as (agent,):
        session = await agent.session()
        last = await agent.messages(session, 40, "x" * 500_000)
        before = server.rss()
        stalled = [
            await open_stream(server.port, events_of(session), receive_buffer=4096, limit=4096)
            for _ in range(30)
        ]
        try:
            # Served last, so the others have got all that they will get.
            async with streaming(server.port, events_of(session)) as stream:
                await stream.until("caught-up")
            grown = server.rss() - before
            frames = await stalled[0].stored(last)
        finally:
            close_all(stalled)

    assert [frame.id for frame in frames] == list(range(1, last + 1))
    measured("RSS grown, MB", grown // MEBIBYTE)
    assert grown < 150 * MEBIBYTE


async def drip(stream: Stream) -> bytes:
    """Take a byte a second until cancelled, and return them."""
    taken = b""
    try:
        while True:
            taken += await stream._wire._reader.readexactly(1)
            await asyncio.sleep(1)
    except asyncio.CancelledError:
        return taken


async def stopped(task: asyncio.Task[bytes]) -> bytes:
    task.cancel()
    return await task


async def test_who_hangs_up_leaves_nothing_behind(database_url: str):
    """Before the answer, in the backlog, live, in the feed, in a long poll."""
    async with (
        in_this_process(database_url=database_url, ping_seconds=0.2) as (port, services),
        agents(port) as (agent,),
    ):
        session = await agent.session()
        await agent.messages(session, 30, "x" * 100_000)
        await asyncio.sleep(0)
        tasks = settled_tasks()
        kinds = [events_of(session), events_of(session, "?since=now"), "/v1/events"]

        streams = [
            await open_stream(port, kinds[i % 3], receive_buffer=4096, limit=4096)
            for i in range(60)
        ]
        for stream in streams[1::3]:
            await stream.until("caught-up")
        await eventually(lambda: services.fan_out.followed == 40, "all are followed")
        assert len(services.readers.open) == 60
        polls = [Connection(port) for _ in range(10)]
        for poll in polls:
            await poll.send("GET", events_of(session, "?since=now&wait=20s"))
        await eventually(lambda: services.fan_out.followed == 50, "the polls wait")
        unread = [Connection(port) for _ in range(10)]
        for one in unread:
            await one.send("GET", events_of(session), None, {"accept": "text/event-stream"})
        for left in [*polls, *unread, *streams]:
            left.close()

        await eventually(lambda: services.fan_out.followed == 0, "nobody follows any more")
        await eventually(lambda: not services.readers.open, "no stream is open")
        await eventually(lambda: settled_tasks() == tasks, "no task is left")
        assert not services.fan_out.anybody
        assert len(services.fan_out.log._waiting) <= 1  # the job that delivers webhooks


def settled_tasks() -> list[str]:
    """The names of the coroutines that run, each as often as it does."""
    return sorted(
        getattr(task.get_coro(), "__qualname__", "?")
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "").startswith(
            ("EventStream", "hung_up", "Tails", "Feed", "RequestResponseCycle", "CommandHandler")
        )
    )


async def test_the_metrics_tell_how_many_streams_are_open(pair: list[Cairn], agent: Agent):
    session = await agent.session()

    async def gauge() -> float:
        text = (await agent.ask("GET", "/metrics")).body.decode()
        lines = [line for line in text.splitlines() if line.startswith("cairn_streams_open")]
        assert lines, "there is no such metric"
        return sum(float(line.split()[-1]) for line in lines)

    before = await gauge()
    streams = await open_all(pair[0].port, [events_of(session)] * 7)
    try:
        assert await gauge() == before + 7
    finally:
        close_all(streams)

    async def back() -> bool:
        return await gauge() == before

    await eventually(back, "the streams are counted out again")
