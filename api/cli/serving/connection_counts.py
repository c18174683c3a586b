"""How many connections each worker has, and has taken, where every worker of a server can read it.

The memory is no file on a disk where that is possible: writing to one waits while the disk is busy,
and with it all that the worker serves; and where the disk is full it ends the process.
"""

import mmap
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NAME = "cairn-connections-"
_NUMBERS = 2
"""Of each place: what is open, and what was taken."""
_EACH = 8
_ABSENT = -1


class ConnectionCounts:
    """Two numbers for each place of a worker, in memory that the workers share.

    Args:
        descriptor: Of the file that the memory is, which is closed with it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, 0)
        self.numbers = memoryview(self._memory).cast("q")

    @classmethod
    def make(cls, places: int) -> "ConnectionCounts":
        """Return memory in which no place is taken.

        Args:
            places: How many workers there may be.
        """
        if sys.platform == "linux":
            descriptor = os.memfd_create(_NAME)
        else:
            descriptor, name = tempfile.mkstemp(prefix=_NAME)
            # Nobody finds it by its name: workers get the descriptor.
            Path(name).unlink()
        os.write(descriptor, bytes(places * _NUMBERS * _EACH))
        counts = cls(descriptor)
        for place in range(places):
            Place(counts, place).leave()
        return counts

    def close(self) -> None:
        """Let go of the memory."""
        self.numbers.release()
        self._memory.close()
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a worker, which only this worker writes to while it lives.

    Args:
        counts: What each worker has.
        number: Which place is its own.
    """

    counts: ConnectionCounts
    number: int

    def enter(self) -> None:
        """Take the place, with no connections yet."""
        self.counts.numbers[self._open] = 0

    def leave(self) -> None:
        """Give the place back: its worker takes no more connections, or has died."""
        self.counts.numbers[self._open] = _ABSENT

    def begin(self) -> None:
        """Count a connection that this worker has taken."""
        self.counts.numbers[self._taken] += 1
        self._add(1)

    def end(self) -> None:
        """Count a connection that has ended."""
        self._add(-1)

    def own(self) -> int:
        """Return how many connections this worker has; fewer than 0 when it takes none."""
        return self.counts.numbers[self._open]

    def taken_by_those_behind(self, times: float) -> Mapping[int, int]:
        """Return how many connections each other worker has taken that has too few.

        Args:
            times: It has too few when this worker has more than so many times as many.
        """
        numbers, own = self.counts.numbers, self.own()
        return {
            at: numbers[at + 1]
            for at in range(0, len(numbers), _NUMBERS)
            if at != self._open and numbers[at] != _ABSENT and own > numbers[at] * times
        }

    def has_taken(self, seen: Mapping[int, int]) -> bool:
        """Return whether any of the others has taken a connection since.

        Args:
            seen: What `taken_by_those_behind` returned then.
        """
        return any(self.counts.numbers[at + 1] != taken for at, taken in seen.items())

    @property
    def _open(self) -> int:
        return self.number * _NUMBERS

    @property
    def _taken(self) -> int:
        return self.number * _NUMBERS + 1

    def _add(self, connections: int) -> None:
        own = self.counts.numbers[self._open]
        if own != _ABSENT:
            self.counts.numbers[self._open] = own + connections
