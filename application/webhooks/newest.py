"""The end of the log in memory, read once for all who are told of it."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence

from application.memory_budget import MEBIBYTE, Share
from application.ports.log.events import EventFilter, OwnedEvent
from application.ports.log.whole_log import WholeLog
from application.reads.streams.stream_items import PAGE_BYTES
from domain.log.erased_records import ERASING


class Newest:
    """The newest events, read once for all webhooks that are not behind.

    Args:
        log: Where they are read.
        head: The newest position.
        share: The memory for them; half of it is for batches on their way.
    """

    _KEPT = 1000
    _READ = 500

    def __init__(self, log: WholeLog, head: int, share: Share | None = None) -> None:
        self._log = log
        self._share = share or Share("webhooks", 8 * MEBIBYTE)
        self._start = self._end = head
        self._events: list[OwnedEvent] = []
        self._bytes = 0
        self._lock = asyncio.Lock()

    async def after(self, position: int, head: int) -> tuple[Sequence[OwnedEvent], int] | None:
        """Return events after a position and how far they reach; None when they are not here.

        Args:
            position: Exclusive.
            head: The newest position of the log.
        """
        async with self._lock:
            if head - self._end > self._KEPT:
                # No webhook is near the head now; the first that is again begins here.
                self._end = head
                self.clear()
            if position < self._start:
                return None
            if position >= self._end < head:
                await self._read(head)
            if position < self._start:
                return None
            # Positions are dense, but for those of events that somebody has taken out.
            skip = bisect_right(self._events, position, key=lambda event: event.stored.position)
            return self._events[skip:], max(self._end, position)

    def clear(self) -> None:
        """Drop all of them, and go on after the last one."""
        self._events.clear()
        self._start = self._end
        self._count(-self._bytes)

    def _count(self, size: int) -> None:
        self._bytes += size
        self._share.count(size)

    async def _read(self, head: int) -> None:
        events, self._end = await self._log.read_owned(
            after=self._end,
            upto=head,
            limit=self._READ,
            most_bytes=PAGE_BYTES,
            wanted=EventFilter(),
        )
        if any(event.stored.type in ERASING for event in events):
            # What these logs have said is not to be told from memory any more.
            self._start = self._end
            self.clear()
            return
        self._events += events
        self._count(sum(len(event.stored.record) for event in events))
        while len(self._events) > self._KEPT or self._bytes > self._share.limit // 2:
            # In steps: each moves all that stay.
            dropped, self._events = self._events[: self._READ], self._events[self._READ :]
            self._count(-sum(len(event.stored.record) for event in dropped))
            self._start = dropped[-1].stored.position
