"""The export file of one log."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from uuid import UUID

from application.ports.log.codec import Codec
from application.ports.log.event_log import EventLog
from application.ports.session.session_rows import RowLookup
from application.ports.session.shared_state import ScopeOwner
from application.reads.event_reader import EventReader
from application.transfer.bundles import place_of
from application.transfer.exporting.log_pages import LogPages
from application.transfer.lines import Header, identity_of, stored_of
from domain.errors import SessionNotFound
from domain.scope.events import ScopeOpened
from domain.session.events import SessionCreated

_SCOPES = ("scope.opened", "scope.erased")


class LogFile:
    """The export file of one log, as it was when it was opened.

    Args:
        name: In a bundle.
        header: Its first line.
        first: The events of the first page, as they stand in the file.
        rest: Gives those of the pages after it; None when there are none.
        again: Opens the log anew.
    """

    def __init__(
        self,
        name: str,
        header: Header,
        first: bytes,
        rest: AsyncGenerator[bytes] | None,
        again: Callable[[], Awaitable["LogFile"]],
    ) -> None:
        self.name = name
        self._again = again
        self.header = header
        self._first = first
        self._rest = rest

    @property
    def is_whole(self) -> bool:
        """Whether all of it was read when it was opened."""
        return self._rest is None

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield its bytes; once.

        Raises:
            Erased: The log was erased on the way: what is left of it must be opened anew.
        """
        yield self.header.line()
        yield self._first
        if self._rest is not None:
            async for page in self._rest:
                yield page

    async def again(self) -> "LogFile":
        """Return the file of the log as it is now."""
        return await self._again()


class LogFiles:
    """Opens logs as export files.

    Args:
        store: The id of the store, for whoever reads a file elsewhere.
        log: Where the logs are.
        codec: Reads how they begin.
        rows: Knows the sessions whose beginning cannot be read.
    """

    def __init__(self, store: str, log: EventLog, codec: Codec, rows: RowLookup) -> None:
        self._store = store
        self._rows = rows
        self._codec = codec
        self._pages = LogPages(log)
        self._events = EventReader(log, codec)

    async def session(self, session_id: UUID) -> LogFile:
        """Return the export file of a session, of a deleted one too.

        Args:
            session_id: Which.

        Raises:
            SessionNotFound: There is none.
        """
        file = await self.opened(session_id)
        if file is None or not file.name.startswith("sessions/"):
            raise SessionNotFound
        return file

    async def log(self, log_id: UUID) -> LogFile:
        """Return the export file of a log, be it of a session or of something else.

        Args:
            log_id: Which.

        Raises:
            SessionNotFound: There is none.
        """
        file = await self.opened(log_id)
        if file is None:
            raise SessionNotFound
        return file

    async def opened(self, log_id: UUID, began: int | None = None) -> LogFile | None:
        """Return the file of a log as it is now; None when there is none that began by then.

        Args:
            log_id: Which.
            began: The position by which a session must have begun; None is any.
        """
        opened = await self._pages.opened(log_id)
        if opened is None:
            return None
        first, place = opened.first, place_of(log_id, opened.first.type)
        row = None
        if place.startswith("logs/"):
            # The beginning of a session may be damaged, and its log is evidence all the same.
            row = await self._rows.session(log_id)
            place = place if row is None else place_of(log_id, "session.created")
        if began is not None and first.position > began and place.startswith("sessions/"):
            return None
        event: object = self._codec.decode(stored_of(log_id, first)).event
        identity: dict[str, Any] = {}
        origin: dict[str, Any] | None = None
        scope: ScopeOwner | None = None
        if isinstance(event, SessionCreated):
            identity = identity_of(event)
            if event.forked_from is not None:
                origin = {
                    "session_id": str(event.forked_from.session_id),
                    "sequence": event.forked_from.sequence,
                    "digest": event.forked_from.digest,
                }
        elif row is not None:
            told = {"app": row.app, "user": row.user, "title": row.title}
            identity = {name: value for name, value in told.items() if value is not None}
        elif isinstance(event, ScopeOpened):
            scope = ScopeOwner(event.app, event.user)
        elif first.type in _SCOPES and (anew := await self._opened_anew(log_id)):
            scope = ScopeOwner(anew.app, anew.user)
        header = Header(
            store=self._store,
            session_id=log_id,
            events=opened.head,
            head=opened.head,
            digest=opened.digest,
            identity=identity,
            forked_from=origin,
            scope=scope,
        )
        rest = None
        if opened.last.sequence < opened.head:
            rest = self._pages.rest(log_id, opened)
        return LogFile(place, header, opened.lines, rest, lambda: self.log(log_id))

    async def _opened_anew(self, log_id: UUID) -> ScopeOpened | None:
        """Return how a scope was opened after it was erased; None when it was not."""
        recorded = await self._events.newest(log_id, ("scope.opened",))
        event: object = None if recorded is None else recorded.event
        return event if isinstance(event, ScopeOpened) else None
