"""The log on Postgres: group commit for writing, keyset ranges for reading."""

from collections.abc import Coroutine, Mapping, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from application.ports.log.append import Append
from application.ports.log.events import (
    EventFilter,
    FeedPage,
    JoinedEvents,
    OwnedEvent,
    OwnedPage,
    SessionPage,
    StoredEvent,
)
from domain.log.erased_records import ERASING
from domain.session.content.key_writes import SETTING_FIELDS, WRITER_NAMES
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.outcomes import DatabaseOutcome
from infrastructure.postgres.writing.batch_writer import Committed
from infrastructure.postgres.writing.group_commit import CommitLimits, GroupCommit
from infrastructure.records.joined_lines import LONGEST, are_readable
from infrastructure.records.unreadable import stored_event

_STATEMENTS = sql.load("log")
_LAST_SEQUENCE = 2**63 - 1
_ANY_SIZE = 2**63 - 1
# A join promises no order. It has that of its inner side, and so this costs one look at each row.
_SEQUENCE, _POSITION = itemgetter(1), itemgetter(2)


class PostgresEventLog:
    """The log; see `application.ports.log.event_log.EventLog`.

    Args:
        database: Where it is kept.
        committed: Called with the newest position after each commit of this process.
        limits: How much may wait to be written, and how long.
    """

    def __init__(
        self, database: Database, committed: Committed, *, limits: CommitLimits | None = None
    ) -> None:
        self._database = database
        self._commits = GroupCommit(self._connect, committed, limits=limits)

    @property
    def trouble(self) -> DatabaseOutcome | None:
        """Why writes are refused now; None while they are not."""
        return self._commits.health.trouble

    async def look(self) -> None:
        """Find out what stands in the way of writes, if none was tried for a while."""
        await self._commits.look()

    async def start(self) -> None:
        """Begin to write."""
        await self._commits.start()

    async def stop(self) -> None:
        """Write what waits, then stop."""
        await self._commits.stop()

    async def _connect(self) -> AsyncConnection:
        return await self._database.connect("cairn writer")

    def append(self, append: Append) -> Coroutine[Any, Any, int]:
        """Make an append and its companions durable; see `EventLog.append`."""
        return self._commits.append(append)

    async def read(
        self,
        session_id: UUID,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int,
        most_bytes: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return events of one session in order of sequence."""
        values = {
            "session": session_id,
            "after": after,
            "upto": _LAST_SEQUENCE if upto is None else upto,
            "limit": limit,
        }
        statement = "read_session"
        if most_bytes is not None:
            statement, values["bytes"] = "read_session_in_part", most_bytes
        rows = await self._database.fetch(_STATEMENTS[statement], values)
        return [stored_event(*row) for row in rows]

    async def read_joined(
        self,
        session_id: UUID,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int,
        most_bytes: int,
    ) -> JoinedEvents | None:
        """Return events of one session in their public form."""
        values = {
            "session": session_id,
            "after": after,
            "upto": _LAST_SEQUENCE if upto is None else upto,
            "limit": limit,
            "bytes": most_bytes,
            "longest": LONGEST,
            "erasing": list(ERASING),
        }
        found = await self._database.fetch(_STATEMENTS["read_joined"], values)
        ((count, size, unread, lines),) = found
        lines = lines or b""
        if unread or not are_readable(lines, count):
            return None
        return JoinedEvents(count, size, lines)

    async def read_page(
        self,
        session_id: UUID,
        *,
        after: int,
        upto: int,
        limit: int,
        most_bytes: int,
        types: Sequence[str] = (),
    ) -> SessionPage | None:
        """Return events of one session and its head."""
        rows = await self._database.fetch(
            _STATEMENTS["read_page"],
            {
                "session": session_id,
                "after": after,
                "upto": upto,
                "limit": limit,
                "bytes": most_bytes,
                "types": list(types),
            },
            planned_anew=bool(types),
        )
        if not rows:
            return None
        head, deleted = rows[0][:2]
        found = sorted([row[2:] for row in rows if row[2] is not None], key=_SEQUENCE)
        events = [stored_event(*row[:6]) for row in found]
        end = max(min(upto, head), after)
        if _is_full(found, limit, most_bytes):
            end = events[-1].sequence
        return SessionPage(events, end, head, deleted)

    async def read_newest(
        self,
        session_id: UUID,
        *,
        last: int,
        upto: int | None = None,
        most_bytes: int | None = None,
        types: Sequence[str] = (),
        turn: str | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the newest events of one session, in order of sequence."""
        rows = await self._database.fetch(
            _STATEMENTS["read_newest"],
            {
                "session": session_id,
                "upto": _LAST_SEQUENCE if upto is None else upto,
                "limit": last,
                "bytes": _ANY_SIZE if most_bytes is None else most_bytes,
                "types": list(types),
                "turn": turn,
            },
            planned_anew=True,
        )
        return [stored_event(*row) for row in reversed(rows)]

    async def newest_before(
        self, sequences: Mapping[UUID, int], types: Sequence[str]
    ) -> Mapping[UUID, StoredEvent]:
        """Return the newest event of some types before a sequence of each of some sessions."""
        values = {
            "sessions": list(sequences),
            "before": list(sequences.values()),
            "types": list(types),
        }
        rows = await self._database.fetch(_STATEMENTS["newest_before"], values, planned_anew=True)
        return {event.session_id: event for event in (stored_event(*row) for row in rows)}

    async def key_writes(
        self, session_id: UUID, key: str, *, before: int | None = None, limit: int
    ) -> Sequence[StoredEvent]:
        """Return the events of one session that set or delete a key, newest first."""
        rows = await self._database.fetch(
            _STATEMENTS["key_writes"],
            {
                "session": session_id,
                "key": key,
                "types": list(WRITER_NAMES),
                "fields": list(SETTING_FIELDS),
                "before": _LAST_SEQUENCE if before is None else before,
                "limit": limit,
            },
        )
        return [stored_event(*row) for row in rows]

    async def read_all(
        self,
        *,
        after: int,
        upto: int,
        limit: int,
        most_bytes: int | None = None,
        types: Sequence[str] = (),
        app: str | None = None,
        user: str | None = None,
    ) -> FeedPage:
        """Return events of all sessions and the head of the log."""
        most_bytes = _ANY_SIZE if most_bytes is None else most_bytes
        if types or app is not None or user is not None:
            head = await self.head()
            wanted = EventFilter(tuple(types), app, user)
            page = await self.read_owned(
                after=after, upto=min(upto, head), limit=limit, most_bytes=most_bytes, wanted=wanted
            )
            return FeedPage([event.stored for event in page.events], page.reached, head)
        values = {"after": after, "upto": upto, "limit": limit, "bytes": most_bytes}
        rows = await self._database.fetch(_STATEMENTS["read_all"], values)
        head = rows[0][0]
        found = sorted([row[1:] for row in rows if row[1] is not None], key=_POSITION)
        events = [stored_event(*row[:6]) for row in found]
        end = max(min(upto, head), after)
        if _is_full(found, limit, most_bytes):
            end = events[-1].position
        return FeedPage(events, end, head)

    async def read_owned(
        self, *, after: int, upto: int, limit: int, most_bytes: int, wanted: EventFilter
    ) -> OwnedPage:
        """Return wanted events with their owners."""
        values = {
            "after": after,
            "upto": upto,
            "limit": limit,
            "bytes": most_bytes,
            "all": not wanted.types,
            "exact": wanted.exact,
            "prefixes": wanted.prefixes,
            "app": wanted.app,
            "user": wanted.user,
        }
        rows = await self._database.fetch(_STATEMENTS["read_owned"], values, planned_anew=True)
        events = [OwnedEvent(stored_event(*row[:6]), row[6], row[7]) for row in rows]
        is_full = _is_full(rows, limit, most_bytes)
        return OwnedPage(events, events[-1].stored.position if is_full else max(upto, after))

    async def left_of_erased(self, positions: Sequence[int]) -> Mapping[int, bytes]:
        """Return what is left of the events that are erased, or are said to be and soon will."""
        values = {"positions": list(positions)}
        return dict(await self._database.fetch(_STATEMENTS["left_of_erased"], values))

    async def head(self) -> int:
        """Return the newest position."""
        rows = await self._database.fetch(_STATEMENTS["head"], {})
        return int(rows[0][0])

    async def changed_since(self, position: int) -> tuple[int, Mapping[UUID, int]]:
        """Return the newest position and the sessions that changed since another one."""
        rows = await self._database.fetch(_STATEMENTS["changed_since"], {"after": position})
        head = int(rows[0][0])
        return head, {session: sequence for _, session, sequence in rows if session is not None}


def _is_full(rows: Sequence[tuple[Any, ...]], limit: int, most_bytes: int) -> bool:
    """Return whether a page ends because it is full, by the sizes as they are stored.

    Args:
        rows: Of the page; the size of all records so far comes last in each.
        limit: The most events.
        most_bytes: The page ends with the event whose record reaches so many bytes in all.
    """
    return bool(rows) and (len(rows) == limit or rows[-1][-1] >= most_bytes)
