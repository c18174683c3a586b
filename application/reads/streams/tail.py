"""The tail: events of a session since a sequence, as a page, a long poll or a stream.

One way of reading serves all three. What is remembered of the newest events is used where it
follows the cursor without a gap; everything else is read from the table. So no reader can miss an
event or get one twice, whatever was lost on the way to waking it.
"""

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from application.errors import CursorAhead
from application.fan_out import Channel, FanOut
from application.partials.reader import PartialReader, PieceCursor
from application.ports.log.codec import Codec
from application.ports.log.events import SessionPage, StoredEvent
from application.ports.log.session_logs import SessionLogs
from application.reads.readable import ReadableSessions
from application.reads.streams.newest_events import NewestEvents
from application.reads.streams.patient_reading import ENDS, PatientReading
from application.reads.streams.selecting import Filter, selecting
from application.reads.streams.stream_items import (
    PAGE_BYTES,
    READ,
    READ_BYTES,
    SCANNED,
    CaughtUp,
    Closed,
    Closing,
    Deadline,
    Page,
    PartialText,
    Ping,
    StreamItem,
    StreamTiming,
)
from domain.errors import SessionNotFound


class Tails:
    """Reads the tail of one session.

    Args:
        log: Where the events are.
        codec: Reads them.
        sessions: Knows the end of the log, and refuses those that are erased.
        partials: Reads what is being written.
        fan_out: Who tells that the log has grown.
        timing: How long streams wait and last.
    """

    def __init__(
        self,
        log: SessionLogs,
        codec: Codec,
        sessions: ReadableSessions,
        partials: PartialReader,
        fan_out: FanOut,
        timing: StreamTiming | None = None,
    ) -> None:
        self._log = log
        self._codec = codec
        self._sessions = sessions
        self._partials = partials
        self._fan_out = fan_out
        self._timing = timing or StreamTiming()
        self._newest = NewestEvents(log, codec)
        self._patient = PatientReading(log, codec, fan_out)

    async def newest(
        self,
        session_id: UUID,
        last: int,
        wanted: Filter,
        *,
        after: int = 0,
        upto: int | None = None,
    ) -> Page:
        """Return the newest events; fewer than asked for when their bytes fill a page.

        Args:
            session_id: Whose log.
            last: How many, at most.
            wanted: Which ones.
            after: Only events after this one.
            upto: The event that stands for the head; None is the head.

        Raises:
            SessionNotFound: There is no such session.
        """
        head, closed = await self._head(session_id)
        if upto is not None and upto < head:
            head, closed = upto, False
        newest = await self._newest.read(session_id, last, upto, PAGE_BYTES, wanted)
        head = max(head, newest[-1].sequence if newest else 0)
        events = [event for event in newest if event.sequence > after]
        return Page(events, head, head, up_to_date=True, closed=closed)

    async def start_of_newest(self, session_id: UUID, last: int, wanted: Filter) -> int:
        """Return the sequence after which the newest events are, the head when there are none.

        Args:
            session_id: Whose log.
            last: How many, at most.
            wanted: Which ones.

        Raises:
            SessionNotFound: There is no such session.
        """
        start, _ = await self._head(session_id)
        upto: int | None = None
        while last > 0 and (
            events := await self._newest.read(session_id, last, upto, READ_BYTES, wanted)
        ):
            start = upto = events[0].sequence - 1
            last -= len(events)
        return start

    async def start_of(self, session_id: UUID, since: int | None) -> int:
        """Return the sequence that a cursor stands for.

        Args:
            session_id: Whose log.
            since: Exclusive; None is the head.

        Raises:
            SessionNotFound: There is no such session.
            CursorAhead: The cursor is beyond the head.
        """
        head, _ = await self._head(session_id)
        if since is None:
            return head
        if since > head:
            raise CursorAhead(None, head=head, cursor=since)
        return since

    async def is_over(self, session_id: UUID, since: int) -> bool:
        """Return whether nothing will ever come after a sequence.

        Args:
            session_id: Whose log; it must be there.
            since: Exclusive.
        """
        head, closed = await self._head(session_id)
        return closed and since >= head

    async def page(
        self,
        session_id: UUID,
        since: int,
        limit: int,
        wanted: Filter,
        wait: float = 0.0,
        *,
        upto: int | None = None,
    ) -> Page:
        """Return events after a cursor.

        Args:
            session_id: Whose log.
            since: The sequence to go on from, exclusive.
            limit: The most events.
            wanted: Which ones.
            wait: Seconds to wait for the first one when there is none; then the page is empty.
            upto: The event that stands for the head, where nothing is waited for; None is the head.

        Raises:
            SessionNotFound: There is no such session.
            CursorAhead: The cursor is beyond the head.
        """
        if not wait:
            return await self._page(session_id, since, limit, wanted, upto)
        deadline = Deadline(wait)
        with self._fan_out.follow(session_id) as channel:
            while True:
                page = await self._page(session_id, since, limit, wanted)
                if page.events or page.closed or self._fan_out.closing.is_set():
                    return page
                since = page.next
                if page.up_to_date and not await self._wait(channel, since, deadline.left()):
                    return page

    async def stream(
        self, session_id: UUID, since: int, wanted: Filter
    ) -> AsyncGenerator[StreamItem]:
        """Yield events after a cursor for as long as the session and the reader last.

        Args:
            session_id: Whose log; it exists.
            since: The sequence to go on from, exclusive, not beyond the head.
            wanted: Which events.
        """
        age = Deadline(self._timing.longest)
        cursor = since
        selected = await self._patient.selecting(session_id, since, wanted)
        with self._fan_out.follow(session_id) as channel:
            while not age.goodbye(self._fan_out) and (
                events := await self._patient.read(session_id, cursor)
            ):
                cursor = events[-1].sequence
                # A reader may be slow: what it is given is not kept here as well.
                given = [selected.of(events)]
                del events
                if given[0]:
                    yield given.pop()
            if not age.goodbye(self._fan_out):
                yield CaughtUp(cursor)
            deleted = await self._patient.was_deleted(session_id, cursor)
            written, silence = PieceCursor(channel.partials), Deadline(self._timing.ping)
            while not (deleted or age.goodbye(self._fan_out)):
                events = channel.after(cursor)
                if not events and channel.head > cursor:
                    events = await self._patient.read(session_id, cursor)
                if events:
                    cursor, deleted = events[-1].sequence, events[-1].type in ENDS
                    given = [selected.of(events)]
                    del events
                    if given[0]:
                        yield given.pop()
                        silence = Deadline(self._timing.ping)
                    continue
                # What is being written follows what was recorded, and never what has ended it.
                known = await self._partials.keep_up(channel.partials, cursor)
                if channel.head > cursor or self._fan_out.closing.is_set():
                    # Whoever was woken meanwhile did not wait yet.
                    continue
                pieces, turn_id = written.next() if known else [], channel.partials.turn_id
                for piece in pieces:
                    if selected.wants(turn_id, piece):
                        yield PartialText(session_id, turn_id, piece)
                        silence = Deadline(self._timing.ping)
                most = min(age.left(), written.due())
                if not pieces and await _hears_nothing(channel, silence, most):
                    yield Ping(cursor)
                    silence = Deadline(self._timing.ping)
            yield Closed(cursor) if deleted else Closing(cursor, age.goodbye(self._fan_out))

    async def _page(
        self, session_id: UUID, since: int, limit: int, wanted: Filter, upto: int | None = None
    ) -> Page:
        found: list[StoredEvent] = []
        size, cursor, looked = 0, since, 0
        # The log knows types; the rest is looked for here, a part of the log at a time.
        many, most = (limit, PAGE_BYTES) if wanted.by_types_alone else (READ, READ_BYTES)
        selected = await selecting(self._log, self._codec, session_id, since, wanted)
        while True:
            read = await self._log.read_page(
                session_id,
                after=cursor,
                upto=since + SCANNED if upto is None else min(since + SCANNED, upto),
                limit=many,
                most_bytes=most,
                types=wanted.read_types,
            )
            if read is None:
                raise SessionNotFound
            if read.deleted:
                # Nothing is read of one that is erased.
                await self._head(session_id)
            if upto is not None and upto < read.head:
                read = read.as_of(upto)
            if since > read.head:
                raise CursorAhead(None, head=read.head, cursor=since)
            for event in selected.of(read.events):
                found.append(event)
                size += len(event.record)
                if len(found) == limit or size >= PAGE_BYTES:
                    return _page_upto(event.sequence, found, read)
            cursor, looked = read.reached, looked + 1
            if cursor >= min(read.head, since + SCANNED) or looked == SCANNED // READ:
                return _page_upto(cursor, found, read)

    async def _head(self, session_id: UUID) -> tuple[int, bool]:
        row = await self._sessions.row(session_id)
        return row.sequence, row.status == "deleted"

    async def _wait(self, channel: Channel, cursor: int, seconds: float) -> bool:
        """Wait until the session moves beyond a cursor; False when time is up."""
        deadline = Deadline(seconds)
        while channel.head <= cursor and not self._fan_out.closing.is_set():
            if not await channel.signal.wait(deadline.left()):
                return False
        return True


def _page_upto(cursor: int, events: Sequence[StoredEvent], read: SessionPage) -> Page:
    up_to_date = cursor >= read.head
    return Page(events, cursor, read.head, up_to_date, read.deleted and up_to_date)


async def _hears_nothing(channel: Channel, silence: Deadline, seconds: float) -> bool:
    """Wait for something new, and return whether the reader has been told nothing for too long.

    Args:
        channel: Of the session.
        silence: When it has been too long.
        seconds: The longest to wait.
    """
    await channel.signal.wait(min(silence.left(), seconds))
    return silence.is_over
