"""What a file with secrets says, read again when it has changed."""

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Generic, TypeVar

from infrastructure.keys.owner_only_file import KeyFileError

_T = TypeVar("_T")
_LOOKED_AT_EVERY = 1.0
_logger = logging.getLogger("cairn")


class WatchedFile(Generic[_T]):
    """A file that is looked at once a second while somebody asks.

    One that cannot be used any more is told of in the log, and what it said before stays good.

    Args:
        path: The file.
        read: Returns what it says, or raises `KeyFileError`.
        clock: Seconds that only grow.

    Raises:
        KeyFileError: It cannot be used.
    """

    def __init__(
        self, path: Path, read: Callable[[Path], _T], clock: Callable[[], float] = monotonic
    ) -> None:
        self._path = path
        self._read = read
        self._clock = clock
        self._mark = _mark(path)
        self._said = read(path)
        self._looked_at = clock()

    def now(self) -> _T:
        """Return what it says, at most a second ago."""
        if self._clock() - self._looked_at >= _LOOKED_AT_EVERY:
            return self.at_once()
        return self._said

    def at_once(self) -> _T:
        """Return what it says in this moment."""
        self._looked_at = self._clock()
        mark = _mark(self._path)
        if mark != self._mark:
            self._mark = mark
            try:
                self._said = self._read(self._path)
            except KeyFileError as error:
                _logger.warning("%s What it said before stays good.", error)
        return self._said


def _mark(path: Path) -> tuple[int, int, int, int] | None:
    """Return what changes with a file; None when it cannot be looked at."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns
