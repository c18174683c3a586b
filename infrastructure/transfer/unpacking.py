"""Unpacks what was sent to be imported; nothing is ever written to a path that an archive names.

All of it stays in files without names, which are gone when the process is. Members of an archive
are ranges of such a file, so the name of a member leads nowhere. A member that is neither a file
nor a folder is refused.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, cast

from application.transfer.blob_files import BLOB_FILE
from application.transfer.bundles import CHECKPOINT, FILE_NAME, FORMAT, MANIFEST
from application.transfer.lines import LONGEST_LINE, FileFault
from infrastructure.transfer.compression import MAGIC, Corrupt, OutOfBounds, decompress

_READ = 1024 * 1024
_BLOCK = 512
_LARGEST_MANIFEST = 128 * 1024 * 1024
_LARGEST_NOTE = 64 * 1024
_OTHERS = ((b"PK", "a zip archive"), (b"\x1f\x8b", "compressed with gzip"))


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


class _Range(NamedTuple):
    """Some bytes of a file."""

    file: BinaryIO
    offset: int
    size: int

    def pieces(self) -> Iterator[bytes]:
        place, end = self.offset, self.offset + self.size
        while place < end:
            piece = os.pread(self.file.fileno(), min(_READ, end - place), place)
            if not piece:
                raise FileFault("the file was cut while it was read")
            place += len(piece)
            yield piece

    def read(self) -> bytes:
        return b"".join(self.pieces())


@dataclass(frozen=True, slots=True)
class PackedFile:
    """The file of one log.

    Args:
        name: In the bundle.
        content: Its bytes, unpacked.
        packed: As they came.
    """

    name: str
    content: _Range
    packed: _Range

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
        source: What was sent; it can be read at any place.
        limits: How large it may become.

    Raises:
        FileFault: It is no bundle and no export file, or not within the limits.
    """

    def __init__(self, source: BinaryIO, limits: UnpackLimits) -> None:
        self._limits = limits
        self._opened: list[BinaryIO] = []
        self.manifest: Mapping[str, Any] | None = None
        self.files: Sequence[PackedFile] = ()
        self.blobs: dict[str, PackedFile] = {}
        try:
            self._open(source)
        except BaseException:
            self.close()
            raise

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

    def _open(self, source: BinaryIO) -> None:
        size = source.seek(0, os.SEEK_END)
        whole = _Range(source, 0, size)
        head = os.pread(source.fileno(), _BLOCK, 0)
        if head.startswith(MAGIC):
            whole = self._unpacked(whole, "the file")
            head = os.pread(whole.file.fileno(), _BLOCK, 0)
        if head[257:262] == b"ustar":
            self._take(_members(whole))
        elif head.startswith(b"{"):
            self.files = (PackedFile("the file", whole, whole),)
        else:
            found = next((said for magic, said in _OTHERS if head.startswith(magic)), "neither")
            raise FileFault(
                f"it is {found}; send an export file (.jsonl, .jsonl.zst) or a bundle of them"
                " (.tar, .tar.zst)"
            )

    def _take(self, members: Iterator[tuple[str, _Range]]) -> None:
        files: dict[str, PackedFile] = {}
        for path, content in members:
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
                if plain in files:
                    raise FileFault(f"it has two files of the log {plain}")
                unpacked = content if name == plain else self._unpacked(content, name)
                files[plain] = PackedFile(name, unpacked, content)
        if not files and self.manifest is None:
            raise FileFault("it is an archive without the file of any log")
        self.files = tuple(files.values())

    def _unpacked(self, packed: _Range, name: str) -> _Range:
        target = cast("BinaryIO", TemporaryFile())  # noqa: SIM115 - closed by `close`
        self._opened.append(target)
        try:
            size = decompress(_Reader(packed), target, self._limits.of(packed.size))
        except (Corrupt, OutOfBounds) as error:
            raise FileFault(f"{name}: {error}") from None
        target.flush()
        return _Range(target, 0, size)


class _Reader:
    """Reads a range from its beginning to its end."""

    def __init__(self, content: _Range) -> None:
        self._content = content
        self._place = content.offset

    def read(self, size: int, /) -> bytes:
        left = self._content.offset + self._content.size - self._place
        piece = os.pread(self._content.file.fileno(), min(size, left), self._place)
        self._place += len(piece)
        return piece


def _manifest(content: _Range) -> Mapping[str, Any]:
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
    raise FileFault(f"{found[:200]!r} has no place in a bundle")


# ── tar ──────────────────────────────────────────────────────────────────────────────────────

_FILES = (b"0", b"\0")
_FOLDER = b"5"
_SAID_BESIDE = (b"x", b"g")
_KINDS = {
    b"1": "a link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a file with holes",
}


def _members(archive: _Range) -> Iterator[tuple[str, _Range]]:
    """Give the files of an archive; of each the header is looked at, and nothing is believed."""
    place, end = archive.offset, archive.offset + archive.size
    while place + _BLOCK <= end:
        header = os.pread(archive.file.fileno(), _BLOCK, place)
        if header.count(0) == _BLOCK:
            return
        kind, size = header[156:157], _number(header[124:136])
        name = _text(header[:100])
        if header[257:263] == b"ustar\0" and header[345:500].strip(b"\0"):
            name = f"{_text(header[345:500])}/{name}"
        if _number(header[148:156]) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
            raise FileFault(f"the archive is damaged at byte {place}")
        place += _BLOCK
        if size > end - place:
            raise FileFault(f"the archive ends within {name[:200]!r}")
        if kind in _FILES:
            yield name, _Range(archive.file, place, size)
        elif kind not in _SAID_BESIDE and kind != _FOLDER:
            said = _KINDS.get(kind, f"of the unknown kind {kind!r}")
            raise FileFault(f"{name[:200]!r} is {said}; a bundle has only files")
        place += size + -size % _BLOCK
    raise FileFault("the end of the archive is missing")


def _number(field: bytes) -> int:
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.rstrip(b" \0") or b"0", 8)
    except ValueError:
        raise FileFault("the archive has a header that cannot be read") from None


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")
