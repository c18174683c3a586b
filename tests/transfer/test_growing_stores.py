"""A store that goes on while it is exported gives a bundle that can be imported."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

import pytest

from api.cli.transfer import exporting
from application.transfer.blob_files import BlobFile
from application.transfer.bundles import Manifest, archive
from application.transfer.exporting import exports
from application.transfer.exporting.log_files import LogFile
from application.transfer.exporting.selecting import Selection
from domain.values import Origin
from tests.support.api import Api
from tests.support.builders import added, created
from tests.support.in_process import said_by
from tests.support.server import running
from tests.support.transfers import Place, Populated, archive_of, files_of, memory_place
from tests.transfer.test_ended_exports import at_file

ADA, BOB, FORK = (UUID(int=number) for number in (7, 8, 9))


def of(session_id: UUID) -> str:
    return f"sessions/{session_id}.jsonl"


async def growing(place: Place, filled: Populated) -> AsyncGenerator[LogFile | BlobFile]:
    """Give the files of a store that grows when the first one was taken."""
    manifest = Manifest(place.store.identity)
    async for file in place.exports.all(Selection(), manifest):
        yield file
        if file.name == of(ADA):
            await go_on(filled)


async def go_on(filled: Populated) -> None:
    """Let sessions go on, and fork one of them at its end."""
    await filled.add(ADA, added("m2"))
    await filled.add(BOB, added("m2"))
    sequence, digest, *_ = filled.ends[ADA]
    where = Origin(session_id=ADA, sequence=sequence, digest=digest.hex())
    await filled.add(FORK, created(forked_from=where))


async def begun(monkeypatch: pytest.MonkeyPatch) -> tuple[Place, Populated]:
    monkeypatch.setattr(exports, "_OPENED", 1)
    place = memory_place()
    filled = Populated(place.store)
    for session_id in (ADA, BOB):
        await filled.add(session_id, created(), added("m1"))
    return place, filled


async def test_a_fork_of_what_came_after_its_origin_was_exported_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place, filled = await begun(monkeypatch)
    manifest = Manifest(place.store.identity)
    content = b"".join([one async for one in archive(growing(place, filled), manifest)])

    plan = await memory_place().take_in(content)

    # What there was is in as it was when its turn came.
    assert {log_id: log.header.head for log_id, log in plan.logs.items()} == {ADA: 2, BOB: 3}
    assert of(FORK) in files_of(await place.export())


async def test_parts_of_an_export_leave_out_what_came_after_the_first_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place, filled = await begun(monkeypatch)
    first = json.loads(files_of(await place.export(Selection(limit=1)))["manifest.json"])
    await go_on(filled)

    after, began = UUID(first["next"]), first["began"]
    assert (after, began) == (ADA, 4)
    rest = files_of(await place.export(Selection(after=after, began=began)))
    assert rest.keys() == {of(BOB), "manifest.json"}
    # Whoever names it has it.
    named = files_of(await place.export(Selection(session_ids=(FORK,), began=began)))
    assert of(FORK) in named


async def test_a_fork_of_what_the_store_has_behind_the_file_of_its_origin_is_taken() -> None:
    place = memory_place()
    filled = Populated(place.store)
    await filled.add(ADA, created(), added("m1"))
    early = files_of(await place.export())[of(ADA)]
    await filled.add(ADA, added("m2"))
    copy = memory_place()
    await copy.take_in(await place.export())
    sequence, digest, *_ = filled.ends[ADA]
    where = Origin(session_id=ADA, sequence=sequence, digest=digest.hex())
    await filled.add(FORK, created(forked_from=where))
    bundle = archive_of({of(ADA): early, of(FORK): await place.export_session(FORK)})

    await copy.take_in(bundle)

    assert await copy.export_session(FORK)


def test_the_command_makes_a_bundle_of_a_store_that_is_forked_meanwhile(
    database_url: str,
    other_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    with running(database_url) as url:
        api = Api(url)
        sessions = [api.create() for _ in range(2)]

        def fork() -> None:
            sessions[0].say()
            assert sessions[0].post("/fork", {}).status_code == 201

        monkeypatch.setattr(exporting, "_PART", 1)
        monkeypatch.setattr(exporting, "_write", at_file(2, fork))
        assert said_by(capsys, "export", "-o", output, "--url", url)[0] == 0
        api.close()
    with running(other_url) as url:
        code, said, _ = said_by(capsys, "import", output, "--json", "--url", url)
        assert (code, json.loads(said)["sessions"]) == (0, 2)
