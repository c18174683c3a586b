"""What the floors need in the database, the requests to them, and their own figures."""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from bench import cairn, load
from bench.figures import Figure
from bench.servers import Postgres
from bench.wire import Request, get, post

if TYPE_CHECKING:
    from bench.lab import Lab

TOPICS = tuple(f"s{number}" for number in range(64))
_CONNECTIONS = 16
_SCHEMA = """
CREATE TABLE ev (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sid text NOT NULL,
                 body text NOT NULL);
CREATE TABLE log (sid text, seq bigint, body text NOT NULL, PRIMARY KEY (sid, seq));
CREATE TABLE head (sid text PRIMARY KEY, seq bigint NOT NULL);
CREATE TABLE sess (usr text, id text, updated timestamptz, doc text, PRIMARY KEY (usr, id));
CREATE INDEX ON sess (usr, updated DESC);
"""


def prepare(postgres: Postgres) -> str:
    """Make the floors' own database; answers how to connect to it."""
    conninfo = postgres.fresh_database("bench_floor")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(_SCHEMA)
    return conninfo


def seed_log(conninfo: str, topic: str, events: int) -> None:
    """One stream of so many stored events."""
    record = cairn.append("s").body.decode()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO log SELECT %s, g, %s FROM generate_series(1, %s) g",
            [topic, record, events],
        )
        connection.execute("INSERT INTO head VALUES (%s, %s)", [topic, events])


def seed_mixed_logs(conninfo: str, topics: Sequence[str], events: int) -> None:
    """Streams of so many stored events each, that came in turn: those of one lie far apart."""
    record = cairn.append("s").body.decode()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO log
               SELECT topic, g, %s
               FROM generate_series(1, %s) g, unnest(%s::text[]) topic ORDER BY g""",
            [record, events, list(topics)],
        )


def seed_list(conninfo: str, total: int, own: int, document: bytes) -> None:
    """So many list rows in all with that document, of which `own` are of the user `own`."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            """INSERT INTO sess
               SELECT CASE WHEN g <= %s THEN 'own' ELSE 'u' || g %% 1000 END, g,
                      now() - g * interval '1 s', %s
               FROM generate_series(1, %s) g ON CONFLICT DO NOTHING""",
            [own, document.decode(), total],
        )


def write(route: str, topic: str, mark: int | None = None) -> Request:
    """The POST that Cairn is given, to a floor."""
    return post(f"/{route}/{topic}", cairn.body(mark))


def writes(route: str) -> list[Request]:
    """One such POST for each of the 64 topics."""
    return [write(route, topic) for topic in TOPICS]


def subscribe(topic: str) -> Request:
    """A stream of what is published to a topic."""
    return get(f"/stream/{topic}", Accept="text/event-stream")


async def pgbench(postgres: Postgres, clients: int, seconds: float) -> float | None:
    """Single INSERTs per second without any Python, or None when there is no pgbench."""
    program = postgres.program("pgbench")
    if program is None:
        return None
    statement = "\\set n random(0, 63)\nINSERT INTO ev (sid, body) VALUES ('s' || :n, '{}');\n"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(statement.format(cairn.text()))
        script.flush()
        process = await asyncio.create_subprocess_exec(
            *(program, "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(2, clients))),
            *("-T", str(max(1, round(seconds))), "-f", str(Path(script.name))),
            make_conninfo(postgres.conninfo("bench_floor")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    found = re.search(r"^tps = ([\d.]+)", output.decode(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"pgbench failed: {output.decode()[-300:]}")
    return float(found[1])


async def psycopg_inserts(conninfo: str, concurrent: int, seconds: float) -> float:
    """Rows per second when each append is one INSERT over psycopg, without HTTP."""
    statement = "INSERT INTO ev (sid, body) VALUES (%s, %s) RETURNING id"
    record, done = cairn.text(), 0
    free: asyncio.Queue[AsyncConnection[tuple[object, ...]]] = asyncio.Queue()
    for _ in range(min(concurrent, _CONNECTIONS)):
        free.put_nowait(await AsyncConnection.connect(conninfo, autocommit=True))
    started = perf_counter()

    async def appends(topic: str) -> None:
        nonlocal done
        while perf_counter() < started + seconds:
            connection = await free.get()
            await connection.execute(statement, [topic, record])
            free.put_nowait(connection)
            done += 1

    await asyncio.gather(*(appends(topic) for topic in islice(cycle(TOPICS), concurrent)))
    took = perf_counter() - started
    while not free.empty():
        await free.get_nowait().close()
    return done / took


async def measure(lab: "Lab") -> list[Figure]:
    """The floors by themselves: what this machine gives at best."""
    seconds = lab.sizes.seconds
    asgi, litestar = await lab.floor(), await lab.litestar()
    figures = [
        await _rate("bare ASGI, no work", asgi.port, writes("noop"), 64, seconds),
        await _rate("Litestar, pydantic, no store", litestar.port, writes("noop"), 64, seconds),
    ]
    for clients in (1, 16, 64):
        title = "bare ASGI + one psycopg INSERT"
        figures.append(await _rate(title, asgi.port, writes("insert"), clients, seconds))
    for clients in (16, 64):
        rate = await pgbench(lab.postgres, clients, seconds)
        figures.append(_figure("pgbench INSERT, no Python", clients, rate))
    rate = await psycopg_inserts(lab.floor_database, 64, seconds)
    return [*figures, _figure("psycopg INSERT, no HTTP, 16 connections", 64, rate)]


async def _rate(
    title: str, port: int, requests: Sequence[Request], clients: int, seconds: float
) -> Figure:
    await load.run(port, requests, clients, 1)
    found = await load.run(port, requests, clients, seconds)
    latency: dict[str, object] = {"p50": found.p50, "p99": found.p99}
    return _figure(title, clients, found.rate, latency)


def _figure(
    title: str, clients: int, rate: float | None, detail: dict[str, object] | None = None
) -> Figure:
    return Figure(
        measure="floors",
        title=f"{title}, {clients} at once",
        value=rate,
        unit="/s",
        detail=detail or {},
        note="" if rate is not None else "no pgbench here",
    )
