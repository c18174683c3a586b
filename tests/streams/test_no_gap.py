"""The first promise: a client never misses and never doubles an event, however often it comes back.

Many readers, each coming back at random moments, to either process, in any of the ways of reading,
while writers append through both processes and the listening connections are cut.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg
import pytest

from tests.streams.agent import Agent, agents, said
from tests.support.processes import Cairn
from tests.support.sse import Connection, open_stream

_CUT_LISTENERS = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and application_name = 'cairn listener'
"""


@dataclass
class Load:
    """What is written, and when that ends."""

    ports: list[int]
    sessions: list[tuple[str, str]] = field(default_factory=list)
    heads: dict[str, int] = field(default_factory=dict)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, rng: Random, requests: int) -> None:
        """Record batches of events, each through either process."""
        async with agents(*self.ports) as both:
            for i in range(requests):
                session, turn = rng.choice(self.sessions)
                agent = rng.choice(both)
                if rng.random() < 0.3:
                    sequence = await agent.message(session, f"message {i}")
                else:
                    events = [said(f"{i}.{k} ü") for k in range(rng.randint(1, 6))]
                    sequence = await agent.record(session, turn, *events)
                self.heads[session] = max(self.heads.get(session, 0), sequence)

    async def disturb(self, url: str, rng: Random) -> None:
        """Cut the listening connections of all processes every now and then."""
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            while not self.over.is_set():
                await connection.execute(_CUT_LISTENERS)
                await asyncio.wait({asyncio.ensure_future(self.over.wait())}, timeout=rng.random())


@dataclass
class Reader:
    """A client of one session: what it has, and how it goes on from there."""

    load: Load
    session: str
    rng: Random
    types: tuple[str, ...] = ()
    cursor: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    returns: int = 0

    @property
    def has_all(self) -> bool:
        """Whether nothing more will come."""
        return self.load.over.is_set() and self.cursor >= self.load.heads[self.session]

    def take(self, sequence: int, event: dict[str, Any]) -> None:
        """Add an event to the copy."""
        assert sequence == event["sequence"]
        if self.types:
            assert sequence > self.cursor
        else:
            assert sequence == self.cursor + 1, f"{sequence} after {self.cursor}"
        self.cursor = sequence
        self.events.append(event)

    async def follow(self) -> None:
        """Come back until everything was read."""
        ways = [self.stream, self.stream, self.poll, self.page]
        while not self.has_all:
            self.returns += 1
            await self.rng.choice(ways)(self.rng.choice(self.load.ports))

    def path(self, query: str) -> str:
        """Where to read."""
        types = f"&types={','.join(self.types)}" if self.types else ""
        return f"/v1/sessions/{self.session}/events?{query}{types}"

    async def stream(self, port: int) -> None:
        """Take some frames of a stream and hang up, wherever that is."""
        if self.rng.random() < 0.5:
            stream = await open_stream(port, self.path("since=0"), last_event_id=self.cursor)
        else:
            stream = await open_stream(port, self.path(f"since={self.cursor}"))
        try:
            for _ in range(self.rng.randint(0, 80)):
                if self.has_all:
                    return
                frame = await stream.next()
                if frame.is_stored:
                    assert frame.id is not None
                    self.take(frame.id, frame.json)
                elif frame.id is not None:
                    assert frame.id >= self.cursor if self.types else frame.id == self.cursor
                    self.cursor = frame.id
        finally:
            stream.close()

    async def poll(self, port: int) -> None:
        """Take one long poll."""
        await self._page(port, f"since={self.cursor}&wait=200ms&limit={self.rng.randint(1, 60)}")

    async def page(self, port: int) -> None:
        """Take one page."""
        await self._page(port, f"since={self.cursor}&limit={self.rng.randint(1, 60)}")

    async def _page(self, port: int, query: str) -> None:
        connection = Connection(port)
        try:
            answer = await connection.request("GET", self.path(query))
        finally:
            connection.close()
        assert answer.status == 200
        page = answer.json
        for event in page["events"]:
            self.take(event["sequence"], event)
        assert page["next"] >= self.cursor
        if not self.types:
            assert page["next"] == self.cursor
        self.cursor = page["next"]


async def read_while_written(
    pair: list[Cairn], url: str, seed: int, *, readers: int, writers: int, requests: int
) -> tuple[list[Reader], dict[str, list[dict[str, Any]]]]:
    """Return the readers, done, and the log of each session."""
    rng = Random(seed)
    load = Load([server.port for server in pair])
    async with agents(load.ports[0]) as (agent,):
        load.sessions = [await agent.busy_session() for _ in range(4)]
        load.heads = {session: 2 for session, _ in load.sessions}
        copies = [
            Reader(
                load,
                load.sessions[i % 4][0],
                Random(rng.random()),
                ("message.added", "turn.started") if i % 5 == 4 else (),
            )
            for i in range(readers)
        ]
        disturber = asyncio.create_task(load.disturb(url, Random(rng.random())))
        async with asyncio.TaskGroup() as reading:
            for copy in copies:
                reading.create_task(copy.follow())
            async with asyncio.TaskGroup() as writing:
                for _ in range(writers):
                    writing.create_task(load.write(Random(rng.random()), requests))
            load.over.set()
        await disturber
        logs = {session: await agent.log(session) for session, _ in load.sessions}
    return copies, logs


