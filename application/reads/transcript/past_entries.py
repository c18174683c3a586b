"""Earlier forms of the entries of a transcript, as far back as there is room for.

Nearly every change comes soon after its entry. So few entries have changed since any past moment.
"""

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping

_AT_ONCE = 512
_OF_A_CHANGE = 16
_OF_AN_ENTRY = 8


class PastEntries:
    """Goes back from the newest entries to those of a moment.

    Args:
        pack: Makes bytes fewer.
        unpack: Gives back what was packed.
    """

    def __init__(self, pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]) -> None:
        self._pack = pack
        self._unpack = unpack
        self._reach = 0
        self._before = 0
        self._born = array("q")
        self._sequences = array("q")
        self._indices = array("q")
        self._packed: deque[bytes] = deque()
        self._plain: list[bytes] = []
        self._size = 0

    @property
    def memory(self) -> int:
        """The bytes that it takes, about."""
        return self._size + _OF_A_CHANGE * len(self._indices) + _OF_AN_ENTRY * len(self._born)

    def begin(self, sequence: int, entries: int) -> None:
        """Forget what was before a moment.

        Args:
            sequence: Of the last event until then.
            entries: How many there were.
        """
        self._reach, self._before = sequence, entries
        del self._born[:], self._sequences[:], self._indices[:]
        self._packed.clear()
        self._plain.clear()
        self._size = 0

    def appended(self, sequence: int) -> None:
        """Note that an entry was added at the end.

        Args:
            sequence: Of the event that it comes from.
        """
        self._born.append(sequence)

    def changed(self, sequence: int, index: int, before: bytes) -> None:
        """Note that an entry was changed.

        Args:
            sequence: Of the event that has changed it.
            index: Which entry.
            before: Its JSON until then, in one line.
        """
        self._sequences.append(sequence)
        self._indices.append(index)
        self._plain.append(before)
        self._size += len(before)
        if len(self._plain) == _AT_ONCE:
            packed = self._pack(b"\n".join(self._plain))
            self._size += len(packed) - sum(map(len, self._plain))
            self._packed.append(packed)
            self._plain.clear()

    def keep(self, most: int) -> None:
        """Forget the oldest changes when they take too much.

        Args:
            most: The bytes that there is room for.
        """
        while self._size > most and self._packed:
            self._size -= len(self._packed.popleft())
            self._reach = self._sequences[_AT_ONCE - 1]
            del self._sequences[:_AT_ONCE], self._indices[:_AT_ONCE]

    def goes_back_to(self, sequence: int) -> bool:
        """Return whether it is known what there was after an event.

        Args:
            sequence: Of the event.
        """
        return sequence >= self._reach

    def at(self, sequence: int) -> tuple[int, Mapping[int, bytes]]:
        """Return how many entries there were after an event, and the JSON of those that changed.

        Args:
            sequence: Of the event; it goes back to it.
        """
        count = self._before + bisect_right(self._born, sequence)
        found: dict[int, bytes] = {}
        number, block = -1, list[bytes]()
        for place in range(bisect_right(self._sequences, sequence), len(self._indices)):
            index = self._indices[place]
            if index >= count or index in found:
                continue
            if place // _AT_ONCE != number:
                number = place // _AT_ONCE
                block = self._block(number)
            found[index] = block[place % _AT_ONCE]
        return count, found

    def _block(self, number: int) -> list[bytes]:
        if number == len(self._packed):
            return self._plain
        return self._unpack(self._packed[number]).split(b"\n")
