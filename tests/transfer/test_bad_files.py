"""Files that are not what they should be: each is refused by name, and nothing is written."""

import io
import json
import tarfile
from collections.abc import Callable
from tempfile import TemporaryFile
from typing import Any
from uuid import UUID

import pytest
import zstandard

from application.projections.shared_state import scope_id
from application.transfer.lines import FileFault
from domain.scope.events import ScopeOpened
from domain.session.events import StatePatched
from infrastructure.transfer.compression import compressor
from infrastructure.transfer.unpacking import Bundle, UnpackLimits
from tests.support.builders import added, created
from tests.support.transfers import (
    Place,
    Populated,
    archive_of,
    files_of,
    memory_place,
    rechained,
)

ADA, BOB = UUID(int=7), UUID(int=8)
NAME = f"sessions/{ADA}.jsonl"


async def exported() -> bytes:
    """Return the export file of a session of five events."""
    place = memory_place()
    filled = Populated(place.store)
    await filled.add(ADA, created(), *(added(f"m{number}") for number in range(4)))
    return await place.export_session(ADA)


async def bundled() -> bytes:
    place = memory_place()
    filled = Populated(place.store)
    await filled.add(ADA, created(), added("m1"))
    await filled.add(BOB, created(), added("m1"))
    return await place.export()


def changed(header: bytes, **fields: Any) -> bytes:
    return json.dumps({**json.loads(header), **fields}).encode()


async def unpack(content: bytes, **limits: int) -> None:
    with TemporaryFile() as raw:
        raw.write(content)
        with Bundle(raw, UnpackLimits(**limits)) as bundle:
            async for _ in bundle.files():
                pass


# ── one file ─────────────────────────────────────────────────────────────────────────────────

