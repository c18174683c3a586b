"""The JSON of the entries of a transcript at one moment, in blocks that are packed.

A block is unpacked only when somebody reads what is in it; two moments share the blocks of what did
not change between them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, overload

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
        return self.text().split(b"\n")

    def text(self) -> bytes:
        """Return them, each in a line of its own."""
        return self.unpack(self.packed)


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
        return chain.from_iterable(self._runs())

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

    def array_pieces(self) -> Iterator[bytes]:
        """Give what a JSON array of the entries is made of, to be joined, without its brackets.

        A block in which nothing was changed since is not taken apart for it.
        """
        places = sorted(self._others)
        for number, (start, block) in enumerate(zip(self._starts, self._blocks, strict=True)):
            if start >= self._count:
                return
            if start:
                yield b","
            if self._is_as_it_stands(number, places):
                yield block.text().replace(b"\n", b",")
            else:
                yield b",".join(self._run(start, block.entries(), places))
        if self._count > self._packed:
            if self._packed:
                yield b","
            yield b",".join(self._run(self._packed, list(self._rest), places))

    def beside(self, other: "EntryJson") -> "MayDiffer":
        """Return what may differ from another moment.

        Two moments of one transcript share blocks, and an entry keeps its place in them. So only
        entries that changed at either moment are compared, and a block without changes is not
        unpacked.

        Args:
            other: The same transcript at another moment.
        """
        found = MayDiffer([], [], [], [])
        places, its_places = sorted(self._others), sorted(other._others)
        alike = 0
        for block, its in zip(self._blocks, other._blocks, strict=False):
            start = self._starts[alike]
            if block is not its or start >= max(self._count, other._count):
                break
            stands = self._is_as_it_stands(alike, places), other._is_as_it_stands(alike, its_places)
            if stands == (True, False) and start >= other._count:
                found.only_mine.append(Run(block.count, block.text()))
            elif stands == (False, True) and start >= self._count:
                found.only_theirs.append(Run(block.count, block.text()))
            elif stands != (True, True):
                entries = block.entries()
                mine = self._run(start, list(entries), places)
                theirs = other._run(start, entries, its_places)
                for one, another in zip(mine, theirs, strict=False):
                    if one != another:
                        found.mine.append(one)
                        found.theirs.append(another)
                both = min(len(mine), len(theirs))
                found.only_mine.append(Run.of(mine[both:]))
                found.only_theirs.append(Run.of(theirs[both:]))
            alike += 1
        found.mine.extend(chain.from_iterable(self._runs(alike)))
        found.theirs.extend(chain.from_iterable(other._runs(alike)))
        return found

    def _is_as_it_stands(self, number: int, places: Sequence[int]) -> bool:
        """Return whether this moment has all entries of a block, as they are in it.

        Args:
            number: Of the block.
            places: Of the entries that are others, in order.
        """
        start = self._starts[number]
        end = start + self._blocks[number].count
        return end <= self._count and bisect_left(places, start) == bisect_left(places, end)

    def _runs(self, first: int = 0) -> Iterator[Sequence[bytes]]:
        """Give the entries block by block.

        Args:
            first: The number of the block to begin with.
        """
        places = sorted(self._others)
        for start, block in zip(self._starts[first:], self._blocks[first:], strict=True):
            if start >= self._count:
                return
            yield self._run(start, block.entries(), places)
        if self._count > self._packed:
            yield self._run(self._packed, list(self._rest), places)

    def _run(self, start: int, entries: list[bytes], places: Sequence[int]) -> list[bytes]:
        end = min(start + len(entries), self._count)
        for index in places[bisect_left(places, start) : bisect_left(places, end)]:
            entries[index - start] = self._others[index]
        return entries[: max(end - start, 0)]


@dataclass(frozen=True, slots=True)
class Run:
    """Some entries that follow each other.

    Args:
        count: How many.
        text: Their JSON, each in a line of its own.
    """

    count: int
    text: bytes

    @classmethod
    def of(cls, entries: Sequence[bytes]) -> "Run":
        """Return the run of some entries, each in one line."""
        return cls(len(entries), b"\n".join(entries))

    def entries(self) -> list[bytes]:
        """Return them."""
        return self.text.split(b"\n") if self.count else []


class MayDiffer(NamedTuple):
    """What may differ between two moments of a transcript.

    Args:
        mine: Entries that the other moment may have as they are, or otherwise.
        theirs: Those of the other moment.
        only_mine: Entries that the other moment has not, whatever is in them.
        only_theirs: Entries that only the other moment has.
    """

    mine: list[bytes]
    theirs: list[bytes]
    only_mine: list[Run]
    only_theirs: list[Run]


def changed_entries(earlier: EntryJson, later: EntryJson) -> MayDiffer:
    """Return the entries of each of two moments of a transcript that the other one has not.

    Args:
        earlier: All of its entries, each with an id of its own; `mine` in what is returned.
        later: The same at another moment.
    """
    found = earlier.beside(later)
    alike = set(found.mine)
    alike.intersection_update(found.theirs)
    return found._replace(
        mine=[one for one in found.mine if one not in alike],
        theirs=[one for one in found.theirs if one not in alike],
    )
