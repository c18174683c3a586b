"""A bundle: a folder or an archive with a file for each log, and a manifest of all of them."""

import asyncio
import json
import re
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple, Protocol
from uuid import UUID

from application.errors import BlobNotFound
from application.ports.session.shared_state import KeyValue, ScopeOwner
from application.transfer.blob_files import BlobFile
from application.transfer.lines import Header
from domain.access.events import ACCESS_LOG
from domain.errors import Erased

FORMAT = 1
"""The version of bundles; another one is refused."""
MANIFEST = "manifest.json"
CHECKPOINT = "checkpoint"
IN_MEMORY = 8 * 1024 * 1024
"""The size up to which a file is put together in memory, and not on the disk."""
_READ = 1024 * 1024
_IN_A_THREAD = 64 * 1024
"""The size from which a piece is compressed by another thread."""
_END = b"\0" * 1024
FILE_NAME = re.compile(r"(sessions|scopes|accesses|logs)/([0-9a-f-]{36})\.jsonl(\.zst)?")


def place_of(log_id: UUID, first_type: str) -> str:
    """Return the name that the file of a log has in a bundle.

    Args:
        log_id: Whose log.
        first_type: Of its first event.
    """
    match first_type:
        case "session.created":
            folder = "sessions"
        case "scope.opened" | "scope.erased":
            folder = "scopes"
        case _:
            folder = "accesses" if log_id == ACCESS_LOG else "logs"
    return f"{folder}/{log_id}.jsonl"


class FileEntry(NamedTuple):
    """What a manifest says of a file: its name in the bundle, its bytes, and whose log it is."""

    name: str
    bytes: int
    sha256: str
    session_id: str
    events: int
    head: int
    digest: str


@dataclass(slots=True)
class SharedHistory:
    """The writes to the keys of one shared scope, in order of position."""

    scope_id: UUID
    owner: ScopeOwner
    writes: list[KeyValue] = field(default_factory=list[KeyValue])

    def document(self) -> dict[str, Any]:
        """Return it as a manifest has it."""
        return {
            "scope_id": str(self.scope_id),
            "app": self.owner.app,
            "user": self.owner.user,
            "history": [
                {
                    "key": one.key,
                    "position": one.position,
                    "session_id": str(one.session_id),
                    "sequence": one.sequence,
                    **({"deleted": True} if one.value is None else {"value": _value(one.value)}),
                }
                for one in self.writes
            ],
        }


def _value(raw: bytes) -> Any:
    return json.loads(raw)


@dataclass(slots=True)
class Manifest:
    """What is in a bundle.

    Args:
        store: The identity of the store that it comes from.
        files: One for each log.
        blobs: Those that the sessions in it name, of each that has them.
        shared_state: The writes of these logs to keys that they share.
        checkpoint: The signed head of the log before the first file was made; None without keys.
        whole: It was made of all logs that there are.
        next: Behind which log the next part begins, when this is not the last one.
        began: The position of the log when the first part was begun.
    """

    store: str
    files: list[FileEntry] = field(default_factory=list[FileEntry])
    blobs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    shared_state: list[SharedHistory] = field(default_factory=list[SharedHistory])
    checkpoint: str | None = None
    whole: bool = False
    next: UUID | None = None
    began: int = 0

    def document(self) -> dict[str, Any]:
        """Return it as JSON may hold it."""
        told: dict[str, Any] = {
            "cairn_bundle": FORMAT,
            "store": self.store,
            "whole": self.whole,
            "files": [one._asdict() for one in self.files],
            "blobs": self.blobs,
            "shared_state": [one.document() for one in self.shared_state],
            "checkpoint": self.checkpoint,
        }
        if self.next is not None:
            told |= {"next": str(self.next), "began": self.began}
        return told


