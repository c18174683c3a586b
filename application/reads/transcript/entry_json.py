"""The JSON of the entries of a transcript at one moment, in blocks that are packed.

A block is unpacked only when somebody reads what is in it; two moments share the blocks of what did
not change between them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain
from typing import overload

from application.ports.log.codec import Codec


@dataclass(frozen=True, slots=True)
class Block:
    """Some entries that follow each other: joined by line ends, which JSON in one line has not."""

    packed: bytes
    count: int
    unpack: Callable[[bytes], bytes]

    @classmethod
    def of(cls, entries: Sequence[bytes], codec: Codec) -> "Block":
        """Return the block of some entries, each in one line."""
        return cls(codec.pack(b"\n".join(entries)), len(entries), codec.unpack)

    def entries(self) -> list[bytes]:
        """Return them, unpacked."""
        return self.unpack(self.packed).split(b"\n")


class EntryJson(Sequence[bytes]):
    """The JSON of the entries at one moment, whatever is folded later.

    Args:
        blocks: Those that are compressed.
        starts: The index of the first entry of each.
        rest: The entries after them.
        count: How many of all of these there are at that moment.
        others: Those that are not as they stand there, by index.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        starts: Sequence[int],
        rest: Sequence[bytes],
        count: int,
        others: Mapping[int, bytes],
    ) -> None:
        self._blocks = blocks
        self._starts = starts
        self._rest = rest
        self._count = count
        self._others = others
        self._packed = starts[-1] + blocks[-1].count if blocks else 0
        self._unpacked: tuple[int, list[bytes]] = (-1, [])

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self._one(index) for index in range(*at.indices(len(self)))]
        index = at + len(self) if at < 0 else at
        if not 0 <= index < len(self):
            raise IndexError(at)
        return self._one(index)

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self._runs(frozenset()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EntryJson) and self[:] == other[:]

    __hash__ = None  # type: ignore[assignment]

    def _one(self, index: int) -> bytes:
        if index in self._others:
            return self._others[index]
        if index >= self._packed:
            return self._rest[index - self._packed]
        number = bisect_right(self._starts, index) - 1
        if self._unpacked[0] != number:
            self._unpacked = (number, self._blocks[number].entries())
        return self._unpacked[1][index - self._starts[number]]

    def beside(self, other: "EntryJson") -> tuple[list[bytes], list[bytes]]:
        """Return the entries that may be other ones than another moment has, of both.

        What was folded on from the same entries has the same blocks: those are not unpacked.

        Args:
            other: The same transcript at another moment.
        """
        shared = self._as_they_stand() & other._as_they_stand()
        return [*chain.from_iterable(self._runs(shared))], [
            *chain.from_iterable(other._runs(shared))
        ]

    def _as_they_stand(self) -> set[int]:
        """Return the blocks all of whose entries there are, as they stand there."""
        changed = {bisect_right(self._starts, index) - 1 for index in self._others}
        return {
            id(block)
            for number, block in enumerate(self._blocks)
            if number not in changed and self._starts[number] + block.count <= self._count
        }

    def _runs(self, without: AbstractSet[int]) -> Iterator[Sequence[bytes]]:
        """Give the entries block by block.

        Args:
            without: Blocks that are left out.
        """
        others = sorted(self._others)
        for start, block in zip(self._starts, self._blocks, strict=True):
            if start >= self._count:
                return
            if id(block) not in without:
                yield self._run(start, block.entries(), others)
        if self._count > self._packed:
            yield self._run(self._packed, list(self._rest), others)

    def _run(self, start: int, entries: list[bytes], others: Sequence[int]) -> list[bytes]:
        end = min(start + len(entries), self._count)
        for index in others[bisect_left(others, start) : bisect_left(others, end)]:
            entries[index - start] = self._others[index]
        return entries[: end - start]


def changed_entries(
    earlier: Sequence[bytes], later: Sequence[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """Return the entries of each of two moments of a transcript that the other one has not.

    Args:
        earlier: The JSON of all of its entries, each with an id of its own.
        later: The same at another moment.
    """
    if isinstance(earlier, EntryJson) and isinstance(later, EntryJson):
        earlier, later = earlier.beside(later)
    alike = set(earlier)
    alike.intersection_update(later)
    return [one for one in earlier if one not in alike], [one for one in later if one not in alike]
