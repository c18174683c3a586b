"""The store in memory: what Postgres promises, for tests that need no database.

Nothing here waits for anything, so whatever is between two awaits is one transaction.
"""

import asyncio
import sys
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate
from operator import attrgetter
from uuid import UUID

from application.errors import KeysTaken, StaleScope, VersionConflict
from application.ports.events import EventFilter, OwnedEvent
from application.ports.store import (
    After,
    Append,
    Clock,
    KeyWrite,
    ListedSession,
    Scope,
    SessionFilter,
    SessionOrder,
    SessionRow,
    Store,
    StoredAnswer,
    StoredEvent,
)
from domain.session.key_writes import WRITER_NAMES, recorded_key_writes
from domain.session.state import Session
from infrastructure.clock import SystemClock
from infrastructure.codec import JsonCodec
from infrastructure.memory.deadlines import MemoryDeadlines
from infrastructure.memory.leases import MemoryLeases, MemoryPresence
from infrastructure.memory.tables import KeptAnswer, Listed, SharedValue, Tables, is_wanted
from infrastructure.null_announcer import NullAnnouncer

Committed = Callable[[int], None]

_position = attrgetter("position")


class MemoryStore(Store):
    """A new and empty store.

    Args:
        committed: Called with the newest position after each append.
        clock: Tells when sessions are due and answers old, among other things.
    """

    def __init__(
        self, committed: Committed = lambda _: None, *, clock: Clock | None = None
    ) -> None:
        tables, clock = Tables(), clock or SystemClock()
        super().__init__(
            identity=str(clock.new_id()),
            log=MemoryEventLog(tables, committed),
            read_models=MemoryReadModels(tables, clock),
            deadlines=MemoryDeadlines(tables, clock),
            leases=MemoryLeases(tables, clock),
            presence=MemoryPresence(tables, clock),
            snapshots=MemorySnapshots(),
            codec=JsonCodec(),
            clock=clock,
            announcer=NullAnnouncer(),
        )


