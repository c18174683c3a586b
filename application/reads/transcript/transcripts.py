"""Transcripts: folded from the log, and kept, so that reading one again costs what is new in it.

A conversation goes back when it is rewound, and that of a fork begins in another log. So what a
transcript says may stand in several stretches of logs. They are found from the end backwards, each
in one step: however often a conversation went back, nothing is folded that does not count.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

from application.errors import Overloaded
from application.memory_budget import MEBIBYTE, Share
from application.ports.log.codec import Codec
from application.ports.log.session_logs import SessionLogs
from application.reads.event_reader import EventReader
from application.reads.transcript.entry_json import EntryJson
from application.reads.transcript.folded_entries import FoldedEntries
from domain.log.catalogue import NAMES
from domain.session.content.transcript import Transcript
from domain.session.events import ConversationRewound, Recorded, SessionCreated
from domain.values import Origin

_PAGE = 1000
_PAGE_BYTES = 2 * MEBIBYTE
_LARGE = 8
"""A transcript is large from this part of the memory for all of them on."""
_TURNINGS = tuple(NAMES[cls][0] for cls in (SessionCreated, ConversationRewound))


@dataclass(slots=True)
class _Kept:
    """A transcript that was read before."""

    entries: FoldedEntries
    transcript: Transcript
    sequence: int = 0
    memory: int = 0
    """The bytes that are counted for it."""


class _Stretch(NamedTuple):
    """A part of a log in which the conversation only goes on: `after` excluded, `upto` included."""

    session_id: UUID
    after: int
    upto: int


class Transcripts:
    """Folds transcripts, and keeps those that were read last.

    Args:
        log: What they are folded from.
        codec: Reads it.
        share: The memory for them.
    """

    def __init__(self, log: SessionLogs, codec: Codec, *, share: Share | None = None) -> None:
        self._log = log
        self._codec = codec
        self._events = EventReader(log, codec)
        self._share = share or Share("transcripts", 64 * MEBIBYTE)
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._folding: list[object] = []
        """The folds that are being made, the oldest first."""
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def entries(self, session_id: UUID, sequence: int) -> EntryJson:
        """Return the JSON of each entry as of a sequence.

        Args:
            session_id: Whose transcript.
            sequence: The last event that counts; the log has it.

        Raises:
            Overloaded: It and others that are being folded are more than there is memory for.
        """
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = asyncio.Lock()
        async with lock:
            kept = self._kept.pop(session_id, None) or self._nothing()
            if kept.sequence < sequence:
                kept = await self._fold(session_id, kept, sequence)
            self._keep(session_id, kept)
            now = kept.entries.json_at(sequence)
        if now is not None:
            return now
        folded = await self._fold(session_id, self._nothing(), sequence)
        self._share.count(-folded.memory)
        return folded.entries.json()

    def forget(self, session_id: UUID) -> None:
        """Drop a transcript from memory.

        Args:
            session_id: Whose.
        """
        kept = self._kept.pop(session_id, None)
        if kept is not None:
            self._share.count(-kept.memory)

    async def _fold(self, session_id: UUID, kept: _Kept, upto: int) -> _Kept:
        """Return a transcript that has taken in what follows, or that begins with what counts."""
        turn = object()
        self._folding.append(turn)
        try:
            if await self._go_on(kept, _Stretch(session_id, kept.sequence, upto), turn):
                return kept
            self._share.count(-kept.memory)
            kept = self._nothing()
            for stretch in await self._stretches(session_id, upto):
                # A call that was open where the conversation turned will not return here.
                kept.transcript.settle()
                kept.entries.begin(stretch.after)
                await self._go_on(kept, stretch, turn)
        except BaseException:
            self._share.count(-kept.memory)
            raise
        finally:
            self._folding.remove(turn)
        # What a rewind or a fork goes on from is settled though nothing followed it yet.
        kept.sequence = upto
        return kept

    async def _go_on(self, kept: _Kept, stretch: _Stretch, turn: object) -> bool:
        """Take in a stretch; return whether that was all, with no turning in it."""
        kept.sequence = stretch.after
        while kept.sequence < stretch.upto:
            page = await self._log.read(
                stretch.session_id,
                after=kept.sequence,
                upto=stretch.upto,
                limit=_PAGE,
                most_bytes=_PAGE_BYTES,
            )
            if not page:
                break
            for stored in page:
                recorded = self._codec.decode(stored)
                if _turns_to(stretch.session_id, recorded) is not None:
                    return False
                kept.entries.sequence = recorded.sequence
                kept.transcript.apply(recorded)
            kept.sequence = page[-1].sequence
            self._weigh(kept)
            is_large = kept.memory > self._share.limit // _LARGE
            if is_large and self._share.is_over and turn is not self._folding[0]:
                # One that is larger than the share can be read, but not several at once.
                raise Overloaded(None, share=self._share.name, limit=self._share.limit)
        return True

    async def _stretches(self, session_id: UUID, upto: int) -> Sequence[_Stretch]:
        """Return what a transcript is made of, the oldest first."""
        found: list[_Stretch] = []
        while True:
            turning = await self._events.newest(session_id, _TURNINGS, upto=upto)
            if turning is None:
                break
            found.append(_Stretch(session_id, turning.sequence, upto))
            origin = _turns_to(session_id, turning)
            if origin is None:
                break
            session_id, upto = origin
        return found[::-1]

    def _nothing(self) -> _Kept:
        entries = FoldedEntries(self._codec)
        return _Kept(entries, Transcript(entries))

    def _keep(self, session_id: UUID, kept: _Kept) -> None:
        self._kept[session_id] = kept
        self._weigh(kept)

    def _weigh(self, kept: _Kept) -> None:
        """Count what a transcript takes now, and drop those that were read the longest ago."""
        before, kept.memory = kept.memory, kept.entries.memory
        self._share.count(kept.memory - before)
        while self._share.is_over and self._kept:
            _, oldest = self._kept.popitem(last=False)
            self._share.count(-oldest.memory)


def _turns_to(session_id: UUID, recorded: Recorded) -> tuple[UUID, int] | None:
    """Return where a conversation goes on from after an event, if that is not the event itself."""
    match recorded.event:
        case ConversationRewound(to=to):
            return session_id, to
        case SessionCreated(forked_from=Origin() as origin):
            return origin.session_id, origin.sequence
        case _:
            return None
