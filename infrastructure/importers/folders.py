"""Files and folders that programs keep their sessions in; no link in them is followed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from application.transfer.lines import FileFault
from infrastructure.importers.reading import require_file


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
