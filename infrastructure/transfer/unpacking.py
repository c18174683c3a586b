"""Unpacks what was sent to be imported; nothing is ever written to a path that an archive names.

All of it stays in files without names, which are gone when the process is. Members of an archive
are ranges of such a file, so the name of a member leads nowhere. A member that is neither a file
nor a folder is refused.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from application.transfer.blob_files import BLOB_FILE
from application.transfer.bundles import CHECKPOINT, FILE_NAME, FORMAT, MANIFEST
from application.transfer.lines import LONGEST_LINE, WHAT_TO_SEND, FileFault
from infrastructure.transfer.archive_members import (
    BLOCK,
    Arrived,
    Range,
    is_archive,
    members,
    there,
)
from infrastructure.transfer.compression import MAGIC, Corrupt, OutOfBounds, decompress

_LARGEST_MANIFEST = 128 * 1024 * 1024
_LARGEST_NOTE = 64 * 1024
_OTHERS = (
    (b"PK", "it is a zip archive"),
    (b"\x1f\x8b", "it is compressed with gzip"),
    (b"SQLite format 3", "it is a database of SQLite"),
)
_UNKNOWN = "it has neither the first line of one session nor the form of a bundle"


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """How large what was packed may become.

    Args:
        most_bytes: In all.
        ratio: How many times its own size, beyond the first 64 MiB.
    """

    most_bytes: int = 64 * 1024**3
    ratio: int = 250

    def of(self, size: int) -> int:
        """Return the most bytes that so many packed ones may become."""
        return min(self.most_bytes, 64 * 1024 * 1024 + size * self.ratio)


@dataclass(frozen=True, slots=True)
class PackedFile:
    """The file of one log.

    Args:
        name: In the bundle.
        content: Its bytes, unpacked.
        packed: As they came.
    """

    name: str
    content: Range
    packed: Range

    def lines(self) -> Iterator[bytes | None]:
        """Give its lines without their ends; None for one that is too long, and then no more."""
        rest = b""
        for piece in self.content.pieces():
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            if len(rest) > LONGEST_LINE:
                yield None
                return
        if rest:
            yield rest

    def pieces(self) -> Iterator[bytes]:
        """Give its bytes, in pieces of at most a MiB."""
        return self.content.pieces()

    def sum(self) -> tuple[int, str]:
        """Return the size and the SHA-256 of its bytes as they came."""
        digest = sha256()
        for piece in self.packed.pieces():
            digest.update(piece)
        return self.packed.size, digest.hexdigest()


class Bundle:
    """Files of logs, and what is said of them.

    Args:
        source: What was sent, or is being sent; it can be read at any place.
        limits: How large it may become.
        arrived: Waits for bytes of it; None when all of it is there.
    """

    def __init__(
        self, source: BinaryIO, limits: UnpackLimits, arrived: Arrived | None = None
    ) -> None:
        self._source = source
        self._limits = limits
        self._arrived = arrived or there(source.seek(0, os.SEEK_END))
        self._opened: list[BinaryIO] = []
        self.manifest: Mapping[str, Any] | None = None
        self.blobs: dict[str, PackedFile] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the unpacked bytes go."""
        for file in self._opened:
            file.close()

    async def files(self) -> AsyncGenerator[PackedFile]:
        """Give the files of logs, each as soon as it is there; the manifest is known at the end.

        Raises:
            FileFault: It is no bundle and no export file, or not within the limits.
        """
        source, arrived = self._source, self._arrived
        await arrived(BLOCK)
        head = os.pread(source.fileno(), BLOCK, 0)
        if not is_archive(head):
            whole = Range(source, 0, await arrived(None))
            if head.startswith(MAGIC):
                whole = await asyncio.to_thread(self._unpacked, whole, "the file")
                source, arrived = whole.file, there(whole.size)
                head = os.pread(source.fileno(), BLOCK, 0)
            if head.startswith(b"{"):
                yield PackedFile("the file", whole, whole)
                return
        if not is_archive(head):
            raise FileFault(f"the file is no export of Cairn: {_what_is(head)}; {WHAT_TO_SEND}")
        async for file in self._logs_of(members(source, arrived)):
            yield file
        # What comes behind the end of the archive is nothing, but it has to come.
        await arrived(None)

    async def _logs_of(
        self, members: AsyncGenerator[tuple[str, Range]]
    ) -> AsyncGenerator[PackedFile]:
        seen: set[str] = set()
        async for path, content in members:
            name = _name_of(path)
            if name == MANIFEST:
                if self.manifest is not None:
                    raise FileFault(f"it has two files named {MANIFEST}")
                self.manifest = _manifest(content)
            elif name == CHECKPOINT:
                if content.size > _LARGEST_NOTE:
                    raise FileFault("its checkpoint is too long to be one")
            elif BLOB_FILE.fullmatch(name):
                if name in self.blobs:
                    raise FileFault(f"it has two files named {name}")
                self.blobs[name] = PackedFile(name, content, content)
            else:
                plain = name.removesuffix(".zst")
                if plain in seen:
                    raise FileFault(f"it has two files of the log {plain}")
                seen.add(plain)
                unpacked = content
                if name != plain:
                    unpacked = await asyncio.to_thread(self._unpacked, content, name)
                yield PackedFile(name, unpacked, content)
        if not seen and self.manifest is None:
            raise FileFault("it is an archive without the file of any log")

    def _unpacked(self, packed: Range, name: str) -> Range:
        target = cast("BinaryIO", TemporaryFile())  # noqa: SIM115 - closed by `close`
        self._opened.append(target)
        try:
            size = decompress(_Reader(packed), target, self._limits.of(packed.size))
        except (Corrupt, OutOfBounds) as error:
            raise FileFault(f"{name}: {error}") from None
        target.flush()
        return Range(target, 0, size)


class _Reader:
    """Reads a range from its beginning to its end."""

    def __init__(self, content: Range) -> None:
        self._content = content
        self._place = content.offset

    def read(self, size: int, /) -> bytes:
        left = self._content.offset + self._content.size - self._place
        piece = os.pread(self._content.file.fileno(), min(size, left), self._place)
        self._place += len(piece)
        return piece


def _manifest(content: Range) -> Mapping[str, Any]:
    if content.size > _LARGEST_MANIFEST:
        raise FileFault(f"its manifest is longer than {_LARGEST_MANIFEST} bytes")
    try:
        told: Any = json.loads(content.read())
    except (ValueError, RecursionError):
        raise FileFault("its manifest is not JSON") from None
    if not isinstance(told, dict):
        raise FileFault("its manifest is no object")
    manifest = cast("dict[str, Any]", told)
    if manifest.get("cairn_bundle") != FORMAT:
        raise FileFault(
            f"it is a bundle of version {manifest.get('cairn_bundle')!r}; this program reads"
            f" version {FORMAT}"
        )
    return manifest


def _what_is(head: bytes) -> str:
    if not head:
        return "it is empty"
    return next((said for magic, said in _OTHERS if head.startswith(magic)), _UNKNOWN)


def _name_of(path: str) -> str:
    """Return the name of a member in its bundle, which may lie in a folder of the archive.

    Raises:
        FileFault: It is no name of a bundle.
    """
    parts = [part for part in path.split("/") if part != "."]
    found = path
    if path.startswith("/") or ".." in parts:
        raise FileFault(f"the path {path[:200]!r} leads out of the bundle")
    for take in (1, 2):
        name = "/".join(parts[-take:])
        is_ours = FILE_NAME.fullmatch(name) or BLOB_FILE.fullmatch(name)
        if len(parts) <= take + 1 and (name in (MANIFEST, CHECKPOINT) or is_ours):
            return name
    raise FileFault(f"{found[:200]!r} has no place in a bundle; {WHAT_TO_SEND}")
