"""Files of other systems: regular ones only, line by line or whole."""

import json
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from application.transfer.lines import LONGEST_LINE, FileFault
from infrastructure.importers.reading.values import decoded_fast, finite

LARGEST_DOCUMENT = 512 * 1024 * 1024
"""The most bytes of a file that is read as one JSON text."""


class SourceLine(NamedTuple):
    """A line of a file.

    Args:
        number: From 1.
        raw: Without its end; None when it is longer than `LONGEST_LINE`.
    """

    number: int
    raw: bytes | None


@contextmanager
def opened(path: Path) -> Generator[BinaryIO, None, None]:
    """Open a regular file to be read.

    Args:
        path: The file.

    Raises:
        FileFault: It is none, or cannot be read.
    """
    require_file(path)
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise FileFault(f"{path} cannot be read: {error.strerror}") from None


def require_file(path: Path) -> None:
    """Refuse a folder, a device, and what is not there.

    Args:
        path: Which may be a link to a file.

    Raises:
        FileFault: It is no regular file.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise FileFault(f"{path} cannot be read: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise FileFault(f"{path} is a folder; name the files in it that are to be read")
    if not stat.S_ISREG(mode):
        raise FileFault(f"{path} is no regular file")


def lines_of(file: BinaryIO | BytesIO) -> Iterator[SourceLine]:
    """Give the lines of a file, of which one that is too long loses only itself.

    Args:
        file: Read from where it stands.
    """
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_LINE)
            yield SourceLine(number, None)
        else:
            yield SourceLine(number, line.rstrip(b"\r\n"))


def document_of(path: Path) -> Any:
    """Return the value of a file that is one JSON text.

    Args:
        path: The file.

    Raises:
        FileFault: It is too large, or no JSON.
    """
    with opened(path) as file:
        raw = file.read(LARGEST_DOCUMENT + 1)
    if len(raw) > LARGEST_DOCUMENT:
        raise FileFault(f"{path} is larger than {LARGEST_DOCUMENT} bytes")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return decoded_fast(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        return json.loads(raw.decode("utf-8", "replace"), parse_constant=str, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise FileFault(f"{path} is not JSON: {error}") from None
