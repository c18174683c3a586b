"""The members of a tar archive, each as soon as all of it has come."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import BinaryIO, NamedTuple

from application.transfer.lines import FileFault

BLOCK = 512
"""Bytes of a header; that of the first member tells an archive."""
_READ = 1024 * 1024
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

Arrived = Callable[[int | None], Awaitable[int]]
"""Waits until so many bytes are there, or all; says how many there are."""


class Range(NamedTuple):
    """Some bytes of a file.

    Args:
        file: Which.
        offset: Of the first of them.
        size: How many.
    """

    file: BinaryIO
    offset: int
    size: int

    def pieces(self) -> Iterator[bytes]:
        """Give them, at most a MiB at a time.

        Raises:
            FileFault: The file has not got them any more.
        """
        place, end = self.offset, self.offset + self.size
        while place < end:
            piece = os.pread(self.file.fileno(), min(_READ, end - place), place)
            if not piece:
                raise FileFault("the file was cut while it was read")
            place += len(piece)
            yield piece

    def read(self) -> bytes:
        """Return all of them."""
        return b"".join(self.pieces())


def there(size: int) -> Arrived:
    """Return what has no need to wait, for all of it is there.

    Args:
        size: How many bytes.
    """

    async def arrived(_: int | None) -> int:
        return size

    return arrived


def is_archive(head: bytes) -> bool:
    """Return whether a file is a tar archive.

    Args:
        head: Its first bytes, as many as a block has.
    """
    return head[257:262] == b"ustar"


async def members(source: BinaryIO, arrived: Arrived) -> AsyncGenerator[tuple[str, Range]]:
    """Give the paths and contents of the files in an archive; of what it says nothing is believed.

    Args:
        source: The archive; it can be read at any place.
        arrived: Waits for bytes of it.

    Raises:
        FileFault: It is damaged, or not whole, or has something else than files and folders.
    """
    place = 0
    while await arrived(place + BLOCK) >= place + BLOCK:
        header = os.pread(source.fileno(), BLOCK, place)
        if header.count(0) == BLOCK:
            return
        kind, size = header[156:157], _number(header[124:136])
        name = _text(header[:100])
        if header[257:263] == b"ustar\0" and header[345:500].strip(b"\0"):
            name = f"{_text(header[345:500])}/{name}"
        if _number(header[148:156]) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
            raise FileFault(f"the archive is damaged at byte {place}")
        place += BLOCK
        if await arrived(place + size) < place + size:
            raise FileFault(f"the archive ends within {name[:200]!r}")
        if kind in _FILES:
            yield name, Range(source, place, size)
        elif kind not in _SAID_BESIDE and kind != _FOLDER:
            said = _KINDS.get(kind, f"of the unknown kind {kind!r}")
            raise FileFault(f"{name[:200]!r} is {said}; a bundle has only files")
        place += size + -size % BLOCK
    raise FileFault("the end of the archive is missing")


def _number(field: bytes) -> int:
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0") or b"0"
    # Python reads signs and underscores too.
    if not digits.isdigit() or max(digits) > ord("7"):
        raise FileFault("the archive has a header that cannot be read")
    return int(digits, 8)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")
