"""zstd, within bounds of memory and of size."""

from collections.abc import Callable
from typing import BinaryIO, NamedTuple, Protocol

import zstandard

MAGIC = b"\x28\xb5\x2f\xfd"
_LEVEL = 3
_WINDOW = 128 * 1024 * 1024
_PIECE = 2048
"""Of compressed bytes at once: those of a bomb may become 64 MiB."""


class Readable(Protocol):
    """Whatever bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return some bytes; none at the end."""
        ...


class Compressor(NamedTuple):
    """Compresses one stream: `compress` takes bytes and gives those that are ready."""

    compress: Callable[[bytes], bytes]
    flush: Callable[[], bytes]


def compressor() -> Compressor:
    """Return what compresses one stream."""
    made = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
    return Compressor(made.compress, made.flush)


class Corrupt(Exception):
    """What should be zstd is not, or not whole; the message says so."""


class OutOfBounds(Exception):
    """What was packed is larger than is taken."""


def decompress(source: Readable, target: BinaryIO, most: int) -> int:
    """Write what was compressed to a file, and return its size.

    Args:
        source: Read to its end.
        target: Where it goes.
        most: The most bytes that it may have.

    Raises:
        Corrupt: It is not zstd, or not whole.
        OutOfBounds: It is larger.
    """
    size = 0
    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    frame = unpacker.decompressobj()
    is_begun = False
    try:
        while piece := source.read(_PIECE):
            while piece:
                made = frame.decompress(piece)
                is_begun = True
                size += len(made)
                if size > most:
                    raise OutOfBounds(f"it unpacks to more than {most} bytes")
                target.write(made)
                piece = frame.unused_data if frame.eof else b""
                if frame.eof:
                    frame, is_begun = unpacker.decompressobj(), False
    except zstandard.ZstdError as error:
        raise Corrupt(f"it cannot be unpacked: {error}") from None
    if is_begun:
        raise Corrupt("its end is missing")
    return size
