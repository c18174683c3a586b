"""How many connections each worker has, where every worker of a server can read it."""

import mmap
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

_EACH = 8
_ABSENT = -1


class ConnectionCounts:
    """One number for each place of a worker, in memory that the workers share.

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
        descriptor, name = tempfile.mkstemp(prefix="cairn-connections-")
        # Nobody finds it by its name: workers get the descriptor.
        Path(name).unlink()
        os.ftruncate(descriptor, places * _EACH)
        counts = cls(descriptor)
        for place in range(places):
            counts.numbers[place] = _ABSENT
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
        self.counts.numbers[self.number] = 0

    def leave(self) -> None:
        """Give the place back: its worker takes no more connections, or has died."""
        self.counts.numbers[self.number] = _ABSENT

    def add(self, connections: int) -> None:
        """Count connections that have begun, or ended.

        Args:
            connections: How many; fewer than 0 have ended.
        """
        own = self.counts.numbers[self.number]
        if own != _ABSENT:
            self.counts.numbers[self.number] = own + connections

    def own(self) -> int:
        """Return how many connections this worker has; fewer than 0 when it takes none."""
        return self.counts.numbers[self.number]

    def of_others(self) -> list[int]:
        """Return how many each other worker has that takes connections."""
        numbers = enumerate(self.counts.numbers)
        return [number for at, number in numbers if at != self.number and number != _ABSENT]