FAULTS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str, str]] = {
    "cut": (lambda lines: lines[:-1], "damaged", "event_head_mismatch"),
    "cut in a line": (lambda lines: [*lines[:-1], lines[-1][:-23]], "damaged", "line 6 is"),
    "exchanged": (
        lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
        "event_sequence_gap",
        "line 3 is event 3, and should be 2",
    ),
    "twice": (
        lambda lines: [*lines[:3], lines[2], *lines[3:]],
        "event_sequence_duplicate",
        "line 4 is event 2, and should be 3",
    ),
    "missing": (lambda lines: [*lines[:2], *lines[3:]], "event_sequence_gap", "events are missing"),
    "another text": (
        lambda lines: [line.replace(b"hello", b"jello") for line in lines],
        "damaged",
        "digest_mismatch: the digest does not cover",
    ),
    "another digest": (
        lambda lines: [changed(lines[0], digest="0" * 64), *lines[1:]],
        "damaged",
        "event_head_mismatch",
    ),
    "ten billion": (
        lambda lines: [changed(lines[0], events=10**10, head=10**10), *lines[1:]],
        "damaged",
        "the head is at 10000000000, the log ends at 5",
    ),
    "contradiction": (
        lambda lines: [changed(lines[0], events=4), *lines[1:]],
        "damaged",
        "the header contradicts itself",
    ),
    "another version": (
        lambda lines: [changed(lines[0], cairn_export=2), *lines[1:]],
        "not_an_export",
        "version 2; this program reads version 1",
    ),
    "no header": (lambda lines: lines[1:], "not_an_export", "its first line is no header"),
    "no count": (
        lambda lines: [changed(lines[0], events="many"), *lines[1:]],
        "not_an_export",
        "a header that cannot be read",
    ),
    "another session": (
        lambda lines: [lines[0], *(line.replace(str(ADA).encode(), str(BOB).encode())
                                   for line in lines[1:])],
        "damaged",
        "an event of another log",
    ),
    "not begun": (
        lambda lines: [lines[0], *rechained(
            lines[1:],
            ADA,
            lambda _, record: record.replace(b"session.created", b"session.starred"),
        )],
        "damaged", "its first event, which begins it, cannot be read",
    ),
    "later version": (
        lambda lines: [lines[0], *rechained(
            lines[1:], ADA, lambda number, record: record.replace(b'"v":1', b'"v":9')
        )],
        "damaged",
        "unknown_event_version",
    ),
    "other spelling": (
        lambda lines: [lines[0], *rechained(
            lines[1:],
            ADA,
            lambda number, record: record if number < 3 else record.replace(b'"v":', b'"v": '),
        )],
        "damaged",
        "fields in another order, or white space between them",
    ),
    "only a header": (lambda lines: lines[:1], "damaged", "line 2 is no event"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_file_that_is_wrong_is_refused_by_name(fault: str, copy: Place) -> None:
    change, code, words = FAULTS[fault]
    lines = (await exported()).splitlines()
    plan = await copy.plan(b"\n".join(change(lines)) + b"\n")
    (conflict,) = plan.conflicts
    assert conflict.code == code
    assert words in conflict.detail
    assert await copy.store.log.head() == 0


@pytest.mark.parametrize("fault", ["cut", "another text", "later version", "other spelling"])
async def test_quarantine_takes_what_is_damaged(fault: str, copy: Place) -> None:
    change, *_ = FAULTS[fault]
    lines = change((await exported()).splitlines())
    plan = await copy.take_in(b"\n".join(lines) + b"\n", quarantine=True)
    assert plan.document(dry_run=False)["quarantined"] == [str(ADA)]
    listed = await copy.store.session_rows.session(ADA)
    assert listed is not None
    assert listed.held == "quarantine"
    assert listed.sequence == len(lines) - 1
    stored = await copy.store.log.read(ADA, limit=10)
    assert [event.record for event in stored] == [
        b"{" + line[line.index(b'"id"') :] for line in lines[1:]
    ]
    again = await copy.plan(b"\n".join(lines) + b"\n", quarantine=True)
    assert not again.conflicts
    assert again.logs[ADA].is_there


async def test_quarantine_holds_nothing_that_is_whole(copy: Place) -> None:
    await copy.take_in(await exported(), quarantine=True)
    listed = await copy.store.session_rows.session(ADA)
    assert listed is not None
    assert listed.held is None


async def test_what_is_there_whole_is_not_taken_for_a_damaged_copy_of_it(copy: Place) -> None:
    whole = await exported()
    await copy.take_in(whole)
    for fault in ("another text", "cut"):
        change, *_ = FAULTS[fault]
        damaged = b"\n".join(change(whole.splitlines())) + b"\n"
        (conflict,) = (await copy.plan(damaged, quarantine=True)).conflicts
        assert (conflict.code, conflict.session_id) == ("another_chain", ADA)
        assert conflict.detail == "the store has this session without the damage"


# ── bundles ──────────────────────────────────────────────────────────────────────────────────


async def test_all_that_is_wrong_is_said_and_nothing_is_written(copy: Place) -> None:
    files = files_of(await bundled())
    files[f"sessions/{ADA}.jsonl"] = files[f"sessions/{ADA}.jsonl"].replace(b"hello", b"jello")
    files[f"sessions/{BOB}.jsonl"] = b"{}\n"
    plan = await copy.plan(archive_of(files))
    found = {(conflict.name, conflict.code) for conflict in plan.conflicts}
    assert found == {
        (f"sessions/{ADA}.jsonl", "manifest_mismatch"),
        (f"sessions/{ADA}.jsonl", "damaged"),
        (f"sessions/{BOB}.jsonl", "not_an_export"),
        (f"sessions/{BOB}.jsonl", "manifest_mismatch"),
    }
    assert await copy.store.log.head() == 0


async def test_a_file_that_the_manifest_names_must_be_there_and_no_other(copy: Place) -> None:
    files = files_of(await bundled())
    one = files.pop(f"sessions/{BOB}.jsonl")
    (conflict,) = (await copy.plan(archive_of(files))).conflicts
    assert (conflict.name, conflict.code) == (f"sessions/{BOB}.jsonl", "manifest_mismatch")
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = manifest["files"][:1]
    files |= {f"sessions/{BOB}.jsonl": one, "manifest.json": json.dumps(manifest).encode()}
    (conflict,) = (await copy.plan(archive_of(files))).conflicts
    assert conflict.detail == "the manifest does not name this file"


async def test_two_files_of_one_session_are_refused(copy: Place) -> None:
    content = await exported()
    with pytest.raises(FileFault, match="two files of the log"):
        await unpack(archive_of([(NAME, content), (NAME, content)]))
    packed = zstandard.compress(content)
    with pytest.raises(FileFault, match="two files of the log"):
        await unpack(archive_of([(NAME, content), (f"{NAME}.zst", packed)]))
    plan = await copy.plan(archive_of([(NAME, content), (f"sessions/{BOB}.jsonl", content)]))
    assert [one.code for one in plan.conflicts] == ["wrong_place"]


@pytest.mark.parametrize(
    "path",
    ["../x.jsonl", "/etc/passwd", f"sessions/../../{ADA}.jsonl", f"a/b/c/{NAME}", "notes.txt"],
)
async def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(FileFault, match=r"leads out of|no place in a bundle"):
        await unpack(archive_of([(path, b"x")]))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.GNUTYPE_SPARSE, "a file with holes"),
        (b"Z", "of the unknown kind"),
    ],
)
async def test_what_is_no_file_is_refused(kind: bytes, words: str) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as made:
        info = tarfile.TarInfo(NAME)
        info.type, info.linkname = kind, "/etc/passwd"
        made.addfile(info)
    with pytest.raises(FileFault, match=words):
        await unpack(target.getvalue())


