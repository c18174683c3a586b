"""The global feed: the events of all sessions, by position."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from application.errors import CursorAhead, StoreUnavailable
from application.fan_out import FanOut
from application.ports.log.codec import Codec
from application.ports.log.event_log import EventLog
from application.reads.streams.answering import AnsweringIn
from application.reads.streams.selecting import read_types
from application.reads.streams.stream_items import (
    LOOK_AGAIN,
    PAGE_BYTES,
    READ,
    READ_BYTES,
    SCANNED,
    CaughtUp,
    Closing,
    Deadline,
    Page,
    Ping,
    StreamItem,
    StreamTiming,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Which events of the global feed a reader wants."""

    types: tuple[str, ...] = ()
    app: str | None = None
    user: str | None = None
    agent: str | None = None


class Feed:
    """Reads the global feed, by position.

    Args:
        log: What is read.
        codec: Reads who answers.
        fan_out: Who tells that it has grown.
        timing: How long streams wait and last.
    """

    def __init__(
        self, log: EventLog, codec: Codec, fan_out: FanOut, timing: StreamTiming | None = None
    ) -> None:
        self._log = log
        self._codec = codec
        self._fan_out = fan_out
        self._timing = timing or StreamTiming()

    async def start_of(self, after: int | None) -> int:
        """Return the position that a cursor stands for.

        Args:
            after: Exclusive; None is the head.

        Raises:
            CursorAhead: The position is beyond the head.
        """
        head = await self._log.head()
        if after is not None and after > head:
            raise CursorAhead(None, head=head, cursor=after)
        return head if after is None else after

    async def page(self, after: int | None, limit: int, wanted: FeedFilter, wait: float) -> Page:
        """Return events after a position.

        Args:
            after: Exclusive; None is the head.
            limit: The most events.
            wanted: Which ones.
            wait: Seconds to wait for the first one when there is none.

        Raises:
            CursorAhead: The position is beyond the head.
        """
        cursor = await self.start_of(None) if after is None else after
        deadline = Deadline(wait)
        answering = AnsweringIn(self._log, self._codec)
        while True:
            page = await self._page(cursor, limit, PAGE_BYTES, wanted, answering)
            if after is not None and after > page.head:
                raise CursorAhead(None, head=page.head, cursor=after)
            if page.events or not page.up_to_date or self._fan_out.closing.is_set():
                return page
            cursor = page.next
            # Without time to wait this is the answer, even when the log was cut behind the fan-out.
            if deadline.left() <= 0 or not await self._wait(cursor, deadline.left()):
                return page

    async def stream(self, after: int, wanted: FeedFilter) -> AsyncGenerator[StreamItem]:
        """Yield events after a position for as long as the reader lasts.

        Args:
            after: Exclusive, not beyond the head.
            wanted: Which events.
        """
        age = Deadline(self._timing.longest)
        cursor, caught_up = after, False
        answering = AnsweringIn(self._log, self._codec)
        while True:
            try:
                page = await self._page(cursor, READ, READ_BYTES, wanted, answering)
            except StoreUnavailable:
                if not await self._fan_out.closes_within(LOOK_AGAIN):
                    continue
                yield Closing(cursor, age.goodbye(self._fan_out))
                return
            cursor, up_to_date = page.next, page.up_to_date
            if page.events:
                # A reader may be slow: what it is given is not kept here as well.
                given = [page.events]
                del page
                yield given.pop()
            goodbye = age.goodbye(self._fan_out)
            if goodbye:
                yield Closing(cursor, goodbye)
                return
            if not up_to_date:
                continue
            if not caught_up:
                caught_up = True
                yield CaughtUp(cursor)
            if not await self._wait(cursor, min(self._timing.ping, age.left())):
                yield Ping(cursor)

    async def _page(
        self,
        after: int,
        limit: int,
        most_bytes: int,
        wanted: FeedFilter,
        answering: AnsweringIn,
    ) -> Page:
        # Of what one agent did a page may have little: it is looked for in a part of the log.
        read = await self._log.read_all(
            after=after,
            upto=after + SCANNED,
            limit=limit if wanted.agent is None else READ,
            most_bytes=most_bytes,
            types=read_types(frozenset(wanted.types), wanted.agent),
            app=wanted.app,
            user=wanted.user,
        )
        events, reached = read.events, read.reached
        if wanted.agent is not None:
            events = await answering.those_of(wanted.agent, events)
            if wanted.types:
                events = [event for event in events if event.type in wanted.types]
            if len(events) > limit:
                events, reached = events[:limit], events[limit - 1].position
        return Page(events, reached, read.head, up_to_date=reached >= read.head)

    async def _wait(self, cursor: int, seconds: float) -> bool:
        deadline = Deadline(seconds)
        while self._fan_out.position <= cursor and not self._fan_out.closing.is_set():
            if not await self._fan_out.log.wait(deadline.left()):
                return False
        return True
