"""Blobs go out with the sessions that name them, and come in before them."""

import json
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from application.ports.blobs.blob import CHUNK, Blob, BlobOwner
from application.ports.session.retention import ArchiveDamaged
from application.transfer.exporting.selecting import Selection
from domain.blobs import blob_name
from domain.session.events import MessageAdded
from domain.values import Origin
from infrastructure.transfer.archive_folder import ArchiveFolders, verify_archive
from tests.support.builders import OWNER, created
from tests.support.transfers import (
    Place,
    Populated,
    archive_of,
    files_of,
    memory_place,
    rechained,
)

ADA, FORK = UUID(int=7), UUID(int=3)
HELD = BlobOwner(OWNER.app, OWNER.user)
CONTENTS = (bytes(CHUNK) + b"pixels", b"words")


async def keep(place: Place, content: bytes) -> Blob:
    blobs = place.store.blobs
    upload = await blobs.begin(HELD.app)
    for start in range(0, len(content), CHUNK):
        await blobs.add(upload, start, content[start : start + CHUNK])
    digest = sha256(content).digest()
    return (await blobs.keep(upload, HELD, digest, len(content), "image/png")).blob


def naming(number: int, blob: Blob) -> MessageAdded:
    part = {"type": "image", "blob": blob.name}
    return MessageAdded(message_id=f"m{number}", role="user", parts=(part,))


async def furnished(place: Place) -> list[Blob]:
    """Fill a store: a session that names two blobs, a fork of it, and a blob that nobody names."""
    kept = [await keep(place, content) for content in CONTENTS]
    await keep(place, b"unnamed")
    filled = Populated(place.store)
    await place.store.blobs.name(ADA, HELD, [one.name for one in kept])
    await filled.add(ADA, created(), *(naming(*one) for one in enumerate(kept)))
    sequence, digest, *_ = filled.ends[ADA]
    where = Origin(session_id=ADA, sequence=sequence, digest=digest.hex())
    await filled.add(FORK, created(forked_from=where))
    await place.store.blobs.inherit(FORK, ADA)
    return kept


async def bytes_of(place: Place, blob: Blob) -> bytes:
    found = b""
    while len(found) < blob.size:
        chunk = await place.store.blobs.read(HELD, blob.name, len(found))
        assert chunk is not None
        found += chunk.content
    return found


async def kept_by(place: Place, blob: Blob) -> bool:
    return await place.store.blobs.find(HELD, blob.name) is not None


async def named(place: Place, session_id: UUID) -> set[Blob | None]:
    return {one.blob for one in await place.store.blobs.of_session(session_id, limit=9)}


async def test_they_come_back_and_stay_with_their_sessions(origin: Place, copy: Place) -> None:
    kept = await furnished(origin)
    bundle = await origin.export()
    files = files_of(bundle)
    assert {name: one for name, one in files.items() if name.startswith("blobs/")} == {
        f"blobs/{sha256(content).hexdigest()}": content for content in CONTENTS
    }

    plan = await copy.take_in(bundle)

    assert plan.document(dry_run=False)["blobs"] == 2
    assert await copy.store.blobs.sweep(timedelta(0), timedelta(0), 99) == 0
    for session_id in (ADA, FORK):
        assert await named(copy, session_id) == {*kept}
    assert [await bytes_of(copy, one) for one in kept] == [*CONTENTS]
    again = await copy.take_in(bundle)
    assert again.document(dry_run=False)["already_there"] == 2
    assert (await copy.store.blobs.find(HELD, blob_name(sha256(b"unnamed").digest()))) is None


