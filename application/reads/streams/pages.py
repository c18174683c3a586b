"""Pages of events that nobody looks into on the way: the store makes and joins them."""

from uuid import UUID

from application.errors import CursorAhead
from application.ports.log.joined_pages import JoinedPage, JoinedPages
from application.reads.readable import ReadableSessions
from application.reads.streams.selecting import Filter
from application.reads.streams.stream_items import PAGE_BYTES, SCANNED
from domain.errors import SessionNotFound


class Pages:
    """Reads the pages that `Tails.page` and `Feed.page` read, where nothing is waited for.

    Args:
        sessions: Refuses those that are erased.
        joined: What reads.
    """

    def __init__(self, sessions: ReadableSessions, joined: JoinedPages) -> None:
        self._sessions = sessions
        self._joined = joined

    async def of_session(
        self, session_id: UUID, since: int, limit: int, wanted: Filter
    ) -> JoinedPage:
        """Return events of one session.

        Args:
            session_id: Whose log.
            since: The sequence to go on from, exclusive.
            limit: The most events.
            wanted: Which ones, by types alone.

        Raises:
            SessionNotFound: There is no such session.
            Erased: It is erased.
            CursorAhead: The cursor is beyond the head.
        """
        page = await self._joined.of_session(
            session_id,
            after=since,
            upto=since + SCANNED,
            limit=limit,
            most_bytes=PAGE_BYTES,
            types=wanted.read_types,
        )
        if page is None:
            raise SessionNotFound
        if page.deleted:
            await self._sessions.row(session_id)
        return _checked(page, since)

    async def of_all(self, after: int, limit: int) -> JoinedPage:
        """Return events of all sessions.

        Args:
            after: The position to go on from, exclusive.
            limit: The most events.

        Raises:
            CursorAhead: The position is beyond the head.
        """
        page = await self._joined.of_all(
            after=after, upto=after + SCANNED, limit=limit, most_bytes=PAGE_BYTES
        )
        return _checked(page, after)


def _checked(page: JoinedPage, cursor: int) -> JoinedPage:
    if cursor > page.head:
        raise CursorAhead(None, head=page.head, cursor=cursor)
    return page
