"""The entries of a transcript as JSON, in blocks: a long one is small, and a page little work.

Nearly all that happens to a transcript happens at its end. The blocks before it are compressed, and
each is unpacked only when somebody reads or changes what is in it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain
from typing import overload

from application.ports.log.codec import Codec
from application.reads.transcript.past_entries import PastEntries
from domain.session.content.transcript_entries import Entry

_BLOCK_BYTES = 128 * 1024
_BLOCK_ENTRIES = 512
_PLAIN_BYTES = 1024 * 1024
_OF_AN_ENTRY = 400
"""Bytes that an entry takes beside its JSON: its place, its id, its call."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Some entries that follow each other: joined by line ends, which JSON in one line has not."""

    packed: bytes
    count: int
    unpack: Callable[[bytes], bytes]

    @classmethod
    def of(cls, entries: Sequence[bytes], codec: Codec) -> "_Block":
        return cls(codec.pack(b"\n".join(entries)), len(entries), codec.unpack)

    def entries(self) -> list[bytes]:
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
        blocks: Sequence[_Block],
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


class FoldedEntries:
    """What a transcript folds into.

    Args:
        codec: Writes an entry in one line, and reads it.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._blocks: list[_Block] = []
        self._starts: list[int] = []
        self._packed_size = 0
        self._plain: list[bytes] = []
        self._plain_size = 0
        self._touched: tuple[int, Entry] | None = None
        """The entry that was changed last, and is not written yet: it is likely to change again."""
        self._past = PastEntries(codec.pack, codec.unpack)
        self.sequence = 0
        """Of the event that is being folded."""

    @property
    def memory(self) -> int:
        """The bytes that it takes, about."""
        packed = self._packed_size + self._plain_size
        return packed + self._past.memory + _OF_AN_ENTRY * len(self)

    def json(self) -> EntryJson:
        """Return the entries as they are now."""
        self._write()
        return self._json(len(self), {})

    def json_at(self, sequence: int) -> EntryJson | None:
        """Return the entries as they were after an event; None when that is not known any more.

        Args:
            sequence: Of the event; at most that of the last one that was folded.
        """
        if not self._past.goes_back_to(sequence):
            return None
        self._write()
        return self._json(*self._past.at(sequence))

    def _json(self, count: int, others: Mapping[int, bytes]) -> EntryJson:
        blocks, starts, rest = tuple(self._blocks), tuple(self._starts), tuple(self._plain)
        return EntryJson(blocks, starts, rest, count, others)

    def begin(self, sequence: int) -> None:
        """Go on from these entries, as another log or a moment long ago has left them.

        Args:
            sequence: After which event.
        """
        self.sequence = sequence
        self._past.begin(sequence, len(self))

    def __len__(self) -> int:
        return self._packed + len(self._plain)

    def __iter__(self) -> Iterator[Entry]:
        return map(self._codec.from_json, self.json())

    def __getitem__(self, at: int, /) -> Entry:
        index = at + len(self) if at < 0 else at
        if self._touched is not None and self._touched[0] == index:
            return self._touched[1]
        entry: Entry = self._codec.from_json(self._read(index))
        return entry

    def __setitem__(self, at: int, entry: Entry, /) -> None:
        index = at + len(self) if at < 0 else at
        if self._touched is not None and self._touched[0] == index:
            before = self._codec.to_json(self._touched[1])
        else:
            self._write()
            before = self._read(index)
        self._past.changed(self.sequence, index, before)
        # The past of a transcript takes no more room than the transcript.
        self._past.keep(max(self._packed_size + self._plain_size, _PLAIN_BYTES))
        self._touched = (index, entry)

    def append(self, entry: Entry, /) -> None:
        """Add an entry at the end."""
        self._write()
        self._plain.append(b"")
        self._touched = (len(self) - 1, entry)
        self._past.appended(self.sequence)
        if self._plain_size > _PLAIN_BYTES:
            self._pack()

    def clear(self) -> None:
        """Begin anew."""
        self._blocks.clear()
        self._starts.clear()
        self._plain.clear()
        self._packed_size = self._plain_size = 0
        self._touched = None
        self._past.begin(self.sequence, 0)

    @property
    def _packed(self) -> int:
        return self._starts[-1] + self._blocks[-1].count if self._blocks else 0

    def _block_of(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1

    def _read(self, index: int) -> bytes:
        if index >= self._packed:
            return self._plain[index - self._packed]
        number = self._block_of(index)
        return self._blocks[number].entries()[index - self._starts[number]]

    def _write(self) -> None:
        """Write the entry that was changed last."""
        if self._touched is None:
            return
        index, entry = self._touched
        self._touched, written = None, self._codec.to_json(entry)
        if index >= self._packed:
            place = index - self._packed
            self._plain_size += len(written) - len(self._plain[place])
            self._plain[place] = written
            return
        number = self._block_of(index)
        entries = self._blocks[number].entries()
        entries[index - self._starts[number]] = written
        self._packed_size -= len(self._blocks[number].packed)
        self._blocks[number] = _Block.of(entries, self._codec)
        self._packed_size += len(self._blocks[number].packed)

    def _pack(self) -> None:
        """Compress the oldest half of what is not, but never the last entry."""
        while self._plain_size > _PLAIN_BYTES // 2 and len(self._plain) > 1:
            count = size = 0
            for written in self._plain[:-1][:_BLOCK_ENTRIES]:
                count, size = count + 1, size + len(written)
                if size >= _BLOCK_BYTES:
                    break
            block = _Block.of(self._plain[:count], self._codec)
            self._starts.append(self._packed)
            self._blocks.append(block)
            self._packed_size += len(block.packed)
            self._plain_size -= size
            del self._plain[:count]


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