class MemoryEventLog:
    """The log; see `application.ports.store.EventLog`.

    Args:
        tables: What it shares with the read models.
        committed: Called with the newest position after each append.
    """

    def __init__(self, tables: Tables, committed: Committed) -> None:
        self._tables = tables
        self._committed = committed
        self._codec = JsonCodec()

    async def append(self, append: Append) -> int:
        """Add an append and its companions; see `application.ports.store.EventLog.append`."""
        streams = append.streams
        # Others may get in between deciding and writing, as they may on a real database.
        await asyncio.sleep(0)
        earlier = self._written_earlier(streams)
        if earlier is not None:
            return earlier
        self._refuse_what_is_stale(streams)
        base = len(self._tables.events)
        for one in streams:
            self._write(one)
        self._committed(len(self._tables.events))
        return base + len(append.events)

    def _written_earlier(self, streams: Sequence[Append]) -> int | None:
        """Return where an append was written before: asked again, the answer is the same."""
        first = next((one for one in streams if one.events), None)
        if first is None:
            return None
        log, last = self._tables.logs.get(first.session_id, []), first.before + len(first.events)
        if len(log) < last or log[last - 1].digest != first.events[-1].digest:
            return None
        return log[last - 1].position - len(first.events) + len(streams[0].events)

    def _refuse_what_is_stale(self, streams: Sequence[Append]) -> None:
        tables = self._tables
        repeated = frozenset(
            key.key for one in streams for key in one.keys if (key.scope, key.key) in tables.answers
        )
        if repeated:
            raise KeysTaken(repeated)
        for one in streams:
            head = len(tables.logs.get(one.session_id, ()))
            if one.events and head != one.before:
                raise VersionConflict(None, session_id=str(one.session_id), head=head)
        for one in streams:
            for scope_id, expected in one.expected_scopes:
                if tables.version(scope_id) != expected:
                    raise StaleScope(None, head=tables.version(scope_id))
        if any(
            one.events and not one.before and one.row is None and one.scope is None
            for one in streams
        ):
            raise ValueError("the first append of a session needs a row")

    def _write(self, append: Append) -> None:
        tables, session, before = self._tables, append.session_id, append.before
        base = len(tables.events)
        for offset, event in enumerate(append.events, 1):
            stored = StoredEvent(session, before + offset, base + offset, *event)
            tables.events.append(stored)
            tables.logs.setdefault(session, []).append(stored)
        if append.scope is not None:
            tables.scope_owners[session] = append.scope
        elif append.events:
            row = append.row or tables.listed[session].row
            tables.let_go(session, row)
            tables.listed[session] = Listed(row, append.at)
        for key in append.keys:
            # One without events of its own keeps the position that it was given.
            own = key.sequence > before
            position = base + key.sequence - before if own else key.position
            stored_answer = replace(key, position=position)
            tables.answers[key.scope, key.key] = KeptAnswer(stored_answer, append.at)
        for write in sorted(append.shared, key=attrgetter("offset")):
            position, sequence = base + write.offset + 1, before + write.offset + 1
            tables.shared.setdefault(write.scope_id, []).append(
                SharedValue(position, session, sequence, write.key, write.value)
            )

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
        events = self._tables.logs.get(session_id, [])[after:upto][:limit]
        if most_bytes is None:
            return events
        sizes = accumulate((len(event.record) for event in events), initial=0)
        return [event for event, before in zip(events, sizes, strict=False) if before < most_bytes]

    async def read_newest(
        self,
        session_id: UUID,
        *,
        last: int,
        upto: int | None = None,
        types: Sequence[str] = (),
        turn: str | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the newest events of one session, in order of sequence."""
        wanted = [
            event
            for event in self._tables.logs.get(session_id, [])[:upto]
            if (not types or event.type in types)
            and (turn is None or self._codec.from_json(event.record).get("turn_id") == turn)
        ]
        return wanted[max(len(wanted) - last, 0) :]

    async def key_writes(
        self, session_id: UUID, key: str, *, before: int | None = None, limit: int
    ) -> Sequence[StoredEvent]:
        """Return the events of one session that set or delete a key, newest first."""
        end = None if before is None else max(before - 1, 0)
        wanted = [
            event
            for event in reversed(self._tables.logs.get(session_id, [])[:end])
            if event.type in WRITER_NAMES and self._writes(event, key)
        ]
        return wanted[:limit]

    def _writes(self, event: StoredEvent, key: str) -> bool:
        written = recorded_key_writes(self._codec.from_json(event.record)["data"])
        return key in written.set or key in written.delete

    async def read_all(
        self,
        *,
        after: int,
        upto: int,
        limit: int,
        types: Sequence[str] = (),
        app: str | None = None,
        user: str | None = None,
    ) -> Sequence[StoredEvent]:
        """Return events of all sessions in order of position."""
        wanted = EventFilter(tuple(types), app, user)
        owned = await self.read_owned(
            after=after, upto=upto, limit=limit, most_bytes=sys.maxsize, wanted=wanted
        )
        return [event.stored for event in owned]

    async def read_owned(
        self, *, after: int, upto: int, limit: int, most_bytes: int, wanted: EventFilter
    ) -> Sequence[OwnedEvent]:
        """Return wanted events with their owners by position."""
        owned: list[OwnedEvent] = []
        size = 0
        for event in self._tables.events[after:upto]:
            if len(owned) == limit or size >= most_bytes:
                break
            found = OwnedEvent(event, *self._tables.owner(event.session_id))
            if wanted.takes(found):
                owned.append(found)
                size += len(event.record)
        return owned

    async def head(self) -> int:
        """Return the newest position."""
        return len(self._tables.events)

    async def changed_since(self, position: int) -> tuple[int, Mapping[UUID, int]]:
        """Return the newest position and the sessions that changed since another one."""
        events = self._tables.events
        return len(events), {event.session_id: event.sequence for event in events[position:]}


class MemoryReadModels:
    """Rows written with the events; see `application.ports.store.ReadModels`.

    Args:
        tables: What it shares with the log.
        clock: Tells how old an answer is.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._codec = JsonCodec()

    async def session(self, session_id: UUID) -> ListedSession | None:
        """Return a session's row."""
        return self._show(session_id) if session_id in self._tables.listed else None

    async def sessions(
        self, where: SessionFilter, order: SessionOrder, after: After | None, limit: int
    ) -> Sequence[ListedSession]:
        """Return a page of rows."""
        wanted = [
            self._show(session_id)
            for session_id, listed in self._tables.listed.items()
            if listed.is_live and is_wanted(listed, where)
        ]

        def place(session: ListedSession) -> tuple[datetime | str, UUID]:
            return getattr(session, order.by) or "", session.session_id

        wanted.sort(key=place, reverse=order.descending)
        if after is not None:
            last = (after.value, after.session_id)
            wanted = [
                session
                for session in wanted
                if (place(session) < last if order.descending else place(session) > last)
            ]
        return wanted[:limit]

    async def rows_older_than(self, version: int, limit: int) -> Sequence[tuple[UUID, int]]:
        """Return sessions whose row an older projection made."""
        older = [
            (session_id, len(self._tables.logs[session_id]))
            for session_id, listed in self._tables.listed.items()
            if listed.row.projected_with < version
        ]
        return older[:limit]

    async def replace_row(self, session_id: UUID, sequence: int, row: SessionRow) -> None:
        """Put another row in the place of one that an older projection made."""
        listed = self._tables.listed[session_id]
        moved_on = len(self._tables.logs[session_id]) != sequence
        if not moved_on and listed.row.projected_with < row.projected_with:
            self._tables.listed[session_id] = replace(listed, row=row)

    async def living_children(self, parent_id: UUID) -> Sequence[UUID]:
        """Return the children of a session that have not ended."""
        return [
            session_id
            for session_id, listed in self._tables.listed.items()
            if listed.row.parent_id == parent_id
            and listed.is_live
            and listed.row.status != "stopped"
        ]

    async def answer(self, scope: UUID, key: str) -> StoredAnswer | None:
        """Return what a request with this idempotency key was answered."""
        kept = self._tables.answers.get((scope, key))
        return None if kept is None else kept.answer

    async def shared_with(
        self, session_id: UUID, scope_ids: Sequence[UUID]
    ) -> tuple[int, Mapping[str, bytes]]:
        """Return the sequence of a session and the keys of shared scopes."""
        log = self._tables.logs.get(session_id)
        values: dict[str, bytes] = {}
        for scope_id in scope_ids if log else ():
            values |= self._values(scope_id)
        return len(log or ()), values

    async def scope(self, scope_id: UUID, *, at: int | None = None) -> Scope:
        """Return the version and the keys of a shared scope."""
        return Scope(self._tables.version(scope_id, at), self._values(scope_id, at))

    def _values(self, scope_id: UUID, at: int | None = None) -> Mapping[str, bytes]:
        history = self._tables.shared.get(scope_id, [])
        end = len(history) if at is None else bisect_right(history, at, key=_position)
        newest = {write.key: write.value for write in history[:end]}
        return {key: value for key, value in sorted(newest.items()) if value is not None}

    async def key_history(
        self, scope_id: UUID, key: str, *, before: int | None = None, limit: int
    ) -> Sequence[KeyWrite]:
        """Return the writes to a key of a shared scope, newest first."""
        history: list[KeyWrite] = []
        for write in reversed(self._tables.shared.get(scope_id, [])):
            if write.key == key and (before is None or write.position < before):
                event = self._tables.events[write.position - 1]
                said = self._codec.from_json(event.record)
                at, actor = datetime.fromisoformat(said["at"]), said["actor"]
                history.append(
                    KeyWrite(
                        write.position, write.session_id, write.sequence, write.value, at, actor
                    )
                )
        return history[:limit]

    async def forget_answers(self, older_than: timedelta, limit: int) -> int:
        """Forget the oldest answers."""
        answers, end = self._tables.answers, self._clock.now() - older_than
        old = sorted((kept.at, key) for key, kept in answers.items() if kept.at < end)[:limit]
        for _, key in old:
            del answers[key]
        return len(old)

    def _show(self, session_id: UUID) -> ListedSession:
        listed, newest = self._tables.listed[session_id], self._tables.logs[session_id][-1]
        row = listed.row
        return ListedSession(
            session_id=session_id,
            sequence=newest.sequence,
            position=newest.position,
            digest=newest.digest,
            created_at=row.created_at,
            updated_at=listed.updated_at,
            status=row.status,
            app=row.app,
            user=row.user,
            doc=row.doc,
            title=row.title,
            turn_id=row.turn_id,
            failure_kind=row.failure_kind,
            failure_summary=row.failure_summary,
            stalled=row.stalled,
            unhealthy=row.unhealthy,
            projected_with=row.projected_with,
        )


class MemorySnapshots:
    """Kept states; see `application.ports.store.SnapshotStore`."""

    def __init__(self) -> None:
        self._kept: dict[UUID, dict[int, Session]] = {}

    async def load(self, session_id: UUID, *, upto: int | None = None) -> Session | None:
        """Return the newest kept state."""
        kept = self._kept.get(session_id, {})
        sequences = [sequence for sequence in kept if upto is None or sequence <= upto]
        return kept[max(sequences)] if sequences else None

    async def sequences(self, session_id: UUID) -> Sequence[int]:
        """Return the sequences of all kept states."""
        return sorted(self._kept.get(session_id, {}))

    async def save(self, session_id: UUID, session: Session) -> None:
        """Keep a state."""
        self._kept.setdefault(session_id, {})[session.sequence] = session
