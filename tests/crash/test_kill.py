"""Whatever is killed, and whenever: what was acknowledged is there, what was refused is not."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

import psycopg
import pytest

from infrastructure.embedded_postgres import EmbeddedPostgres
from tests.crash.agent import agents
from tests.crash.conftest import start_again
from tests.crash.evidence import examine
from tests.crash.load import Load
from tests.streams.agent import Agent, said
from tests.support.processes import (
    Cairn,
    frozen_postgres,
    kill_everything,
    kill_postmaster,
    postmaster_pid,
)
from tests.support.sse import Connection, Lost, Stream, eventually, open_stream

Measured = Callable[[str, object], None]
CLIENTS = 16
LOOKED_WITHIN = 12.0
"""Seconds: it looks once a second, and a stream says nothing before 15 s have gone by."""


def load_of(servers: list[Cairn], seed: int) -> Load:
    return Load([lambda server=server: server.port for server in servers], seed)


@asynccontextmanager
async def following(session: str, port: Callable[[], int]) -> AsyncIterator[list[int]]:
    """Follow a session through everything, by `Last-Event-ID`, and lend the sequences so far."""
    seen: list[int] = []

    async def follow() -> None:
        while True:
            stream: Stream | None = None
            try:
                stream = await open_stream(
                    port(), f"/v1/sessions/{session}/events", last_event_id=seen[-1] if seen else 0
                )
                while True:
                    frame = await stream.next(60)
                    if frame.is_stored:
                        assert frame.id is not None
                        seen.append(frame.id)
            except Lost:
                await asyncio.sleep(0.02)
            finally:
                if stream is not None:
                    stream.close()

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def kill_and_start(server: Cairn, rng: Random, load: Load) -> None:
    """Kill a server somewhere in its work."""
    await load.until_done(rng.randint(50, 250))
    await asyncio.sleep(rng.random() * 0.02)
    server.kill()
    await start_again(server)


@pytest.mark.parametrize("seed", [1])
async def test_a_server_that_is_killed_under_load_loses_nothing(
    servers: list[Cairn], postgres: EmbeddedPostgres, seed: int, measured: Measured
):
    await server_killed(servers, postgres, seed, 2, measured)


@pytest.mark.hunt
@pytest.mark.parametrize("seed", range(100, 112))
async def test_a_server_that_is_killed_often_loses_nothing(
    servers: list[Cairn], postgres: EmbeddedPostgres, seed: int, measured: Measured
):
    await server_killed(servers, postgres, seed, 8, measured)


async def server_killed(
    servers: list[Cairn], postgres: EmbeddedPostgres, seed: int, times: int, measured: Measured
) -> None:
    """Both serve, one after the other dies; a client is in the middle of a turn all the time."""
    rng = Random(seed)
    load = load_of(servers, seed)
    async with agents(lambda: servers[0].port) as (agent,):
        session, turn = await agent.busy_session()
        async with following(session, lambda: servers[0].port) as seen:

            async def meanwhile(_: Load) -> None:
                for i in range(times):
                    await agent.record(session, turn, said(f"before {i}"))
                    await kill_and_start(servers[i % 2], rng, load)
                    # The turn is still open, and its client goes on with the next event.
                    assert await agent.record(session, turn, said(f"after {i}")) == 4 + 2 * i

            await load.run(CLIENTS, meanwhile)
            await agent.do("POST", f"/v1/sessions/{session}/turns/{turn}/complete", {})
            await eventually(lambda: len(seen) == 3 + 2 * times, "the reader has all")

    assert seen == list(range(1, len(seen) + 1))
    log = examine(postgres.url)
    load.judge(log)
    measured("answers", dict(load.codes))
    assert load.done > 100


@pytest.mark.parametrize("point", ["half a request", "a whole request", "an answer"])
async def test_killed_at_a_named_point_of_a_request_a_retry_has_one_effect(
    servers: list[Cairn], postgres: EmbeddedPostgres, point: str
):
    server, key = servers[0], f"killed after {point}"
    message = {"role": "user", "parts": [{"type": "text", "text": key}]}
    async with agents(lambda: server.port) as (agent,):
        session = await agent.session()
        path = f"/v1/sessions/{session}/messages"
        if point == "half a request":
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            writer.write(f"{head}idempotency-key: {key}\r\ncontent-length: 500\r\n\r\n{{".encode())
            await writer.drain()
            server.kill()
            writer.transport.abort()
            assert await reader.read() == b""
        else:
            connection = Connection(server.port)
            await connection.send("POST", path, message, {"idempotency-key": key})
            if point == "an answer":
                await connection.receive()
            server.kill()
            connection.close()
        await start_again(server)
        answer = await agent.do("POST", path, message, idempotency_key=key)

    assert len(examine(postgres.url).of_key(key)) == 1
    assert answer["sequence"] == 2


async def test_killed_while_its_batch_is_being_committed_a_retry_finds_the_effect(
    servers: list[Cairn], postgres: EmbeddedPostgres
):
    """The worst point: Postgres has the batch, and commits it when nobody is there to be told."""
    server, key = servers[0], "killed while committing"
    message = {"role": "user", "parts": [{"type": "text", "text": key}]}
    async with agents(lambda: server.port) as (agent,):
        session = await agent.session()
        path = f"/v1/sessions/{session}/messages"
        asking = Connection(server.port)
        with head_locked(postgres) as lock:
            await asking.send("POST", path, message, {"idempotency-key": key})
            await eventually(lambda: waits_for_the_head(postgres), "the batch waits for the lock")
            server.kill()
            lock.rollback()
        with pytest.raises(Lost):
            await lost(asking)
        await eventually(lambda: examine(postgres.url).of_key(key), "Postgres has committed it")
        await start_again(server)
        again = await agent.ask("POST", path, message, idempotency_key=key)

    assert (again.status, again.json["sequence"]) == (201, 2)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(examine(postgres.url).of_key(key)) == 1


async def lost(asking: Connection) -> None:
    try:
        await asking.receive()
    except (OSError, asyncio.IncompleteReadError) as error:
        raise Lost from error
    finally:
        asking.close()


@contextmanager
def head_locked(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """Lend a transaction that no batch gets past."""
    lock = psycopg.connect(postgres.url)
    try:
        lock.execute("select head from log_head for update")
        yield lock
    finally:
        lock.close()


def waits_for_the_head(postgres: EmbeddedPostgres) -> bool:
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
        found = connection.execute(
            "select count(*) from pg_stat_activity"
            " where application_name = 'cairn writer' and wait_event_type = 'Lock'"
        ).fetchone()
    return bool(found and found[0])


@pytest.mark.parametrize("victim", ["the writer's backend", "the postmaster"])
async def test_postgres_lost_while_a_batch_is_on_its_way_is_answered_once_it_is_back(
    servers: list[Cairn], postgres: EmbeddedPostgres, data_dir: Path, victim: str
):
    """Nobody knows then whether the batch was committed: it is looked for, and written if not."""
    server, key = servers[0], f"lost {victim}"
    message = {"role": "user", "parts": [{"type": "text", "text": key}]}
    async with agents(server.port) as (agent,):
        session = await agent.session()
        path = f"/v1/sessions/{session}/messages"
        asking = Connection(server.port)
        with head_locked(postgres) as lock:
            await asking.send("POST", path, message, {"idempotency-key": key})
            await eventually(lambda: waits_for_the_head(postgres), "the batch waits for the lock")
            if victim == "the postmaster":
                kill_postmaster(data_dir)
            else:
                cut(postgres, "cairn writer")
                lock.rollback()
            async with asyncio.timeout(30):
                answer = await asking.receive()
                # A busy machine may need longer to bring it back than the server has patience.
                while answer.status == 503:
                    assert answer.code in {"outcome_unknown", "store_unavailable"}, answer
                    answer = await agent.ask("POST", path, message, idempotency_key=key)
            asking.close()

    assert (answer.status, answer.json["sequence"]) == (201, 2)
    (stored,) = examine(postgres.url).of_key(key)
    assert stored.position == answer.json["position"]


def cut(postgres: EmbeddedPostgres, name: str) -> None:
    with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s",
            (name,),
        )


@pytest.mark.parametrize("seed", [2])
async def test_postgres_killed_under_load_loses_nothing(
    servers: list[Cairn],
    postgres: EmbeddedPostgres,
    data_dir: Path,
    seed: int,
    measured: Measured,
):
    await postgres_killed(servers, postgres, data_dir, seed, 2, measured)


@pytest.mark.hunt
@pytest.mark.parametrize("seed", range(200, 210))
async def test_postgres_killed_often_loses_nothing(
    servers: list[Cairn],
    postgres: EmbeddedPostgres,
    data_dir: Path,
    seed: int,
    measured: Measured,
):
    await postgres_killed(servers, postgres, data_dir, seed, 5, measured)


async def postgres_killed(
    servers: list[Cairn],
    postgres: EmbeddedPostgres,
    data_dir: Path,
    seed: int,
    times: int,
    measured: Measured,
) -> None:
    rng = Random(seed)
    load = load_of(servers, seed)

    async def meanwhile(_: Load) -> None:
        for _ in range(times):
            await load.until_done(rng.randint(50, 300))
            victim = postmaster_pid(data_dir)
            kill_postmaster(data_dir)
            await eventually(lambda v=victim: postmaster_pid_or(data_dir, v) != v, "another one")
            await load.until_done(50)

    async with agents(servers[0].port) as (agent,):
        session = await agent.session()
        async with following(session, lambda: servers[0].port) as seen:
            await load.run(CLIENTS, meanwhile)
            await agent.messages(session, 3)
            await eventually(lambda: len(seen) == 4, "the reader has all")

    load.judge(examine(postgres.url))
    measured("answers", dict(load.codes))
    measured("the slowest answer, s", round(load.slowest, 2))
    # No server was killed, so each request had an answer.
    assert load.codes["none"] == 0


def postmaster_pid_or(data_dir: Path, default: int) -> int:
    try:
        return postmaster_pid(data_dir)
    except AssertionError:
        return default


async def test_everything_killed_at_once_under_load_loses_nothing(
    servers: list[Cairn], postgres: EmbeddedPostgres, data_dir: Path, measured: Measured
):
    """The server processes, the keeper of Postgres and Postgres itself, as by a power cut."""
    load = load_of(servers, 3)
    # This process has no share then: nobody but the servers brings Postgres back.
    postgres.stop()

    async def meanwhile(_: Load) -> None:
        await load.until_done(300)
        kill_everything(data_dir, *servers)
        began = time.monotonic()
        await asyncio.gather(*(start_again(server) for server in servers))
        measured("seconds until both serve again", round(time.monotonic() - began, 2))
        await load.until_done(100)

    try:
        await load.run(CLIENTS, meanwhile)
    finally:
        postgres.start()

    load.judge(examine(postgres.url))
    measured("answers", dict(load.codes))


async def test_postgres_that_stands_still_under_load_is_answered_as_documented(
    servers: list[Cairn], postgres: EmbeddedPostgres, data_dir: Path, measured: Measured
):
    await stopped(servers, postgres, data_dir, 6.5, measured)


@pytest.mark.hunt
async def test_postgres_that_stands_still_for_ten_seconds_is_answered_as_documented(
    servers: list[Cairn], postgres: EmbeddedPostgres, data_dir: Path, measured: Measured
):
    await stopped(servers, postgres, data_dir, 10, measured)


async def stopped(
    servers: list[Cairn],
    postgres: EmbeddedPostgres,
    data_dir: Path,
    seconds: float,
    measured: Measured,
) -> None:
    """The patience of these servers is two seconds."""
    load = load_of(servers, 4)
    reads: list[tuple[int, str, float]] = []

    async def meanwhile(_: Load) -> None:
        await load.until_done(200)
        with frozen_postgres(data_dir):
            frozen_until = time.monotonic() + seconds
            async with agents(servers[0].port) as (agent,):
                while time.monotonic() < frozen_until:
                    for path in ("/health", "/ready", f"/v1/sessions/{load.sessions[0]}"):
                        began = time.monotonic()
                        answer = await asyncio.wait_for(agent.ask("GET", path), 30)
                        took = time.monotonic() - began
                        if time.monotonic() < frozen_until:
                            reads.append((answer.status, path, took))
                        if path == "/health" and time.monotonic() < frozen_until:
                            assert answer.json["database"] == "down"
        await load.until_done(100)

    await load.run(CLIENTS, meanwhile)

    load.judge(examine(postgres.url))
    measured("answers", dict(load.codes))
    measured("the slowest answer, s", round(load.slowest, 2))
    measured("reads", reads)
    assert load.codes["none"] == 0
    assert load.codes["store_unavailable"] > 0
    # Answered while Postgres stood still, so not by waiting for it.
    assert [(status, path) for status, path, _ in reads if status == 503]
    assert {status for status, path, _ in reads if path != "/health"} == {503}


async def test_a_server_stopped_by_a_signal_answers_what_it_has_begun(
    servers: list[Cairn], postgres: EmbeddedPostgres
):
    load = load_of(servers, 5)

    async def meanwhile(_: Load) -> None:
        await load.until_done(200)
        servers[0].send(signal.SIGTERM)
        assert await asyncio.to_thread(servers[0].stop) in (0, -signal.SIGTERM)
        await start_again(servers[0])
        await load.until_done(100)

    await load.run(CLIENTS, meanwhile)

    load.judge(examine(postgres.url))


async def test_streams_pause_while_postgres_is_away_and_go_on(
    servers: list[Cairn], postgres: EmbeddedPostgres, data_dir: Path
):
    async with agents(servers[0].port) as (agent,):
        sessions = [await agent.session() for _ in range(10)]
        paths = [f"/v1/sessions/{session}/events" for session in sessions]
        head = (await agent.do("GET", "/v1/events?after=now"))["head"]
        streams = [await open_stream(server.port, path) for server in servers for path in paths]
        feeds = [await open_stream(server.port, f"/v1/events?after={head}") for server in servers]
        try:
            for stream in [*streams, *feeds]:
                await stream.until("caught-up")
            kill_postmaster(data_dir)
            stored = await commands_while_away(agent, sessions)
            for n, stream in enumerate(streams):
                frames = await stream.stored(stored[n % 10])
                assert [frame.id for frame in frames] == list(range(2, 2 + stored[n % 10]))
            for feed in feeds:
                frames = await feed.stored(sum(stored))
                positions = [frame.id for frame in frames]
                assert positions == list(range(head + 1, head + sum(stored) + 1))
        finally:
            for stream in [*streams, *feeds]:
                stream.close()
    examine(postgres.url)


async def commands_while_away(agent: Agent, sessions: list[str]) -> list[int]:
    """Ask until each session has another event, and return how many each one has got."""
    stored = [0] * len(sessions)
    for n, session in enumerate(sessions):
        body = {"role": "user", "parts": [{"type": "text", "text": "still there?"}]}
        while not stored[n]:
            answer = await agent.ask("POST", f"/v1/sessions/{session}/messages", body)
            if answer.is_accepted:
                # With one whose outcome was not known, there are two.
                stored[n] = answer.json["sequence"] - 1
                continue
            assert answer.status == 503, answer
            assert answer.code in {"store_unavailable", "outcome_unknown"}, answer
            assert int(answer.headers["retry-after"]) > 0
    return stored


async def test_a_listener_that_is_cut_costs_no_event(
    servers: list[Cairn], postgres: EmbeddedPostgres, measured: Measured
):
    async with agents(servers[1].port) as (writer,):
        session = await writer.session()
        stream = await open_stream(servers[0].port, f"/v1/sessions/{session}/events")
        try:
            await stream.until("caught-up")
            late: list[float] = []
            for _ in range(5):
                cut(postgres, "cairn listener")
                await writer.message(session)
                written = time.monotonic()
                await stream.stored(1)
                late.append(time.monotonic() - written)
        finally:
            stream.close()

    measured("the latest, s", round(max(late), 2))
    assert max(late) < LOOKED_WITHIN


async def test_a_listener_that_hears_nothing_only_delays(
    servers: list[Cairn], postgres: EmbeddedPostgres, measured: Measured
):
    """Its connection stands, and nothing comes through it: as when a NOTIFY is lost."""
    async with agents(servers[1].port) as (writer,):
        session = await writer.session()
        stream = await open_stream(servers[0].port, f"/v1/sessions/{session}/events")
        feed = await open_stream(servers[0].port, "/v1/events?after=now")
        try:
            for one in (stream, feed):
                await one.until("caught-up")
            with deaf(postgres):
                late: list[float] = []
                for _ in range(3):
                    await writer.message(session)
                    written = time.monotonic()
                    await asyncio.gather(stream.stored(1), feed.stored(1))
                    late.append(time.monotonic() - written)
        finally:
            stream.close()
            feed.close()

    measured("the latest, s", round(max(late), 2))
    assert max(late) < LOOKED_WITHIN


class deaf:  # noqa: N801 - a context
    """Have the backends of all listeners stand still."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        with psycopg.connect(postgres.superuser_url(), autocommit=True) as connection:
            self._pids = [
                pid
                for (pid,) in connection.execute(
                    "select pid from pg_stat_activity where application_name = 'cairn listener'"
                )
            ]

    def __enter__(self) -> None:
        self._send(signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        self._send(signal.SIGCONT)

    def _send(self, request: signal.Signals) -> None:
        for pid in self._pids:
            os.kill(pid, request)
