"""Files and folders that programs keep their sessions in; no link in them is followed."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from application.transfer.lines import FileFault
from infrastructure.importers.reading.source_files import SourceLine, lines_of, opened, require_file
from infrastructure.transfer.compression import Corrupt, OutOfBounds, decompress

_AT_LEAST = 64 * 1024 * 1024
_MOST_TIMES = 250
"""How many times its own size a packed file may become, beyond its first 64 MiB."""


def files_of(place: str, wanted: Callable[[str], bool]) -> Iterator[Path]:
    """Give the files of a folder and of those in it, by their names; a file gives itself.

    Args:
        place: The path.
        wanted: Says by its name whether a file of a folder is one.

    Raises:
        FileFault: There is none.
    """
    path = Path(place)
    if not path.is_dir():
        require_file(path)
        yield path
        return
    found = False
    for folder, folders, names in os.walk(path, followlinks=False):
        folders.sort()
        for name in sorted(names):
            file = Path(folder) / name
            if wanted(name) and file.is_file() and not file.is_symlink():
                found = True
                yield file
    if not found:
        raise FileFault(f"{path} has no file of the kind that was named")


@contextmanager
def opened_lines(
    path: Path, ends: int | None = None
) -> Generator[Iterator[SourceLine], None, None]:
    """Open a file of lines, which may be compressed with zstd.

    Args:
        path: The file.
        ends: The bytes after which nothing counts.

    Raises:
        FileFault: It cannot be read, or becomes too large.
    """
    with ExitStack() as stack:
        file = stack.enter_context(opened(path))
        if path.suffix == ".zst":
            file = stack.enter_context(_unpacked(path, file))
        if ends is not None:
            yield _until(lines_of(file), ends)
        else:
            yield lines_of(file)


@contextmanager
def _unpacked(path: Path, packed: BinaryIO) -> Generator[BinaryIO, None, None]:
    most = _AT_LEAST + path.stat().st_size * _MOST_TIMES
    with TemporaryFile() as target:
        unpacked = cast("BinaryIO", target)
        try:
            decompress(packed, unpacked, most)
        except (Corrupt, OutOfBounds) as error:
            raise FileFault(f"{path}: {error}") from None
        unpacked.seek(0)
        yield unpacked


def _until(lines: Iterator[SourceLine], ends: int) -> Iterator[SourceLine]:
    place = 0
    for line in lines:
        place += 0 if line.raw is None else len(line.raw) + 1
        if place > ends:
            return
        yield line
