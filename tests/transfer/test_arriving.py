"""What is imported is looked through while the rest of it is still on its way."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from typing import Any, BinaryIO, cast
from uuid import UUID

import httpx
import pytest

from api.cli.transfer.packing import archived_files
from api.composition.over_store import (
    checker_over,
    importer_over,
    repository_over,
    scope_handler_over,
)
from application.arriving import Arriving
from application.commands.request import Caller
from application.errors import Busy
from application.fan_out import FanOut
from application.memory_budget import Share
from application.reads.evidence.transparency import TransparencyLog
from application.transfer.foreign import Draft, ForeignSession
from application.transfer.imports import Importer, Written
from application.transfer.plans import ImportPlan
from application.use_cases.transfers import Transfers
from domain.session.events import MessageAdded
from domain.timers import Timers
from infrastructure.records.codec import JsonCodec
from infrastructure.records.record_check import spelling_fault_of
from infrastructure.transfer.compression import compressor
from infrastructure.transfer.foreign_folder import foreign_files
from infrastructure.transfer.unpacking import Bundle, UnpackLimits
from tests.support.builders import added, at, created
from tests.support.server import running
from tests.support.stand_ins import StandIn
from tests.support.transfers import IMPORTER, Place, Populated, archive_of, memory_place

ADA, BOB = UUID(int=7), UUID(int=8)


@pytest.fixture
def sent() -> Iterator[Arriving]:
    with cast("BinaryIO", TemporaryFile()) as file:
        yield Arriving(file)


async def bundle_of_two() -> tuple[bytes, int]:
    """Return an archive of two sessions without a manifest, and where its second member begins."""
    place = memory_place()
    filled = Populated(place.store)
    files: dict[str, bytes] = {}
    for session_id in (ADA, BOB):
        await filled.add(session_id, created(), added("m1"))
        files[f"sessions/{session_id}.jsonl"] = await place.export_session(session_id)
    content = archive_of(files)
    return content, content.index(f"sessions/{BOB}".encode())


async def settled(task: asyncio.Task[Any]) -> bool:
    """Return whether a task is done when it has done all that it can do now."""
    for _ in range(100):
        await asyncio.sleep(0)
    return task.done()


async def test_a_log_is_there_as_soon_as_all_of_it_has_come(sent: Arriving) -> None:
    content, second = await bundle_of_two()
    with Bundle(sent.file, UnpackLimits(), sent.upto) as bundle:
        files = bundle.files()
        first = asyncio.ensure_future(anext(files))
        sent.take(content[:1000])
        assert not await settled(first)
        sent.take(content[1000:second])
        assert (await first).name == f"sessions/{ADA}.jsonl"
        another = asyncio.ensure_future(anext(files))
        assert not await settled(another)
        sent.take(content[second:])
        assert (await another).name == f"sessions/{BOB}.jsonl"
        end = asyncio.ensure_future(anext(files, None))
        assert not await settled(end)
        sent.end()
        assert await end is None


async def test_a_log_is_looked_through_before_the_next_one_comes_and_a_plan_waits_for_all(
    sent: Arriving,
) -> None:
    content, second = await bundle_of_two()
    looked: list[bytes] = []

    def look(record: bytes) -> str | None:
        looked.append(record)
        return spelling_fault_of(record)

    with Bundle(sent.file, UnpackLimits(), sent.upto) as bundle:
        checker = checker_over(memory_place().store, look)
        plan = asyncio.ensure_future(checker.plan(bundle, quarantine=False))
        # How a session begins is looked at closely.
        sent.take(content[:second])
        assert not await settled(plan)
        assert len(looked) == 1
        sent.take(content[second:])
        assert not await settled(plan)
        assert len(looked) == 2
        sent.end()
        planned = await plan
    assert (planned.logs.keys(), planned.conflicts) == ({ADA, BOB}, [])


async def test_what_ends_before_it_is_whole_is_no_bundle(sent: Arriving) -> None:
    content, second = await bundle_of_two()
    sent.take(content[:second])
    with Bundle(sent.file, UnpackLimits(), sent.upto) as bundle:
        files = bundle.files()
        assert (await anext(files)).name == f"sessions/{ADA}.jsonl"
        sent.end(ConnectionError("gone"))
        with pytest.raises(ConnectionError):
            await anext(files)


async def test_what_says_nothing_while_a_session_is_converted_is_passed_over(
    sent: Arriving, tmp_path: Path
) -> None:
    said = MessageAdded(message_id="m", role="user", parts=({"type": "text", "text": "x"},))
    session = ForeignSession(
        source="test",
        source_id="1",
        session_id=ADA,
        created=created(),
        created_at=at(0),
        drafts=(Draft(event=said, at=at(0)) for _ in range(5000)),
    )
    files = list(foreign_files([session], tmp_path, JsonCodec(), {}))
    assert files == [None, None, tmp_path / "sessions" / f"{ADA}.jsonl"]
    for piece in archived_files(tmp_path, files):
        sent.take(piece)
    sent.end()
    with Bundle(sent.file, UnpackLimits(), sent.upto) as bundle:
        (found,) = [file async for file in bundle.files()]
    assert b"".join(found.pieces()) == (tmp_path / found.name).read_bytes()


def test_a_client_that_goes_half_way_has_imported_nothing_and_the_next_one_may(
    database_url: str,
) -> None:
    content, second = asyncio.run(bundle_of_two())

    class GoneError(Exception):
        pass

    def half() -> Iterator[bytes]:
        yield content[:second]
        raise GoneError

    with running(database_url) as base, httpx.Client(base_url=base, timeout=60) as client:
        headers = {"Content-Type": "application/x-tar"}
        with pytest.raises(GoneError):
            client.post("/v1/import", content=half(), headers=headers)
        assert client.get("/v1/sessions").json()["sessions"] == []
        damaged = content.replace(b"sessions/", b"elsewhere", 1)
        end = monotonic() + 60
        code = "busy"
        while code == "busy":
            # That the client before this one has gone, the server hears in its own time.
            assert monotonic() < end, "the next import is never let in"
            code = client.post("/v1/import", content=damaged, headers=headers).json()["code"]
        assert code == "not_an_export"
        answer = client.post("/v1/import", content=content, headers=headers)
        assert '{"report":' in answer.text
        assert len(client.get("/v1/sessions").json()["sessions"]) == 2


class Gate(StandIn):
    """Lets an importer write nothing before it is open."""

    def __init__(self, importer: Importer, opened: asyncio.Event) -> None:
        super().__init__(importer)
        self._opened = opened

    async def write(self, plan: ImportPlan, caller: Caller) -> AsyncGenerator[Written]:
        await self._opened.wait()
        async for written in self.before.write(plan, caller):
            yield written


def transfers_of(place: Place, gate: asyncio.Event | None = None) -> Transfers:
    """Return what imports into a place, as one process has it."""
    fan_out = FanOut()
    repository, handler = repository_over(place.store), scope_handler_over(place.store, fan_out)
    importer = importer_over(place.store, repository, handler, fan_out, Timers())
    if gate is not None:
        Gate(importer, gate)
    return Transfers(
        place.store.identity,
        place.exports,
        checker_over(place.store, spelling_fault_of),
        importer,
        cast("TransparencyLog", None),
        memory=Share("exports", 1),
        compress=compressor,
        open_bundle=lambda sent: Bundle(sent.file, UnpackLimits(), sent.upto),
    )


def taking(
    transfers: Transfers, sent: Arriving, *, dry_run: bool = False
) -> AsyncGenerator[ImportPlan | Written]:
    return transfers.take(sent, IMPORTER, dry_run=dry_run, quarantine=False)


@contextmanager
def arrived(content: bytes) -> Generator[Arriving]:
    """Give something that has come."""
    with cast("BinaryIO", TemporaryFile()) as file:
        sent = Arriving(file)
        sent.take(content)
        sent.end()
        yield sent


async def test_who_sends_slowly_keeps_nobody_from_importing_and_finds_what_others_have_done(
    sent: Arriving,
) -> None:
    content, second = await bundle_of_two()
    place = memory_place()
    transfers = transfers_of(place)
    slow = taking(transfers, sent)
    sent.take(content[:second])
    planning = asyncio.ensure_future(anext(slow))
    assert not await settled(planning)

    with arrived(content) as whole:
        plan, *written = [step async for step in taking(transfers, whole)]
    assert isinstance(plan, ImportPlan)
    assert written[-1] == Written(2, 4)

    # What was planned of its first half, when nothing was there, is planned anew.
    sent.take(content[second:])
    sent.end()
    found = await planning
    assert isinstance(found, ImportPlan)
    assert [one.start for one in found.logs.values()] == [2, 2]
    assert [step async for step in slow][-1] == Written(0, 0)


async def test_what_is_planned_while_another_import_is_written_is_planned_anew(
    sent: Arriving,
) -> None:
    content, second = await bundle_of_two()
    gate = asyncio.Event()
    transfers = transfers_of(memory_place(), gate)
    with arrived(content) as whole:
        writing = taking(transfers, whole)
        await anext(writing)
        # Its first half is planned when nothing of the other one is there.
        slow = taking(transfers, sent)
        sent.take(content[:second])
        planning = asyncio.ensure_future(anext(slow))
        assert not await settled(planning)
        gate.set()
        assert [step async for step in writing][-1] == Written(2, 4)
    sent.take(content[second:])
    sent.end()
    found = await planning
    assert isinstance(found, ImportPlan)
    assert [one.start for one in found.logs.values()] == [2, 2]
    assert [step async for step in slow][-1] == Written(0, 0)


@pytest.mark.parametrize("dry_run", [False, True])
async def test_two_imports_are_never_written_at_once(dry_run: bool) -> None:
    content, _ = await bundle_of_two()
    gate = asyncio.Event()
    transfers = transfers_of(memory_place(), gate)
    with arrived(content) as one, arrived(content) as other:
        writing = taking(transfers, one)
        await anext(writing)
        with pytest.raises(Busy, match="another import"):
            await anext(taking(transfers, other, dry_run=dry_run))
        gate.set()
        assert [step async for step in writing][-1] == Written(2, 4)
        found = await anext(taking(transfers, other, dry_run=dry_run))
    assert isinstance(found, ImportPlan)
    assert all(log.is_there for log in found.logs.values())


@pytest.mark.parametrize("dry_run", [False, True])
async def test_who_takes_the_answer_slowly_keeps_nobody_from_importing(dry_run: bool) -> None:
    content, _ = await bundle_of_two()
    transfers = transfers_of(memory_place())
    with arrived(content) as one, arrived(content) as other:
        # Nothing but the first line is taken of this one.
        slow = taking(transfers, one, dry_run=dry_run)
        assert isinstance(await anext(slow), ImportPlan)
        last: ImportPlan | Written | None = None
        async with asyncio.timeout(60):
            while last is None:
                with suppress(Busy):
                    async for step in taking(transfers, other):
                        last = step
                await asyncio.sleep(0)
        assert last == (Written(2, 4) if dry_run else Written(0, 0))
        left = [step async for step in slow]
        assert left[-1:] == ([] if dry_run else [Written(2, 4)])


async def test_an_import_that_is_given_up_before_it_writes_lets_the_next_one_in() -> None:
    content, _ = await bundle_of_two()
    transfers = transfers_of(memory_place())
    with arrived(content) as one, arrived(content) as other:
        given_up = taking(transfers, one)
        await anext(given_up)
        await given_up.aclose()
        assert [step async for step in taking(transfers, other)][-1] == Written(2, 4)


def test_a_client_that_stands_still_in_its_import_keeps_nobody_from_importing(
    database_url: str,
) -> None:
    content, second = asyncio.run(bundle_of_two())
    begun, goes_on = threading.Event(), threading.Event()

    def still() -> Iterator[bytes]:
        yield content[:second]
        begun.set()
        assert goes_on.wait(60)
        yield content[second:]

    headers = {"Content-Type": "application/x-tar"}
    with running(database_url) as base, httpx.Client(base_url=base, timeout=60) as client:

        def send(body: bytes | Iterator[bytes]) -> list[dict[str, Any]]:
            answer = client.post("/v1/import", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            return [json.loads(line) for line in answer.text.splitlines()]

        with ThreadPoolExecutor(1) as pool:
            standing = pool.submit(send, still())
            try:
                assert begun.wait(60)
                report = send(content)[-1]["report"]
                assert (report["sessions"], standing.done()) == (2, False)
            finally:
                goes_on.set()
            late = standing.result(60)[-1]["report"]
        assert (late["sessions"], late["already_there"]) == (0, 2)
        assert len(client.get("/v1/sessions").json()["sessions"]) == 2
