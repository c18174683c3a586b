"""Pages of events in their public form, made of rows that the log reads one by one."""

from collections.abc import Sequence
from uuid import UUID

from application.ports.log.event_log import EventLog
from application.ports.log.events import StoredEvent
from application.ports.log.joined_pages import JoinedPage
from application.reads.streams.wire import record_json


class JoinedRows:
    """Joins what the log reads; see `application.ports.log.joined_pages.JoinedPages`.

    Args:
        log: The log.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def of_session(
        self,
        session_id: UUID,
        *,
        after: int,
        upto: int,
        limit: int,
        most_bytes: int,
        types: Sequence[str] = (),
    ) -> JoinedPage | None:
        """Return events of one session and its head."""
        page = await self._log.read_page(
            session_id, after=after, upto=upto, limit=limit, most_bytes=most_bytes, types=types
        )
        if page is None:
            return None
        return JoinedPage(_joined(page.events), page.reached, page.head, page.deleted)

    async def of_all(self, *, after: int, upto: int, limit: int, most_bytes: int) -> JoinedPage:
        """Return events of all sessions and the head of the log."""
        page = await self._log.read_all(after=after, upto=upto, limit=limit, most_bytes=most_bytes)
        return JoinedPage(_joined(page.events), page.reached, page.head)


def _joined(events: Sequence[StoredEvent]) -> tuple[bytes, ...]:
    return (b",".join(map(record_json, events)),) if events else ()
