"""zstd, within bounds of memory and of size."""

from collections.abc import Callable
from typing import BinaryIO, NamedTuple, Protocol

from application.zstd import zstd

MAGIC = b"\x28\xb5\x2f\xfd"
_PACKING: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
}
_UNPACKING: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 27}
_PIECE = 64 * 1024
_MOST_AT_ONCE = 1024 * 1024
"""Bytes that are unpacked at once, whatever a bomb would become."""


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
    made = zstd.ZstdCompressor(options=_PACKING)
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
    frame = zstd.ZstdDecompressor(options=_UNPACKING)
    is_begun = False
    try:
        while piece := source.read(_PIECE):
            while piece or not frame.needs_input:
                made = frame.decompress(piece, _MOST_AT_ONCE)
                is_begun = True
                size += len(made)
                if size > most:
                    raise OutOfBounds(f"it unpacks to more than {most} bytes")
                target.write(made)
                piece = frame.unused_data if frame.eof else b""
                if frame.eof:
                    frame, is_begun = zstd.ZstdDecompressor(options=_UNPACKING), False
    except zstd.ZstdError as error:
        raise Corrupt(f"it cannot be unpacked: {error}") from None
    if is_begun:
        raise Corrupt("its end is missing")
    return size
