"""A log page by page, as lines of a file."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.memory_budget import MEBIBYTE
from application.ports.log.event_log import EventLog
from application.ports.log.events import JoinedEvents, StoredEvent
from application.reads.streams.wire import record_json
from application.tasks import ended
from application.transfer.lines import Line, event_of
from domain.errors import Erased
from domain.log.erased_records import ERASING, erased_hash

_JOINED = 2000
_PAGE = 4000
_PAGE_BYTES = MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLog:
    """A log as it is when it is opened.

    Args:
        lines: The events of its first page, as they stand in a file.
        first: The first of them.
        last: The last of them.
        head: The newest sequence of the log.
        digest: Of that event, 32 bytes.
        said: The sequence of the last event that says that all before it is erased; 0 of none.
    """

    lines: bytes
    first: Line
    last: Line
    head: int
    digest: bytes
    said: int


class LogPages:
    """Reads logs page by page, as lines of a file.

    Args:
        log: Where they are.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def opened(self, log_id: UUID) -> OpenedLog | None:
        """Return a log as it is now; None when there is no such log.

        Args:
            log_id: Which.
        """
        joined, said = await self._joined(log_id, 0, None), 0
        if joined is not None and not joined.count:
            return None
        if joined is not None and joined.count < _JOINED and joined.size < _PAGE_BYTES:
            return _opened(joined.lines, None, 0)
        newest = None
        if joined is not None:
            newest, said = await self._newest(log_id)
            if not said:
                return _opened(joined.lines, newest, 0)
        rows = await self._rows(log_id, 0, None)
        if not rows:
            return None
        if len(rows) == _PAGE or sum(len(one.record) for one in rows) >= _PAGE_BYTES:
            newest, said = await self._newest(log_id)
        else:
            newest, said = rows[-1], _erased_upto(rows)
        return _opened(_lines_of(await self._as_said(rows, said)), newest, said)

    async def rest(self, log_id: UUID, opened: OpenedLog) -> AsyncGenerator[bytes]:
        """Yield the pages behind the first one; the next is read while one is being taken.

        Args:
            log_id: Which log.
            opened: As it was when it was opened.

        Raises:
            Erased: There are events that were erased since.
        """
        after, upto, said = opened.last.sequence, opened.head, opened.said
        reading = asyncio.create_task(self._page(log_id, after, upto, said))
        try:
            while True:
                page = await reading
                if not page:
                    return
                if (after := _line_at(page, _last(page)).sequence) < upto:
                    reading = asyncio.create_task(self._page(log_id, after, upto, said))
                    # Whoever takes a page may not wait for anything: the database is asked before.
                    await asyncio.sleep(0)
                yield page
                if after >= upto:
                    return
        finally:
            reading.cancel()
            await ended(reading)

    async def _page(self, log_id: UUID, after: int, upto: int, said: int) -> bytes:
        if not said:
            joined = await self._joined(log_id, after, upto)
            if joined is not None:
                return joined.lines
        return _lines_of(await self._as_said(await self._rows(log_id, after, upto), said))

    async def _joined(self, log_id: UUID, after: int, upto: int | None) -> JoinedEvents | None:
        return await self._log.read_joined(
            log_id, after=after, upto=upto, limit=_JOINED, most_bytes=_PAGE_BYTES
        )

    async def _rows(self, log_id: UUID, after: int, upto: int | None) -> Sequence[StoredEvent]:
        return await self._log.read(
            log_id, after=after, upto=upto, limit=_PAGE, most_bytes=_PAGE_BYTES
        )

    async def _newest(self, log_id: UUID) -> tuple[StoredEvent, int]:
        """Return the newest event of a log, and up to where it is said to be erased."""
        (newest,) = await self._log.read_newest(log_id, last=1)
        saying = await self._log.read_newest(
            log_id, last=1, upto=newest.sequence, types=tuple(ERASING)
        )
        return newest, _erased_upto(saying)

    async def _as_said(self, page: Sequence[StoredEvent], said: int) -> Sequence[StoredEvent]:
        """Return events as a log has them that is whole, or erased up to a sequence.

        Raises:
            Erased: There are events that were erased since the log was opened.
        """
        if any(one.sequence > said and erased_hash(one.record) is not None for one in page):
            raise Erased
        asked = [
            one.position for one in page if one.sequence < said and erased_hash(one.record) is None
        ]
        if not asked:
            return page
        left = await self._log.left_of_erased(asked)
        return [one._replace(record=left.get(one.position, one.record)) for one in page]


def _opened(lines: bytes, newest: StoredEvent | None, said: int) -> OpenedLog:
    first, last = _line_at(lines, 0), _line_at(lines, _last(lines))
    end = newest or last
    return OpenedLog(
        lines=lines, first=first, last=last, head=end.sequence, digest=end.digest, said=said
    )


def _last(lines: bytes) -> int:
    return lines.rfind(b"\n", 0, -1) + 1


def _line_at(lines: bytes, start: int) -> Line:
    line = event_of(lines[start : lines.index(b"\n", start)])
    if line is None:
        raise ValueError("a page of a log has a line that is no event")
    return line


def _lines_of(events: Sequence[StoredEvent]) -> bytes:
    return b"".join([record_json(event) + b"\n" for event in events])


def _erased_upto(events: Sequence[StoredEvent]) -> int:
    return max((one.sequence for one in events if one.type in ERASING), default=0)
