"""Who hears of new events in this process, without a database connection while nothing happens.

A channel stands for a session that somebody follows. It remembers the newest events, so that the
usual reader, who is only waiting for the next one, never asks the database; a reader who is further
behind reads the table at its own pace. Nothing is queued for a reader, so a slow one costs nothing.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import takewhile
from uuid import UUID

from application.partials import Partial
from application.ports.events import StoredEvent
from application.ports.log import Append

_REMEMBERED_EVENTS = 256
_REMEMBERED_BYTES = 1024 * 1024
_REMEMBERED_PIECES = 256
_DRAFTS = 1024
_DRAFT_CHARACTERS = 256 * 1024


@dataclass(slots=True)
class Signal:
    """Wakes all who wait, once."""

    _waiting: list[asyncio.Future[None]] = field(default_factory=list[asyncio.Future[None]])

    def ring(self) -> None:
        """Wake everybody who waits now."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def wait(self, timeout: float | None) -> bool:  # noqa: ASYNC109 - one timer, no scope
        """Return True when woken, False after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        self._waiting.append(woken)
        timer = None
        if timeout is not None:
            timer = loop.call_later(timeout, _time_out, woken)
        try:
            await woken
        except TimeoutError:
            self._forget(woken)
            return False
        except asyncio.CancelledError:
            self._forget(woken)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        return True

    def _forget(self, woken: asyncio.Future[None]) -> None:
        if woken in self._waiting:
            self._waiting.remove(woken)


def _time_out(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_exception(TimeoutError())


@dataclass(slots=True)
class Channel:
    """One session that is followed.

    `head` is the newest sequence heard of, 0 when none was heard since somebody follows. `bell` is
    for whoever wants pieces too, `moved` for whoever only wants to know of events.
    """

    bell: Signal = field(default_factory=Signal)
    moved: Signal = field(default_factory=Signal)
    head: int = 0
    followers: int = 0
    pieces_seen: int = 0
    _newest: deque[StoredEvent] = field(default_factory=deque[StoredEvent])
    _bytes: int = 0
    _pieces: deque[Partial] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_PIECES))

    def add(self, events: Sequence[StoredEvent]) -> None:
        """Remember events that follow what is known, and wake the followers."""
        known = self._newest[-1].sequence if self._newest else 0
        if events[-1].sequence <= known:
            return
        if events[0].sequence != known + 1:
            self._newest.clear()
            self._bytes = 0
        self._newest.extend(events)
        self._bytes += sum(len(event.record) for event in events)
        while len(self._newest) > _REMEMBERED_EVENTS or self._bytes > _REMEMBERED_BYTES:
            self._bytes -= len(self._newest.popleft().record)
        self.advance(events[-1].sequence)

    def advance(self, sequence: int) -> None:
        """Hear that the session has reached a sequence, and wake the followers."""
        if sequence > self.head:
            self.head = sequence
            # What was shown of a message is in its event now: who has not seen it need not.
            self._pieces.clear()
            self.bell.ring()
            self.moved.ring()

    def after(self, sequence: int) -> list[StoredEvent]:
        """Return remembered events that follow a sequence without a gap; maybe none."""
        newest = self._newest
        if not newest or not newest[0].sequence <= sequence + 1 <= newest[-1].sequence:
            return []
        skip = sequence + 1 - newest[0].sequence
        return [newest[index] for index in range(skip, len(newest))]

    def add_piece(self, piece: Partial) -> None:
        """Pass on a piece of a message that is still being streamed."""
        self._pieces.append(piece)
        self.pieces_seen += 1
        self.bell.ring()

    def pieces_after(self, seen: int, cursor: int) -> tuple[list[Partial], int]:
        """Return pieces that a follower has not had, as far as they are remembered.

        Args:
            seen: How many it has had or missed.
            cursor: Its newest event: pieces that were shown after a later one must wait for it.

        Returns:
            The pieces, and how many it has had or missed then.
        """
        count = len(self._pieces)
        missed = min(self.pieces_seen - seen, count)
        pieces = [self._pieces[index] for index in range(count - missed, count)]
        due = [*takewhile(lambda piece: piece.after <= cursor, pieces)]
        # What was shown before the newest event is in that event: it would be read twice.
        ready = [piece for piece in due if piece.after == cursor]
        return ready, self.pieces_seen - (missed - len(due))


@dataclass(slots=True)
class _Draft:
    turn_id: str
    after: int
    texts: list[str] = field(default_factory=list[str])
    size: int = 0


class FanOut:
    """All channels of this process, and the bell of the whole log."""

    def __init__(self) -> None:
        self._channels: dict[UUID, Channel] = {}
        self.log = Signal()
        self.position = 0
        self.closing = asyncio.Event()
        self._drafts: OrderedDict[UUID, _Draft] = OrderedDict()

    @property
    def followed(self) -> int:
        """How many followers there are."""
        return sum(channel.followers for channel in self._channels.values())

    @property
    def anybody(self) -> bool:
        """Whether any session is followed."""
        return bool(self._channels)

    @contextmanager
    def follow(self, session_id: UUID) -> Generator[Channel]:
        """Follow a session while the context lasts.

        Args:
            session_id: Which one.
        """
        channel = self._channels.get(session_id)
        if channel is None:
            channel = self._channels[session_id] = Channel()
        channel.followers += 1
        try:
            yield channel
        finally:
            channel.followers -= 1
            if not channel.followers:
                del self._channels[session_id]

    def publish(self, session_id: UUID, append: Append, position: int) -> None:
        """Hand over what this process has just made durable.

        Args:
            session_id: Whose log grew.
            append: By what.
            position: The position of its last event.
        """
        channel = self._channels.get(session_id)
        if channel is None:
            return
        first = position - len(append.events) + 1
        channel.add(
            [
                StoredEvent(
                    session_id, append.before + 1 + i, first + i, event.type, event.record,
                    event.digest,
                )
                for i, event in enumerate(append.events)
            ]
        )  # fmt: skip

    def advance(self, session_id: UUID, sequence: int) -> None:
        """Hear that a session has reached a sequence, through whatever process."""
        channel = self._channels.get(session_id)
        if channel is not None:
            channel.advance(sequence)

    def reached(self, position: int) -> None:
        """Hear that the log has reached a position."""
        if position > self.position:
            self.position = position
            self.log.ring()

    def show(self, session_id: UUID, piece: Partial) -> None:
        """Pass a piece of a message that is still being streamed to the followers here.

        Args:
            session_id: Whose turn it belongs to.
            piece: What to show; its text is part of snapshots until something is recorded.
        """
        channel = self._channels.get(session_id)
        if channel is not None:
            # A reader gets what was recorded before the piece first, and no piece that is late.
            channel.advance(piece.after)
            if channel.head == piece.after:
                channel.add_piece(piece)
        draft = self._drafts.get(session_id)
        if draft is not None and draft.turn_id == piece.turn_id and draft.after > piece.after:
            return
        if draft is None or (draft.turn_id, draft.after) != (piece.turn_id, piece.after):
            draft = self._drafts[session_id] = _Draft(piece.turn_id, piece.after)
        self._drafts.move_to_end(session_id)
        if draft.size < _DRAFT_CHARACTERS:
            draft.texts.append(piece.text)
            draft.size += len(piece.text)
        if len(self._drafts) > _DRAFTS:
            self._drafts.popitem(last=False)

    def draft(self, session_id: UUID, turn_id: str, sequence: int) -> str:
        """Return the text that was streamed in a turn since its last recorded event.

        Args:
            session_id: Whose turn.
            turn_id: The running turn.
            sequence: The newest recorded event.
        """
        draft = self._drafts.get(session_id)
        if draft is None or (draft.turn_id, draft.after) != (turn_id, sequence):
            return ""
        return "".join(draft.texts)

    async def closes_within(self, seconds: float) -> bool:
        """Return whether this process begins to stop within a time, as soon as that is known.

        Args:
            seconds: How long to wait at most.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        return self.closing.is_set()

    def close(self) -> None:
        """Tell every stream to say goodbye."""
        self.closing.set()
        self.log.ring()
        for channel in list(self._channels.values()):
            channel.bell.ring()
            channel.moved.ring()