async def test_an_announced_size_is_not_believed() -> None:
    info = tarfile.TarInfo(NAME)
    info.size = 10 * 1024**3
    with pytest.raises(FileFault, match="ends within"):
        await unpack(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 512)


@pytest.mark.parametrize("size", [b"-0000001000", b"+0000001000", b"0000_001000", b"00000001008"])
async def test_a_size_that_is_no_octal_number_is_refused(size: bytes) -> None:
    """One below nothing would lead back to the same member, again and again."""
    header = bytearray(tarfile.TarInfo(NAME).tobuf(tarfile.GNU_FORMAT))
    header[124:136] = size + b"\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(FileFault, match="header that cannot be read"):
        await unpack(bytes(header) + b"\0" * 1024)


async def test_a_bomb_is_stopped_early() -> None:
    bomb = zstandard.compress(b"\0" * (300 * 1024 * 1024))
    assert len(bomb) < 50_000
    with pytest.raises(FileFault, match="unpacks to more than"):
        await unpack(bomb)
    with pytest.raises(FileFault, match="unpacks to more than 1000 bytes"):
        await unpack(
            archive_of([(f"{NAME}.zst", zstandard.compress(b"x" * 2000))]), most_bytes=1000
        )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no export of Cairn: it is empty; give what `cairn export` has made"),
        (b"hello", "neither the first line of one session nor the form of a bundle"),
        (b"SQLite format 3\0", "a database of SQLite; .* `cairn import --from SYSTEM`"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"\x1f\x8bgzip", "compressed with gzip"),
        (zstandard.compress(zstandard.compress(b"{}")), "neither the first line"),
        (zstandard.compress(b"{}" * 1000)[:-3], "its end is missing"),
        (zstandard.MAGIC_NUMBER.to_bytes(4, "little") + b"\xff" * 100, "cannot be unpacked"),
    ],
)
async def test_what_is_no_bundle_is_named(content: bytes, words: str) -> None:
    with pytest.raises(FileFault, match=words):
        await unpack(content)


async def test_archives_that_are_cut_or_damaged_are_refused() -> None:
    content = await bundled()
    with pytest.raises(FileFault, match=r"ends within|the end of the archive is missing"):
        await unpack(content[: len(content) // 2])
    with pytest.raises(FileFault, match="damaged at byte 0"):
        await unpack(b"x" + content[1:])
    with pytest.raises(FileFault, match="without the file of any log"):
        await unpack(archive_of([("checkpoint", b"x")]))


async def test_manifests_that_are_none_are_refused() -> None:
    content = await exported()
    for manifest, words in (
        (b"{", "not JSON"),
        (b"[]", "no object"),
        (b'{"cairn_bundle":2}', "version 2; this program reads version 1"),
    ):
        with pytest.raises(FileFault, match=words):
            await unpack(archive_of([(NAME, content), ("manifest.json", manifest)]))


async def test_a_folder_in_an_archive_and_compressed_files_are_taken(copy: Place) -> None:
    packer = compressor()
    packed = packer.compress(await exported()) + packer.flush()
    await copy.take_in(archive_of([(f"mine/{NAME}.zst", packed)]))
    assert await copy.store.log.head() == 5


async def test_a_line_that_never_ends_is_refused(copy: Place) -> None:
    header, first, *_ = (await exported()).splitlines()
    long = b"\n".join([header, first, b"{" + b" " * (17 * 1024 * 1024)])
    (conflict,) = (await copy.plan(long)).conflicts
    assert conflict.detail == f"line 3 is longer than {16 * 1024 * 1024} bytes"


async def test_a_log_without_a_list_row_cannot_be_held(copy: Place) -> None:
    place = memory_place()
    scope = scope_id("console", None)
    filled = Populated(place.store)
    await filled.add(scope, ScopeOpened(app="console"), StatePatched(set={"app:a": "hello"}))
    bundle = (await place.export()).replace(b"hello", b"jello")
    plan = await copy.plan(bundle, quarantine=True)
    assert {one.code for one in plan.conflicts} == {"damaged", "manifest_mismatch"}
