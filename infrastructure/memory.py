"""The store in memory: what Postgres promises, for tests that need no database.

Nothing here waits for anything, so whatever is between two awaits is one transaction.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate
from operator import attrgetter
from uuid import UUID

from application.errors import KeysTaken, VersionConflict
from application.pieces import Streamed
from application.ports import (
    After,
    Append,
    ListedSession,
    SessionFilter,
    SessionOrder,
    SessionRow,
    SharedWrite,
    Store,
    StoredAnswer,
    StoredEvent,
)
from domain.session.state import Session
from infrastructure.clock import SystemClock
from infrastructure.codec import JsonCodec

Committed = Callable[[int], None]

_EXACTLY = ("app", "user", "workspace", "team", "scope", "agent", "status", "type", "starred")
_position = attrgetter("position")


@dataclass(slots=True)
class _SharedValue:
    position: int
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class _Listed:
    row: SessionRow
    updated_at: datetime


@dataclass(slots=True)
class _Tables:
    events: list[StoredEvent] = field(default_factory=list[StoredEvent])
    logs: dict[UUID, list[StoredEvent]] = field(default_factory=dict[UUID, list[StoredEvent]])
    listed: dict[UUID, _Listed] = field(default_factory=dict[UUID, _Listed])
    answers: dict[tuple[UUID, str], StoredAnswer] = field(
        default_factory=dict[tuple[UUID, str], StoredAnswer]
    )
    shared: dict[UUID, list[_SharedValue]] = field(default_factory=dict[UUID, list[_SharedValue]])


class MemoryStore(Store):
    """A new and empty store.

    Args:
        committed: Called with the newest position after each append.
    """

    def __init__(self, committed: Committed = lambda _: None) -> None:
        tables, clock = _Tables(), SystemClock()
        super().__init__(
            identity=str(clock.new_id()),
            log=MemoryEventLog(tables, committed),
            read_models=MemoryReadModels(tables),
            snapshots=MemorySnapshots(),
            codec=JsonCodec(),
            clock=clock,
            announcer=Silence(),
        )


class MemoryEventLog:
    """The log; see `application.ports.EventLog`.

    Args:
        tables: What it shares with the read models.
        committed: Called with the newest position after each append.
    """

    def __init__(self, tables: _Tables, committed: Committed) -> None:
        self._tables = tables
        self._committed = committed
        self._codec = JsonCodec()

    async def append(self, append: Append) -> int:
        """Add an append and return the position of its last event.

        Args:
            append: The events and the rows that go with them.

        Raises:
            VersionConflict: The session is not at `append.before`.
            KeysTaken: An idempotency key of it is already stored.
        """
        # Others may get in between deciding and writing, as they may on a real database.
        await asyncio.sleep(0)
        log = self._tables.logs.get(append.session_id, [])
        last = append.before + len(append.events)
        if append.events and len(log) >= last:
            stored = log[last - 1]
            # Asked again for what is already done, the answer is the same.
            if stored.digest == append.events[-1].digest:
                return stored.position
        answers = self._tables.answers
        repeated = frozenset(key.key for key in append.keys if (key.scope, key.key) in answers)
        if repeated:
            raise KeysTaken(repeated)
        if append.events and len(log) != append.before:
            raise VersionConflict(None, head=len(log))
        if append.events and not append.before and append.row is None:
            raise ValueError("the first append of a session needs a row")
        self._write(append)
        head = len(self._tables.events)
        self._committed(head)
        return head

    def _write(self, append: Append) -> None:
        tables, session, before = self._tables, append.session_id, append.before
        base = len(tables.events)
        for offset, event in enumerate(append.events, 1):
            stored = StoredEvent(session, before + offset, base + offset, *event)
            tables.events.append(stored)
            tables.logs.setdefault(session, []).append(stored)
        if append.events:
            row = append.row or tables.listed[session].row
            tables.listed[session] = _Listed(row, append.at)
        for key in append.keys:
            # One without events of its own keeps the position that it was given.
            own = key.sequence > before
            position = base + key.sequence - before if own else key.position
            tables.answers[key.scope, key.key] = replace(key, position=position)
        for write in append.shared:
            tables.shared.setdefault(write.scope_id, []).append(_shared_value(write, base))

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
        self, session_id: UUID, *, last: int, types: Sequence[str] = (), turn: str | None = None
    ) -> Sequence[StoredEvent]:
        """Return the newest events of one session, in order of sequence."""
        wanted = [
            event
            for event in self._tables.logs.get(session_id, [])
            if (not types or event.type in types)
            and (turn is None or self._codec.from_json(event.record).get("turn_id") == turn)
        ]
        return wanted[max(len(wanted) - last, 0) :]

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
        owners = SessionFilter(app=app, user=user)
        wanted = [
            event
            for event in self._tables.events[after:upto]
            if (not types or event.type in types)
            and _is_wanted(self._tables.listed[event.session_id], owners)
        ]
        return wanted[:limit]

    async def head(self) -> int:
        """Return the newest position."""
        return len(self._tables.events)

    async def changed_since(self, position: int) -> tuple[int, Mapping[UUID, int]]:
        """Return the newest position and the sessions that changed since another one."""
        events = self._tables.events
        return len(events), {event.session_id: event.sequence for event in events[position:]}


class MemoryReadModels:
    """Rows written with the events; see `application.ports.ReadModels`.

    Args:
        tables: What it shares with the log.
    """

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

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
            if not listed.row.deleted and _is_wanted(listed, where)
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

    async def answer(self, scope: UUID, key: str) -> StoredAnswer | None:
        """Return what a request with this idempotency key was answered."""
        return self._tables.answers.get((scope, key))

    async def shared_state(self, scope_id: UUID, *, at: int | None = None) -> Mapping[str, bytes]:
        """Return the keys of a shared scope."""
        history = self._tables.shared.get(scope_id, [])
        end = len(history) if at is None else bisect_right(history, at, key=_position)
        newest = {write.key: write.value for write in history[:end]}
        return {key: value for key, value in sorted(newest.items()) if value is not None}

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
        )


class MemorySnapshots:
    """Kept states; see `application.ports.SnapshotStore`."""

    def __init__(self) -> None:
        self._kept: dict[UUID, dict[int, Session]] = {}

    async def load(self, session_id: UUID, *, upto: int | None = None) -> Session | None:
        """Return the newest kept state."""
        kept = self._kept.get(session_id, {})
        sequences = [sequence for sequence in kept if upto is None or sequence <= upto]
        return kept[max(sequences)] if sequences else None

    async def save(self, session_id: UUID, session: Session) -> None:
        """Keep a state."""
        self._kept.setdefault(session_id, {})[session.sequence] = session


class Silence:
    """There is no other process to tell anything."""

    def announce(self, position: int) -> None:
        """Do nothing."""

    def announce_piece(self, session_id: UUID, piece: Streamed) -> None:
        """Do nothing."""


def _shared_value(write: SharedWrite, base: int) -> _SharedValue:
    return _SharedValue(base + write.offset + 1, write.key, write.value)


def _is_wanted(listed: _Listed, where: SessionFilter) -> bool:
    return all(_conditions(listed, where))


def _conditions(listed: _Listed, where: SessionFilter) -> Iterator[bool]:
    row = listed.row
    for name in _EXACTLY:
        wanted = getattr(where, name)
        if wanted is not None:
            yield getattr(row, name) == wanted
    if where.tag is not None:
        yield where.tag in row.tags
    if where.text is not None:
        yield row.title is not None and where.text.lower() in row.title.lower()
    if where.created_after is not None:
        yield row.created_at >= where.created_after
    if where.created_before is not None:
        yield row.created_at < where.created_before
    if where.updated_after is not None:
        yield listed.updated_at >= where.updated_after
    if where.updated_before is not None:
        yield listed.updated_at < where.updated_before
