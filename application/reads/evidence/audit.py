"""The audit feed: the events of all sessions that somebody who must prove something asks for."""

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from application.errors import CursorAhead
from application.ports.log.audit import AuditEvents, AuditFilter
from application.ports.log.events import OwnedEvent
from application.ports.log.whole_log import WholeLog
from application.reads.streams.stream_items import PAGE_BYTES, SCANNED

_AT_ONCE = 200


class AuditPage(NamedTuple):
    """Some events, the position up to which there are no others, and the newest position."""

    events: Sequence[OwnedEvent]
    next: int
    head: int


class AuditFeed:
    """Reads the log by what an auditor knows of events.

    Args:
        log: Tells how far the log goes.
        events: Finds them.
    """

    def __init__(self, log: WholeLog, events: AuditEvents) -> None:
        self._log = log
        self._events = events

    async def page(self, wanted: AuditFilter, after: int, limit: int) -> AuditPage:
        """Return the next events.

        Args:
            wanted: Which.
            after: The position after which to look.
            limit: The most.

        Raises:
            CursorAhead: The position is beyond the end of the log.
        """
        head = await self._log.head()
        if after > head:
            raise CursorAhead(None, head=head, cursor=after)
        # What is asked of one session is found by its key, wherever its events are.
        upto = head if wanted.session is not None else min(head, after + SCANNED)
        read = await self._events.read(
            wanted, after=after, upto=upto, limit=limit, most_bytes=PAGE_BYTES
        )
        return AuditPage(read.events, read.reached, head)

    async def all(self, wanted: AuditFilter, after: int) -> AsyncGenerator[Sequence[OwnedEvent]]:
        """Yield all events there are now, a piece at a time.

        Args:
            wanted: Which.
            after: The position after which to look.

        Raises:
            CursorAhead: The position is beyond the end of the log.
        """
        page = await self.page(wanted, after, _AT_ONCE)
        end = page.head
        while True:
            reached = page.next
            # Who reads may be slow: what they are given is not kept here as well.
            given = [[event for event in page.events if event.stored.position <= end]]
            del page
            yield given.pop()
            if reached >= end:
                return
            page = await self.page(wanted, reached, _AT_ONCE)
