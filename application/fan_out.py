"""Tells the readers of this process of new events; readers that wait need no connection.

A channel stands for a session that somebody follows. It remembers the newest events, so that the
usual reader, who is only waiting for the next one, never asks the database; a reader who is further
behind reads the table at its own pace. Nothing is queued for a reader, so a slow one costs nothing.
"""

import asyncio
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from application.memory_budget import Share
from application.partials.book import PartialBook
from application.partials.session_partials import SessionPartials
from application.ports.log.append import Append
from application.ports.log.events import StoredEvent
from application.ports.session.partials import KeptPiece
from domain.log.erased_records import ERASING

_REMEMBERED_EVENTS = 256
_REMEMBERED_BYTES = 1024 * 1024


@dataclass(slots=True)
class Signal:
    """Wakes all who wait, once."""

    _waiting: list[asyncio.Future[None]] = field(default_factory=list[asyncio.Future[None]])

    def notify(self) -> None:
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

    `head` is the newest sequence that was heard of; 0 when none was heard since somebody follows.
    `signal` wakes those who want pieces too, `moved` those who want events only.
    `partials` is what is being written.
    """

    partials: SessionPartials
    signal: Signal = field(default_factory=Signal)
    moved: Signal = field(default_factory=Signal)
    head: int = 0
    followers: int = 0
    _newest: deque[StoredEvent] = field(default_factory=deque[StoredEvent])
    _bytes: int = 0

    def add(self, events: Sequence[StoredEvent]) -> None:
        """Remember events that follow what is known, and wake the followers."""
        known = self._newest[-1].sequence if self._newest else 0
        if events[-1].sequence <= known:
            return
        # What was said before an erasure is read where it is erased.
        if events[0].sequence != known + 1 or events[-1].type in ERASING:
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
            self.signal.notify()
            self.moved.notify()

    def after(self, sequence: int) -> list[StoredEvent]:
        """Return remembered events that follow a sequence without a gap; maybe none."""
        newest = self._newest
        if not newest or not newest[0].sequence <= sequence + 1 <= newest[-1].sequence:
            return []
        skip = sequence + 1 - newest[0].sequence
        return [newest[index] for index in range(skip, len(newest))]


class FanOut:
    """All channels of this process, and the signal of the whole log.

    Args:
        written: The memory that messages which are being written may take.
    """

    def __init__(self, written: Share | None = None) -> None:
        self._channels: dict[int, Channel] = {}
        """By the numbers that ids are: Python code compares UUIDs, and hashes them."""
        self.log = Signal()
        self.access = Signal()
        """Rings when another process has made or revoked an access token."""
        self.position = 0
        self.closing = asyncio.Event()
        self.partials = PartialBook(written)

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
        with self.partials.used(session_id) as partials:
            channel = self._channels.get(session_id.int)
            if channel is None:
                channel = self._channels[session_id.int] = Channel(partials)
            channel.followers += 1
            try:
                yield channel
            finally:
                channel.followers -= 1
                if not channel.followers:
                    del self._channels[session_id.int]

    def publish(self, session_id: UUID, append: Append, position: int) -> None:
        """Hand over what this process has just made durable, with its companions.

        Args:
            session_id: Whose log grew.
            append: By what.
            position: The position of its last event.
        """
        self.partials.publish(session_id, append.before, append.events)
        channel = self._channels.get(session_id.int)
        if channel is not None:
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
        for companion in append.companions:
            position += len(companion.events)
            self.publish(companion.session_id, companion, position)

    def advance(self, session_id: UUID, sequence: int) -> None:
        """Hear that a session has reached a sequence, through whatever process."""
        channel = self._channels.get(session_id.int)
        if channel is not None:
            channel.advance(sequence)

    def reached(self, position: int) -> None:
        """Hear that the log has reached a position."""
        if position > self.position:
            self.position = position
            self.log.notify()

    def written(self, session_id: UUID) -> None:
        """Wake those who follow a session: there is more of a message that is being written."""
        channel = self._channels.get(session_id.int)
        if channel is not None:
            channel.signal.notify()

    def hear(self, kept: KeptPiece) -> None:
        """Take a piece of a message that another process has taken, if it matters here."""
        if self.partials.hear(kept):
            self.advance(kept.session_id, kept.piece.since)
            self.written(kept.session_id)

    def hear_of(self, session_id: UUID) -> None:
        """Hear that another process has taken pieces, which are to be read where they are kept."""
        session = self.partials.get(session_id)
        if session is not None:
            self.partials.look_soon(session)
            self.written(session_id)

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
        self.log.notify()
        for channel in list(self._channels.values()):
            channel.signal.notify()
            channel.moved.notify()
