"""Archives as folders: a bundle whose manifest comes last, and which is read again to its end."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import msgspec

from application.ports.log.codec import Codec
from application.ports.session.retention import ArchiveDamaged
from application.transfer.blob_files import BLOB_FILE, BlobFile
from application.transfer.bundles import MANIFEST, FileEntry, Manifest, to_json
from application.transfer.exporting.exports import Exports
from application.transfer.exporting.selecting import Selection
from application.transfer.lines import LONGEST_LINE, FileFault, header_of
from application.transfer.log_check import LogCheck, LogRefused
from domain.repair.rows import decoded
from infrastructure.records.codec import JsonCodec
from infrastructure.records.record_check import spelling_fault_of

_UNFINISHED = ".unfinished"
_PRIVATE = 0o700


class ArchiveFolders:
    """Writes archives of this store, and verifies them; as the port `Archives` has it.

    Args:
        exports: Makes files of logs.
        store: The identity of the store.
    """

    def __init__(self, exports: Exports, store: UUID | str) -> None:
        self._exports = exports
        self._store = str(store)

    async def write(self, folder: Path, log_ids: Sequence[UUID]) -> Path:
        """Write a bundle, readable for the user of this server alone."""
        bundle = new_folder_in(folder)
        work = await asyncio.to_thread(_begin, bundle)
        manifest = Manifest(self._store)
        files = self._exports.all(Selection(session_ids=log_ids), manifest)
        async for file in files:
            if isinstance(file, BlobFile):
                if not (work / file.name).exists():
                    await _written(work / file.name, file.pieces())
                manifest.blobs.append(file.entry)
                continue
            size, digest = await _written(work / file.name, file.pieces())
            header = file.header
            manifest.files.append(
                FileEntry(
                    file.name,
                    size,
                    digest,
                    str(header.session_id),
                    header.events,
                    header.head,
                    header.digest.hex(),
                )
            )
        await _written(work / MANIFEST, _one(to_json(manifest.document())))
        work.rename(bundle)
        for synced in (bundle, folder):
            await asyncio.to_thread(_sync, synced)
        return bundle

    async def verify(self, bundle: Path, log_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """Read a bundle again from its manifest to the last digest."""
        return await asyncio.to_thread(verify_archive, bundle, log_ids)


def new_folder_in(folder: Path) -> Path:
    """Return the name of a new archive, and see that what it will lie in is there.

    Args:
        folder: What it will lie in.
    """
    folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    return folder / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _begin(bundle: Path) -> Path:
    """Return a new folder, which is no archive yet."""
    # What a run that was killed has left: it was never taken for an archive.
    for left in bundle.parent.glob(f"*{_UNFINISHED}"):
        shutil.rmtree(left, ignore_errors=True)
    work = bundle.with_name(f"{bundle.name}{_UNFINISHED}")
    work.mkdir(mode=_PRIVATE)
    return work


async def _one(content: bytes) -> AsyncGenerator[bytes]:
    yield content


async def _written(path: Path, pieces: AsyncGenerator[bytes]) -> tuple[int, str]:
    """Write a file to the disk, and return its size and SHA-256."""
    digest, size = sha256(), 0

    def put(file: BinaryIO, piece: bytes) -> None:
        digest.update(piece)
        file.write(piece)

    path.parent.mkdir(exist_ok=True)
    with path.open("xb") as file:
        async for piece in pieces:
            await asyncio.to_thread(put, file, piece)
            size += len(piece)
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    return size, digest.hexdigest()


def _sync(folder: Path) -> None:
    """Have the names in a folder outlive a loss of power."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def verify_archive(bundle: Path, log_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Read a bundle again from its manifest to the last digest, and return the heads in it.

    Args:
        bundle: A folder.
        log_ids: What must be in it.

    Raises:
        ArchiveDamaged: It is not whole.
    """
    try:
        manifest = msgspec.json.decode((bundle / MANIFEST).read_bytes())
        named: dict[str, Mapping[str, Any]] = {
            str(one["session_id"]): one for one in manifest["files"]
        }
    except (OSError, msgspec.MsgspecError, KeyError, TypeError) as error:
        raise ArchiveDamaged(
            f"The archive {bundle} has no manifest, so nothing is erased: {error}."
        ) from None
    for blob in manifest.get("blobs", ()):
        try:
            _check_blob(bundle, str(blob["name"]))
        except (FileFault, OSError, KeyError) as fault:
            raise ArchiveDamaged(
                f"A blob in the archive {bundle} is not whole, so nothing is erased: {fault}."
            ) from None
    codec = JsonCodec()
    heads: dict[UUID, int] = {}
    for log_id in log_ids:
        entry = named.get(str(log_id))
        try:
            if entry is None:
                raise FileFault("the manifest does not name it")
            heads[log_id] = _checked(codec, log_id, bundle / str(entry["name"]), entry)
        except (FileFault, LogRefused, OSError, KeyError) as fault:
            raise ArchiveDamaged(
                f"The archive of {log_id} is not whole, so nothing is erased: {fault}."
            ) from None
    return heads


def _check_blob(bundle: Path, name: str) -> None:
    if not BLOB_FILE.fullmatch(name):
        raise FileFault(f"{name[:200]!r} is no name of one")
    with (bundle / name).open("rb") as file:
        if file_digest(file, "sha256").hexdigest() != name.removeprefix("blobs/"):
            raise FileFault(f"{name} is not what its name says")


def _checked(codec: Codec, log_id: UUID, path: Path, entry: Mapping[str, Any]) -> int:
    """Return the head of a log whose file was read from its first byte to its last."""

    def read(raw: bytes) -> Any:
        try:
            return codec.from_json(raw)
        except ValueError:
            return decoded(raw)

    digest = sha256()
    with closing(path.open("rb")) as file:
        lines = _lines(file, digest.update)
        header = header_of(next(lines, b""), path.name)
        check = LogCheck(header, set(), read, codec, spelling_fault_of)
        check.take(lines)
    if digest.hexdigest() != entry["sha256"]:
        raise FileFault("its bytes are not those of the manifest")
    found = header.session_id, header.head, header.digest.hex()
    if found != (log_id, entry["head"], entry["digest"]):
        raise FileFault("its end is not the one of the manifest")
    if (damage := check.damage()) is not None:
        raise FileFault(damage)
    return header.head


def _lines(file: BinaryIO, seen: Any) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE + 1):
        seen(line)
        if len(line) > LONGEST_LINE:
            raise FileFault("it has a line that is longer than any event")
        yield line.rstrip(b"\n")
