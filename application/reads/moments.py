"""Moments of a session: from a time to the event that was its newest one then."""

from datetime import datetime
from uuid import UUID

from application.errors import BeforeFirstEvent, CursorAhead
from application.ports.session.listing import ListedSession
from application.ports.session.session_row import NEVER
from application.reads.event_reader import EventReader
from domain.counted import counted
from domain.session.events import Recorded
from domain.values import rfc3339

Moment = int | datetime
"""A sequence, or a time, UTC."""


class Moments:
    """Finds what the newest event of a session was at a moment.

    Args:
        events: Reads them.
    """

    def __init__(self, events: EventReader) -> None:
        self._events = events

    async def sequence_at(self, row: ListedSession, at: Moment | None) -> int:
        """Return the sequence of the last event at or before a moment.

        A binary search finds it in a handful of reads, however long the log is. In an imported log
        times may go back: then it is an event at or before the moment, whose next event is later. A
        moment in the future gives the newest event.

        Args:
            row: Of the session.
            at: None is the newest event.

        Raises:
            CursorAhead: The session has not come to that sequence.
            BeforeFirstEvent: The session had not begun at that time.
        """
        if at is None:
            return row.sequence
        if isinstance(at, int):
            if at > row.sequence:
                raise CursorAhead(
                    f"the session has {counted(row.sequence, 'event')} so far, and not {at}",
                    head=row.sequence,
                    cursor=at,
                )
            return at
        if at >= row.updated_at:
            return row.sequence
        first = await self.event(row.session_id, 1)
        if at < first.at:
            begun_at = rfc3339(first.at)
            raise BeforeFirstEvent(f"the session began at {begun_at}", begun_at=begun_at)
        low, high = 1, row.sequence
        while high - low > 1:
            middle = (low + high) // 2
            looked_at = middle
            event = await self.event(row.session_id, looked_at)
            # A record that cannot be read does not say when it was: the one before it does.
            while event.at == NEVER and looked_at - 1 > low:
                looked_at -= 1
                event = await self.event(row.session_id, looked_at)
            if event.at <= at:
                low = middle
            else:
                high = looked_at
        return low

    async def event(self, session_id: UUID, sequence: int) -> Recorded:
        """Return one event of a log that has come to it.

        Args:
            session_id: Whose log.
            sequence: Which event.

        Raises:
            LookupError: It has not come to it.
        """
        found = await self._events.at(session_id, sequence)
        if found is None:
            raise LookupError(f"session {session_id} has no event {sequence}")
        return found
