"""The entries of a transcript as JSON, in blocks: a long one is small, and a page little work.

Nearly all that happens to a transcript happens at its end. The blocks before it are compressed, and
each is unpacked only when somebody reads or changes what is in it (`entry_json.py`).
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from application.ports.log.codec import Codec
from application.reads.transcript.entry_json import Block, EntryJson
from application.reads.transcript.past_entries import PastEntries
from domain.session.content.transcript_entries import Entry

_BLOCK_BYTES = 128 * 1024
_BLOCK_ENTRIES = 512
_PLAIN_BYTES = 1024 * 1024
_OF_AN_ENTRY = 400
"""Bytes that an entry takes beside its JSON: its place, its id, its call."""


class FoldedEntries:
    """What a transcript folds into.

    Args:
        codec: Writes an entry in one line, and reads it.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._blocks: list[Block] = []
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
        self._blocks[number] = Block.of(entries, self._codec)
        self._packed_size += len(self._blocks[number].packed)

    def _pack(self) -> None:
        """Compress the oldest half of what is not, but never the last entry."""
        while self._plain_size > _PLAIN_BYTES // 2 and len(self._plain) > 1:
            count = size = 0
            for written in self._plain[:-1][:_BLOCK_ENTRIES]:
                count, size = count + 1, size + len(written)
                if size >= _BLOCK_BYTES:
                    break
            block = Block.of(self._plain[:count], self._codec)
            self._starts.append(self._packed)
            self._blocks.append(block)
            self._packed_size += len(block.packed)
            self._plain_size -= size
            del self._plain[:count]