async def test_a_fork_that_is_imported_names_what_its_origin_named_later_too() -> None:
    origin, copy = memory_place(), memory_place()
    early, late = [await keep(origin, content) for content in CONTENTS]
    filled = Populated(origin.store)
    await origin.store.blobs.name(ADA, HELD, [early.name])
    await filled.add(ADA, created(), naming(0, early))
    sequence, digest, *_ = filled.ends[ADA]
    where = Origin(session_id=ADA, sequence=sequence, digest=digest.hex())
    await origin.store.blobs.inherit(FORK, ADA)
    await filled.add(FORK, created(forked_from=where))
    await origin.store.blobs.name(ADA, HELD, [late.name])
    await filled.add(ADA, naming(1, late))

    await copy.take_in(await origin.export())

    assert await named(origin, FORK) == {early}
    assert await named(copy, FORK) == await named(copy, ADA) == {early, late}


async def test_a_session_that_came_without_its_blobs_has_them_when_they_are_sent() -> None:
    origin, copy = memory_place(), memory_place()
    kept = await furnished(origin)
    await copy.take_in(await origin.export_session(ADA))
    assert await named(copy, ADA) == {None}

    await keep(copy, CONTENTS[0])

    await copy.store.blobs.sweep(timedelta(0), timedelta(0), 99)
    assert await named(copy, ADA) == {kept[0], None}


@pytest.mark.parametrize("spelled", [rb"\u0073ha256:", rb"sha256\u003A"])
async def test_a_name_whose_letters_are_spelled_by_their_numbers_names_its_blob(
    spelled: bytes,
) -> None:
    origin, copy = memory_place(), memory_place()
    kept = await furnished(origin)
    lines = (await origin.export_session(ADA)).splitlines()
    lines[1:] = rechained(lines[1:], ADA, lambda _, one: one.replace(b"sha256:", spelled))
    digest = json.loads(lines[-1])["digest"]
    lines[0] = json.dumps({**json.loads(lines[0]), "digest": digest}).encode()

    await copy.take_in(b"\n".join(lines) + b"\n")

    await keep(copy, CONTENTS[1])
    await copy.store.blobs.sweep(timedelta(0), timedelta(0), 99)
    assert await named(copy, ADA) == {None, kept[1]}


async def test_what_is_not_what_its_name_says_is_refused() -> None:
    origin = memory_place()
    await furnished(origin)
    files = files_of(await origin.export(Selection(session_ids=(ADA,))))
    (large, small) = sorted(name for name in files if name.startswith("blobs/"))

    changed = {**files, small: files[large]}
    gone = {name: content for name, content in files.items() if name != small}
    unknown = {**files, "blobs/" + "0" * 64: b"x"}
    told = json.loads(files["manifest.json"])
    told["blobs"][0]["app"] = 7
    nobody = {**files, "manifest.json": json.dumps(told).encode()}

    unnamed = []
    for field in ("app", "user", "media_type"):
        told = json.loads(files["manifest.json"])
        told["blobs"][0][field] = "a\0"
        unnamed.append({**files, "manifest.json": json.dumps(told).encode()})

    for wrong in (changed, gone, unknown, nobody, *unnamed):
        plan = await memory_place().plan(archive_of(wrong))
        assert {one.code for one in plan.conflicts} == {"manifest_mismatch"}
    del files["manifest.json"]
    plan = await memory_place().plan(archive_of(files))
    assert (sorted(plan.left_out), plan.blobs, plan.conflicts) == ([large, small], [], [])


async def test_an_archive_has_them_and_is_looked_through(tmp_path: Path) -> None:
    origin = memory_place()
    await furnished(origin)
    folders = ArchiveFolders(origin.exports, origin.store.identity)
    bundle = await folders.write(tmp_path, [ADA])

    assert verify_archive(bundle, [ADA]) == {ADA: 3}

    for path in (bundle / "blobs").iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"!")
        with pytest.raises(ArchiveDamaged, match="nothing is erased"):
            verify_archive(bundle, [ADA])
        path.unlink()
        with pytest.raises(ArchiveDamaged):
            verify_archive(bundle, [ADA])
        path.write_bytes(content)
    assert verify_archive(bundle, [ADA]) == {ADA: 3}