def judge(readers: Sequence[Reader], logs: dict[str, list[dict[str, Any]]]) -> None:
    for log in logs.values():
        assert [event["sequence"] for event in log] == list(range(1, len(log) + 1))
    for reader in readers:
        log = logs[reader.session]
        expected = [e for e in log if e["type"] in reader.types] if reader.types else log
        assert reader.events == expected


async def test_every_reader_has_the_log_whatever_it_came_back_to(
    pair: list[Cairn], pair_url: str, measured: Any
):
    readers, logs = await read_while_written(
        pair, pair_url, 20261121, readers=20, writers=8, requests=110
    )

    judge(readers, logs)
    written = sum(map(len, logs.values()))
    assert written > 2000
    measured("events", written)
    measured("events read", sum(len(reader.events) for reader in readers))
    measured("returns", sum(reader.returns for reader in readers))


@pytest.mark.hunt
@pytest.mark.parametrize("seed", range(12))
async def test_every_reader_has_the_log_under_any_seed(pair: list[Cairn], pair_url: str, seed: int):
    readers, logs = await read_while_written(
        pair, pair_url, seed, readers=48, writers=12, requests=400
    )

    judge(readers, logs)


@dataclass
class FeedReader:
    """A client of the global feed."""

    load: Load
    rng: Random
    cursor: int
    end: list[int]
    positions: list[int] = field(default_factory=list)
    events: list[tuple[str, int]] = field(default_factory=list)

    @property
    def has_all(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.end) and self.cursor >= self.end[0]

    def take(self, event: dict[str, Any]) -> None:
        """Add an event to the copy."""
        assert event["position"] == self.cursor + 1, f"{event['position']} after {self.cursor}"
        self.cursor = event["position"]
        self.positions.append(self.cursor)
        self.events.append((event["session_id"], event["sequence"]))

    async def follow(self) -> None:
        """Come back until everything was read."""
        while not self.has_all:
            port = self.rng.choice(self.load.ports)
            await (self.stream(port) if self.rng.random() < 0.5 else self.poll(port))

    async def stream(self, port: int) -> None:
        """Take some frames of a stream."""
        stream = await open_stream(port, "/v1/events?after=0", last_event_id=self.cursor)
        try:
            for _ in range(self.rng.randint(1, 300)):
                frame = await stream.next()
                if frame.is_stored:
                    assert frame.id == frame.json["position"]
                    self.take(frame.json)
                if self.has_all:
                    return
        finally:
            stream.close()

    async def poll(self, port: int) -> None:
        """Take one long poll."""
        async with agents(port) as (agent,):
            wait = self.rng.choice(["", "&wait=300ms"])
            page = await agent.do("GET", f"/v1/events?after={self.cursor}&limit=100{wait}")
        for event in page["events"]:
            self.take(event)
        assert page["next"] == self.cursor <= page["head"]


async def test_the_feed_is_dense_and_in_order_while_two_processes_write(
    pair: list[Cairn], pair_url: str
):
    rng = Random(7)
    load = Load([server.port for server in pair])
    end: list[int] = []
    async with agents(*load.ports) as (agent, other):
        load.sessions = [await agent.busy_session() for _ in range(6)]
        start = (await agent.do("GET", "/v1/events?after=now"))["head"]
        readers = [FeedReader(load, Random(rng.random()), start, end) for _ in range(8)]
        async with asyncio.TaskGroup() as reading:
            for reader in readers:
                reading.create_task(reader.follow())
            async with asyncio.TaskGroup() as writing:
                for _ in range(6):
                    writing.create_task(load.write(Random(rng.random()), 60))
            end.append((await other.do("GET", "/v1/events?after=now"))["head"])
        logs = {session: await agent.log(session) for session, _ in load.sessions}

    expected = sorted(
        (event["position"], (session, event["sequence"]))
        for session, log in logs.items()
        for event in log
        if event["position"] > start
    )
    assert [position for position, _ in expected] == list(range(start + 1, end[0] + 1))
    for reader in readers:
        assert reader.positions == [position for position, _ in expected]
        assert reader.events == [event for _, event in expected]


async def test_a_filtered_feed_keeps_positions_and_moves_on(
    pair: list[Cairn], agent: Agent, other: Agent
):
    app = "only-this-one"
    start = (await agent.do("GET", "/v1/events?after=now"))["head"]
    mine = await agent.session(app=app)
    theirs = await other.session()
    await agent.messages(theirs, 3)
    await other.messages(mine, 2)

    page = await agent.do("GET", f"/v1/events?after={start}&app={app}&types=message.added")
    stream = await open_stream(pair[1].port, f"/v1/events?after={start}&app={app}")
    try:
        frames = await stream.until("caught-up")
        await agent.messages(theirs, 2)
        pings = await stream.until("ping")
        while (pings[-1].id or 0) < start + 9:
            pings = await stream.until("ping")
    finally:
        stream.close()

    log = await agent.log(mine)
    assert page["events"] == log[1:]
    assert (page["next"], page["up_to_date"]) == (page["head"], True)
    assert [frame.json for frame in frames if frame.is_stored] == log
    assert frames[-1].id == start + 7