def to_json(document: Any) -> bytes:
    """Return a manifest as the bytes of its file."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class ExportFile(Protocol):
    """A file of a bundle, piece by piece."""

    name: str
    header: Header

    @property
    def is_whole(self) -> bool:
        """Whether all of it was read when it was opened."""
        ...

    def pieces(self) -> AsyncGenerator[bytes]:
        """Yield its bytes; once.

        Raises:
            Erased: The log was erased on the way.
        """
        ...

    async def again(self) -> "ExportFile":
        """Return the file of the log as it is now."""
        ...


async def archive(
    files: AsyncIterator[ExportFile | BlobFile], manifest: Manifest
) -> AsyncGenerator[bytes]:
    """Yield a bundle as a tar archive, in constant memory; the manifest comes last.

    An archive says the size of a file before its bytes: one that is long is put together on the
    disk first.

    Args:
        files: What goes into it.
        manifest: Is completed while they are taken.
    """
    if manifest.checkpoint is not None:
        note = manifest.checkpoint.encode()
        yield _member(CHECKPOINT, len(note)) + note + _padding(len(note))
    async for file in files:
        if isinstance(file, BlobFile):
            async for piece in _blob(file, manifest):
                yield piece
            continue
        digest, size = sha256(), 0
        if file.is_whole:
            pieces = [piece async for piece in file.pieces()]
            for piece in pieces:
                digest.update(piece)
            size = sum(map(len, pieces))
            for piece in (_member(file.name, size), *pieces, _padding(size)):
                yield piece
        else:
            with SpooledTemporaryFile(IN_MEMORY) as spool:
                file, digest, size = await _spooled(file, spool)
                yield _member(file.name, size)
                spool.seek(0)
                while piece := spool.read(_READ):
                    yield piece
                yield _padding(size)
        header = file.header
        manifest.files.append(
            FileEntry(
                file.name,
                size,
                digest.hexdigest(),
                str(header.session_id),
                header.events,
                header.head,
                header.digest.hex(),
            )
        )
    told = to_json(manifest.document())
    yield _member(MANIFEST, len(told)) + told + _padding(len(told)) + _END


async def _blob(file: BlobFile, manifest: Manifest) -> AsyncGenerator[bytes]:
    """Yield the file of a blob, unless it is there already, or is gone by now."""
    if any(one["name"] == file.name for one in manifest.blobs):
        manifest.blobs.append(file.entry)
        return
    with SpooledTemporaryFile(IN_MEMORY) as spool:
        try:
            async for piece in file.pieces():
                spool.write(piece)
        except BlobNotFound:
            return
        yield _member(file.name, file.size)
        spool.seek(0)
        while piece := spool.read(_READ):
            yield piece
        yield _padding(file.size)
    manifest.blobs.append(file.entry)


async def _spooled(file: ExportFile, spool: IO[bytes]) -> tuple[ExportFile, Any, int]:
    """Write a file to the disk; return what was written, its hash and its size."""
    while True:
        digest, size = sha256(), 0
        try:
            async for piece in file.pieces():
                digest.update(piece)
                size += len(piece)
                spool.write(piece)
        except Erased:
            # Half of it would be no log; what is left of all of it is one.
            spool.seek(0)
            spool.truncate()
            file = await file.again()
        else:
            return file, digest, size


async def compressed(
    pieces: AsyncGenerator[bytes], compress: Callable[[bytes], bytes], flush: Callable[[], bytes]
) -> AsyncGenerator[bytes]:
    """Yield pieces compressed.

    Args:
        pieces: What is to be compressed.
        compress: Takes bytes, and gives those that are ready.
        flush: Gives the rest.
    """
    try:
        async for piece in pieces:
            if len(piece) < _IN_A_THREAD:
                made = compress(piece)
            else:
                # Meanwhile the next pages are read, and others are answered.
                made = await asyncio.to_thread(compress, piece)
            if made:
                yield made
        yield flush()
    finally:
        await pieces.aclose()


def _member(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return b"\0" * (-size % 512)
