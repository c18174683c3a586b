"""The files of a bundle put into one archive."""

import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from api.cli.options import UsageError
from api.composition.transfer_files import compressor
from application.transfer.blob_files import BLOB_FILE
from application.transfer.bundles import CHECKPOINT, FILE_NAME, MANIFEST
from application.transfer.lines import WHAT_TO_SEND

READ = 1024 * 1024


def is_ours(name: str) -> bool:
    """Return whether a file of this name belongs into a bundle."""
    files = (FILE_NAME, BLOB_FILE)
    return name in (MANIFEST, CHECKPOINT) or any(one.fullmatch(name) for one in files)


def pack(folder: Path, output: Path) -> None:
    """Write the archive of a bundle; it has its name when it is complete."""
    part = output.with_name(f"{output.name}.part")
    packer = compressor()
    try:
        with part.open("wb") as file:
            for piece in archived(folder):
                file.write(packer.compress(piece))
            file.write(packer.flush())
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    finally:
        with suppress(OSError):
            part.unlink()


def archived(folder: Path) -> Iterator[bytes]:
    """Give the files of a bundle in a folder as a tar archive.

    Args:
        folder: Its files, and nothing else.

    Raises:
        UsageError: There is something else in it, or nothing.
    """
    files = list(_files_in(folder))
    if not files:
        raise UsageError(f"{folder} is an empty folder; {WHAT_TO_SEND}.")
    return archived_files(folder, files)


def archived_files(folder: Path, files: Iterable[Path | None]) -> Iterator[bytes]:
    """Give files of a bundle as a tar archive, each as soon as it is there.

    Args:
        folder: Where they are.
        files: Their paths; None has something sent that says nothing, so that whoever takes it
            does not take the sender for gone.

    Raises:
        UsageError: One of them has no place in a bundle.
    """
    for path in files:
        if path is None:
            yield _NOTHING
        else:
            yield from _member(path, path.relative_to(folder).as_posix())
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _nothing() -> bytes:
    info = tarfile.TarInfo("sessions")
    info.type = tarfile.DIRTYPE
    return info.tobuf(tarfile.GNU_FORMAT)


_NOTHING = _nothing()


def _files_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield path


def _member(path: Path, name: str) -> Iterator[bytes]:
    if not is_ours(name):
        raise UsageError(f"{path} has no place in a bundle; {WHAT_TO_SEND}.")
    if path.is_symlink() or not path.is_file():
        raise UsageError(f"{path} is no regular file; a bundle has only those.")
    info = tarfile.TarInfo(name)
    with path.open("rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        yield info.tobuf(tarfile.GNU_FORMAT)
        left = info.size
        while left and (piece := file.read(min(READ, left))):
            left -= len(piece)
            yield piece
    if left:
        raise UsageError(f"{path} was cut while it was read.")
    yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
