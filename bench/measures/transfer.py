"""Export and import of whole stores over HTTP: events a second, and the memory of the server."""

import asyncio
import tarfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from uuid import UUID

import httpx

from application.transfer.foreign import Draft, ForeignSession, foreign_session_id
from bench.figures import Figure, at_least, at_most
from bench.lab import Lab
from bench.servers import HOST, Server
from domain.session.events import (
    AgentMessage,
    SessionCreated,
    SessionEvent,
    ToolCalled,
    ToolReturned,
    TurnCompleted,
    TurnStarted,
)
from domain.values import Owner
from infrastructure.records.codec import JsonCodec
from infrastructure.transfer.foreign_folder import write_foreign

_EXPORT_TARGET = 150_000
_IMPORT_TARGET = 25_000
_GROWTH_TARGET = 50.0
_EVENTS_OF_A_SESSION = 1_001
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_TEXT = 2 * "The build is green again; the flaky test waited for a port that another had taken. "
_READ = 1024 * 1024


async def transfer(lab: Lab) -> list[Figure]:
    """A small store and a large one, each imported into an empty database and exported again."""
    small, large = lab.sizes.transferred
    few = await _there_and_back(lab, "bench_transfer_small", small)
    many = await _there_and_back(lab, "bench_transfer_large", large)
    growth = many.peak - few.peak
    what = f"{many.events:,} events in sessions of {_EVENTS_OF_A_SESSION:,}"
    return [
        Figure(
            measure="transfer",
            title=f"import of a bundle over HTTP with all checks, {what}",
            value=many.imported,
            unit="events/s",
            target=at_least(many.imported, _IMPORT_TARGET, f"at least {_IMPORT_TARGET:,}/s"),
            detail={"small": few.imported},
        ),
        Figure(
            measure="transfer",
            title=f"export of the same store over HTTP ({many.megabytes:,.0f} MB)",
            value=many.exported,
            unit="events/s",
            target=at_least(many.exported, _EXPORT_TARGET, f"at least {_EXPORT_TARGET:,}/s"),
            detail={"small": few.exported},
        ),
        Figure(
            measure="transfer",
            title=f"more memory of the server in that export than in one of {few.events:,} events",
            value=growth,
            unit="MB",
            target=at_most(growth, _GROWTH_TARGET, f"at most {_GROWTH_TARGET:.0f} MB"),
            detail={"small": few.peak, "large": many.peak},
        ),
    ]


class _Measured:
    """What one store came to: rates in events a second, the peak of the memory in MB."""

    events: int
    imported: float
    exported: float
    megabytes: float
    peak: float


async def _there_and_back(lab: Lab, name: str, events: int) -> _Measured:
    found = _Measured()
    with TemporaryDirectory() as folder:
        bundle, found.events = await asyncio.to_thread(_made, Path(folder), events)
        url = lab.postgres.fresh_database(name)
        try:
            async with lab.cairn_on(url) as server, _client(server) as client:
                began = perf_counter()
                await _import(client, bundle)
                found.imported = found.events / (perf_counter() - began)
            # A new process: what the import has taken is not to be counted.
            async with lab.cairn_on(url) as server, _client(server) as client:
                began = perf_counter()
                size, found.peak = await _export(client, server)
                found.exported = found.events / (perf_counter() - began)
                found.megabytes = size / 1e6
        finally:
            lab.postgres.drop_database(name)
    return found


def _client(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{HOST}:{server.port}", timeout=3600)


async def _import(client: httpx.AsyncClient, bundle: Path) -> None:
    async def content() -> AsyncIterator[bytes]:
        with bundle.open("rb") as file:
            while piece := file.read(_READ):
                yield piece

    headers = {"Content-Type": "application/x-tar"}
    answer = await client.post("/v1/import", content=content(), headers=headers)
    answer.raise_for_status()
    if '{"report":' not in answer.text:
        raise RuntimeError(answer.text[-500:])


async def _export(client: httpx.AsyncClient, server: Server) -> tuple[int, float]:
    """Return the bytes of a bundle, and the most memory that the server had while it made it."""
    size, peak, looked = 0, server.rss_mb(), perf_counter()
    headers = {"Accept": "application/x-tar"}
    async with client.stream(
        "POST", "/v1/sessions/batch/export", json={}, headers=headers
    ) as answer:
        answer.raise_for_status()
        async for piece in answer.aiter_raw():
            size += len(piece)
            if perf_counter() > looked + 0.2:
                looked, peak = perf_counter(), max(peak, server.rss_mb())
    return size, max(peak, server.rss_mb())


def _made(folder: Path, events: int) -> tuple[Path, int]:
    """Return a bundle of so many events, and how many they are exactly."""
    sessions = max(events // _EVENTS_OF_A_SESSION, 1)
    files = folder / "files"
    files.mkdir()
    reports = write_foreign(map(_session, range(sessions)), files, JsonCodec())
    bundle = folder / "bundle.tar"
    with tarfile.open(bundle, "w") as archive:
        for path in sorted(files.rglob("*.jsonl")):
            archive.add(path, f"sessions/{path.name}")
    return bundle, reports["bench"].events


def _session(number: int) -> ForeignSession:
    session_id = foreign_session_id("bench", str(number))
    return ForeignSession(
        source="bench",
        source_id=str(number),
        session_id=session_id,
        created=SessionCreated(owner=Owner(app="bench", user=f"user-{number % 50}")),
        created_at=_BEGAN,
        drafts=_drafts(session_id),
    )


def _drafts(session_id: UUID) -> Iterator[Draft]:
    part = {"type": "text", "text": _TEXT}
    for number in range((_EVENTS_OF_A_SESSION - 1) // 5):
        turn, call = f"t{number}", f"c{number}"
        happened: tuple[SessionEvent, ...] = (
            TurnStarted(turn_id=turn, message_id=f"m{number}", source="user", parts=(part,)),
            ToolCalled(tool_call_id=call, name="shell", input={"command": "make test"}),
            ToolReturned(tool_call_id=call, output={"text": _TEXT}),
            AgentMessage(message_id=f"a{number}", parts=(part,)),
            TurnCompleted(turn_id=turn, stop_reason="end_turn"),
        )
        for offset, event in enumerate(happened):
            at = _BEGAN + timedelta(seconds=number * 5 + offset)
            yield Draft(event=event, at=at, id=_id_of(session_id, number * 5 + offset))


def _id_of(session_id: UUID, number: int) -> UUID:
    return UUID(int=session_id.int ^ number)
