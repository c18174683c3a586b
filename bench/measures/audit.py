"""Repair and verification: a long session analysed and verified, and a dry run over HTTP."""

import resource
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from uuid import UUID, uuid4

import psycopg

from api.composition.database import bring_up_to_date
from api.composition.keys import make_key
from api.garbage import spare_the_collector
from api.main import open_services
from api.services import Services
from api.settings import Settings
from application.commands.request import Request as Asked
from bench import cairn, floors, load
from bench.figures import Figure, at_least, at_most
from bench.lab import WORK, Lab
from bench.wire import Client, Request, get
from domain.log.chain import genesis
from domain.repair.integrity import Integrity, Placed
from domain.repair.report import Options
from domain.session.commands import CompleteTurn, CreateSession, RecordActivity, StartTurn
from domain.session.events import AgentMessage, ToolCalled, ToolReturned
from domain.values import Owner

_ANALYSED_SECONDS = 1.5
_VERIFIED = 80_000
_DRY_RUN_MS = 10.0
_CALLS = 33
_IN_A_TURN = 3 * _CALLS + 2


@contextmanager
def database_of(lab: Lab, name: str) -> Iterator[str]:
    """Give the URL of a database of one measure alone, up to date."""
    url = lab.postgres.fresh_database(name)
    try:
        bring_up_to_date(url)
        yield url
    finally:
        lab.postgres.drop_database(name)


@asynccontextmanager
async def services_of(url: str) -> AsyncIterator[Services]:
    """Give the program over a database, with a key to sign with."""
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        key = Path(folder, "audit.key")
        make_key(key, "bench.example/audit")
        settings = Settings(database_url=url, audit_key_file=key)  # pyright: ignore[reportArgumentType]
        async with open_services(settings, url) as services:
            yield services


async def long_session(services: Services, events: int) -> UUID:
    """Make a session of turns with calls that return and messages."""
    handler = services.use_cases.handler
    session_id = uuid4()
    doing = partial(Asked, session_id, actor="bench")
    await handler.handle(doing(CreateSession(owner=Owner(app="bench", user="bench"))))
    parts = ({"type": "text", "text": cairn.text()},)
    for number in range(max(events // _IN_A_TURN, 1)):
        turn = f"turn-{number}"
        await handler.handle(doing(StartTurn(turn_id=turn, message_id=turn, parts=parts)))
        did: list[ToolCalled | ToolReturned | AgentMessage] = []
        for call in range(_CALLS):
            name = f"{turn}-{call}"
            did += (
                ToolCalled(tool_call_id=name, name="grep", input={"for": "x" * 100}),
                ToolReturned(tool_call_id=name, status="completed", output={"lines": ["y" * 200]}),
                AgentMessage(parts=parts),
            )
        await handler.handle(doing(RecordActivity(turn_id=turn, events=tuple(did))))
        await handler.handle(doing(CompleteTurn(turn_id=turn)))
    return session_id


async def analysis(lab: Lab) -> list[Figure]:
    """One long session: a dry run of its repair, its verification, and its chain alone."""
    events = lab.sizes.audited
    with database_of(lab, "bench_audit") as url:
        async with services_of(url) as services:
            session_id = await long_session(services, events)
        # Anew: neither the state nor a plan of its statements is there already.
        async with services_of(url) as services:
            # As the server does once it has started.
            spare_the_collector()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            took, works = list[float](), list[float]()
            for _ in range(lab.sizes.rounds):
                worked = process_time()
                took.append(
                    await seconds_of(
                        partial(services.repairs.examination.look_at, session_id, Options())
                    )
                )
                works.append(process_time() - worked)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            verified, waited = list[float](), list[float]()
            for _ in range(lab.sizes.rounds):
                began, worked = perf_counter(), process_time()
                verdict = await services.verification.verify(session_id)
                if verdict.findings:
                    raise RuntimeError(f"a whole log was found damaged: {verdict.findings[0]}")
                verified.append(verdict.events / (process_time() - worked))
                waited.append(verdict.events / (perf_counter() - began))
        rows = _rows(url, session_id)
    count = len(rows)
    chain, bare = await load.alternate(
        lab.sizes.rounds,
        partial(_rate, partial(_chain, session_id), rows),
        partial(_rate, _bare, rows),
    )
    ours, floor, best = median(chain), median(bare), max(verified)
    return [
        Figure(
            measure="audit",
            title=f"analysing a session of {count:,} events, work of one process",
            value=min(works),
            unit="s",
            floor=count / floor,
            floor_name="two bare hashes of each row",
            target=at_most(
                min(works) * 100_000 / count, _ANALYSED_SECONDS, "under 1.5 s for 100,000"
            ),
            detail={"with_waiting": took, "memory_grown_kib": grown},
        ),
        Figure(
            measure="audit",
            title="verifying it, all checks, in a second of one process's work",
            value=best,
            unit="events/s",
            floor=floor,
            floor_name="two bare hashes of each row",
            target=at_least(best, _VERIFIED, f"at least {_VERIFIED:,}/s"),
            detail={"with_waiting": waited, "runs": verified},
        ),
        Figure(
            measure="audit",
            title="its chain alone",
            value=ours,
            unit="events/s",
            floor=floor,
            floor_name="two bare hashes of each row",
            target=at_least(ours, 0.5 * floor, "at least half of it"),
        ),
    ]


async def seconds_of(work: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds that something takes."""
    began = perf_counter()
    await work()
    return perf_counter() - began


def _rows(url: str, session_id: UUID) -> Sequence[Placed]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "select originator_version, notification_id, topic, state, digest, erased_hash"
            " from events where originator_id = %s order by originator_version",
            (session_id,),
            binary=True,
        ).fetchall()


async def _rate(work: Callable[[Sequence[Placed]], None], rows: Sequence[Placed]) -> float:
    began = process_time()
    work(rows)
    return len(rows) / (process_time() - began)


def _chain(session_id: UUID, rows: Sequence[Placed]) -> None:
    integrity = Integrity(genesis(session_id))
    if integrity.run(rows) != len(rows):
        raise RuntimeError("an event of a log that is whole is not in its place")


def _bare(rows: Sequence[Placed]) -> None:
    digest = bytes(32)
    for _, _, _, record, _, _ in rows:
        digest = sha256(digest + sha256(record).digest()).digest()


async def dry_run(lab: Lab) -> list[Figure]:
    """A dry run over HTTP of a session of 1,000 events."""
    server, floor = await lab.cairn(), await lab.floor()
    (session,) = await cairn.new_sessions(server, 1)
    await cairn.grow(server, [session], 999)
    floors.seed_log(lab.floor_database, "audited", 1_000)
    asked = Request("POST", f"/v1/sessions/{session}/repair?dry_run=true")
    ours, least = await load.alternate(
        lab.sizes.rounds,
        partial(_latencies, server.port, asked, lab.sizes.samples),
        partial(_latencies, floor.port, get("/all/audited"), lab.sizes.samples),
    )
    best = min(map(median, ours))
    return [
        Figure(
            measure="audit",
            title="a dry run of a repair of 1,000 events over HTTP, p50",
            value=best,
            unit="ms",
            floor=min(map(median, least)),
            floor_name="one SELECT, stored rows joined",
            target=at_most(best, _DRY_RUN_MS, f"under {_DRY_RUN_MS:g} ms"),
        )
    ]


async def _latencies(port: int, asked: Request, samples: int) -> list[float]:
    client = await Client.connect(port)
    took: list[float] = []
    for _ in range(samples):
        began = perf_counter()
        (await client.send(asked)).expect(200)
        took.append(1000 * (perf_counter() - began))
    client.close()
    return took
