"""A stream that gives the past at the pace at which it happened, and then goes on live."""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from time import monotonic
from uuid import UUID

from application.errors import StoreUnavailable
from application.fan_out import FanOut
from application.ports.log.codec import Codec
from application.ports.log.events import StoredEvent
from application.ports.log.session_logs import SessionLogs
from application.reads.streams.pace import Pace
from application.reads.streams.selecting import Filter, selecting
from application.reads.streams.stream_items import (
    LOOK_AGAIN,
    Closing,
    Deadline,
    StreamItem,
    StreamTiming,
)
from application.reads.streams.tail import Tails

_READ, _READ_BYTES = 50, 64 * 1024
"""The most events and bytes that are read at once: they wait here for as long as they took. One
event that is larger is read alone, and again when it is due."""


class Replays:
    """Streams sessions at their recorded pace.

    Args:
        log: Where the events are.
        codec: Reads them.
        fan_out: Tells when this process stops.
        tails: Goes on when the past is over.
        timing: How long a stream lasts.
        closes_within: Waits so many seconds, and returns whether this process stops meanwhile.
        clock: Seconds, only forward.
    """

    def __init__(
        self,
        log: SessionLogs,
        codec: Codec,
        fan_out: FanOut,
        tails: Tails,
        timing: StreamTiming | None = None,
        *,
        closes_within: Callable[[float], Awaitable[bool]] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._log = log
        self._codec = codec
        self._fan_out = fan_out
        self._tails = tails
        self._longest = (timing or StreamTiming()).longest
        self._closes_within = closes_within or fan_out.closes_within
        self._clock = clock

    async def stream(
        self, session_id: UUID, since: int, wanted: Filter, speed: float
    ) -> AsyncGenerator[StreamItem]:
        """Yield the events after a cursor one by one, each when it is due, then those that come.

        Events that are recorded meanwhile are a part of the past until all of it has been given.

        Args:
            session_id: Whose log; it exists.
            since: The sequence to go on from, exclusive, not beyond the head.
            wanted: Which events; the time that the others took passes too, up to the longest gap.
            speed: How many times faster than it was recorded; above 0.
        """
        pace, cursor = Pace(speed), since
        selected = await selecting(self._log, self._codec, session_id, since, wanted)
        age = Deadline(self._longest, self._clock)
        while events := await self._read(session_id, cursor):
            reached = events[-1].sequence
            due = deque(selected.of(events))
            del events
            while due:
                wait = pace.wait(self._codec.decode(due[0]).at, self._clock())
                if wait:
                    again = None
                    if len(due[0].record) > _READ_BYTES:
                        again = due.popleft().sequence
                    if await self._closes_within(wait):
                        yield Closing(cursor, "server_shutdown")
                        return
                    if again is not None:
                        due.extend(selected.of(await self._read(session_id, again - 1)))
                    if not due:
                        reached = cursor
                        break
                if goodbye := age.goodbye(self._fan_out):
                    yield Closing(cursor, goodbye)
                    return
                cursor = due[0].sequence
                # A reader may be slow: what it is given is not kept here as well.
                yield (due.popleft(),)
            cursor = reached
        async with aclosing(self._tails.stream(session_id, cursor, wanted)) as items:
            async for item in items:
                yield item

    async def _read(self, session_id: UUID, after: int) -> Sequence[StoredEvent]:
        while True:
            try:
                events = await self._log.read(
                    session_id, after=after, limit=_READ, most_bytes=_READ_BYTES
                )
                is_large = bool(events) and len(events[-1].record) > _READ_BYTES
                return events[:-1] if is_large and len(events) > 1 else events
            except StoreUnavailable:
                if await self._closes_within(LOOK_AGAIN):
                    return []
