"""The log in memory: it waits for nothing, so what is between two awaits is one transaction."""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from uuid import UUID

from application.errors import (
    KeysTaken,
    SessionHeld,
    SignaturesSeen,
    StaleScope,
    VersionConflict,
)
from application.ports.clock import Clock
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
from domain.errors import Erased
from domain.log.erased_records import ERASING, erased_hash, left_of
from domain.session.content.key_writes import WRITER_NAMES, recorded_key_writes
from infrastructure.memory.log.bounds import is_full, within
from infrastructure.memory.tables import KeptAnswer, Listed, SharedValue, Tables
from infrastructure.records.codec import JsonCodec
from infrastructure.records.joined_lines import joined

Committed = Callable[[int], None]
_NOBODY = UUID(int=0)


class MemoryEventLog:
    """The log; see `application.ports.log.event_log.EventLog`.

    Args:
        tables: What it shares with the read models.
        committed: Called with the newest position after each append.
        clock: Tells which leases have run out.
    """

    def __init__(self, tables: Tables, committed: Committed, clock: Clock) -> None:
        self._clock = clock
        self._tables = tables
        self._committed = committed
        self._codec = JsonCodec()

    async def append(self, append: Append) -> int:
        """Add an append and its companions, as the port `EventLog` has it."""
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
        here_before = frozenset(
            signed.hashed
            for one in streams
            for signed in one.signatures
            if tables.signatures.get(signed.hashed, (signed.request,))[0] != signed.request
        )
        if here_before:
            raise SignaturesSeen(here_before)
        for one in streams:
            head = len(tables.logs.get(one.session_id, ()))
            if one.events and head != one.before:
                raise VersionConflict(None, session_id=str(one.session_id), head=head)
            listed = tables.listed.get(one.session_id)
            if one.events and listed and listed.held and not one.by_import:
                raise SessionHeld(listed.held)
            origin = tables.listed.get(one.row.forked_from or _NOBODY) if one.row else None
            if not one.before and origin and origin.row.status == "erased":
                raise Erased("the session that it was to be a fork of is erased")
        for one in streams:
            for scope_id, expected in one.expected_scopes:
                if tables.version(scope_id) != expected:
                    raise StaleScope(None, head=tables.version(scope_id))
        if any(
            one.events and not one.before and one.row is None and one.of_session for one in streams
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
        elif append.events and append.of_session:
            row = append.row or replace(tables.listed[session].row, activity=append.activity)
            tables.let_go(session, row, self._clock.now())
            if append.hold:
                row = replace(row, due_at=None)
            tables.listed[session] = Listed(row, append.at, append.hold)
        for key in append.keys:
            # One without events of its own keeps the position that it was given.
            own = key.sequence > before
            position = base + key.sequence - before if own else key.position
            stored_answer = replace(key, position=position)
            tables.answers[key.scope, key.key] = KeptAnswer(stored_answer, append.at)
        for signed in append.signatures:
            tables.signatures[signed.hashed] = (signed.request, signed.until)
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
        return within(events, sys.maxsize if most_bytes is None else most_bytes)

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
        events = self._tables.logs.get(session_id, [])[after:upto][:limit]
        return joined(within(events, most_bytes))

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
        listed = self._tables.listed.get(session_id)
        if listed is None:
            return None
        log = self._tables.logs[session_id]
        wanted = [event for event in log[after:upto] if not types or event.type in types][:limit]
        events = within(wanted, most_bytes)
        end = max(min(upto, len(log)), after)
        if is_full(events, limit, most_bytes):
            end = events[-1].sequence
        return SessionPage(events, end, len(log), not listed.is_live)

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
        wanted = [
            event
            for event in self._tables.logs.get(session_id, [])[:upto]
            if (not types or event.type in types)
            and (turn is None or self._codec.from_json(event.record).get("turn_id") == turn)
        ]
        newest = wanted[::-1][:last]
        return within(newest, sys.maxsize if most_bytes is None else most_bytes)[::-1]

    async def newest_before(
        self, sequences: Mapping[UUID, int], types: Sequence[str]
    ) -> Mapping[UUID, StoredEvent]:
        """Return the newest event of some types before a sequence of each of some sessions."""
        return {
            event.session_id: event
            for session_id, before in sequences.items()
            for event in self._tables.logs.get(session_id, [])[: max(before - 1, 0)]
            if event.type in types
        }

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
        most_bytes: int | None = None,
        types: Sequence[str] = (),
        app: str | None = None,
        user: str | None = None,
    ) -> FeedPage:
        """Return events of all sessions and the head of the log."""
        most_bytes = sys.maxsize if most_bytes is None else most_bytes
        wanted = EventFilter(tuple(types), app, user)
        head = len(self._tables.events)
        page = await self.read_owned(
            after=after, upto=min(upto, head), limit=limit, most_bytes=most_bytes, wanted=wanted
        )
        return FeedPage([event.stored for event in page.events], page.reached, head)

    async def read_owned(
        self, *, after: int, upto: int, limit: int, most_bytes: int, wanted: EventFilter
    ) -> OwnedPage:
        """Return wanted events with their owners."""
        owned: list[OwnedEvent] = []
        size = 0
        for event in self._tables.events[after:upto]:
            found = OwnedEvent(event, *self._tables.owner(event.session_id))
            if wanted.takes(found):
                owned.append(found)
                size += len(event.record)
                if len(owned) == limit or size >= most_bytes:
                    return OwnedPage(owned, event.position)
        return OwnedPage(owned, max(upto, after))

    async def left_of_erased(self, positions: Sequence[int]) -> Mapping[int, bytes]:
        """Return what is left of the events that are erased, or are said to be and soon will."""
        left: dict[int, bytes] = {}
        for position in positions:
            event = self._tables.events[position - 1]
            later = self._tables.logs[event.session_id][event.sequence :]
            if erased_hash(event.record) is not None:
                left[position] = event.record
            elif any(one.type in ERASING for one in later):
                at = self._codec.from_json(event.record).get("at")
                left[position] = left_of(event.record, event.type, at)
        return left

    async def head(self) -> int:
        """Return the newest position."""
        return len(self._tables.events)

    async def changed_since(self, position: int) -> tuple[int, Mapping[UUID, int]]:
        """Return the newest position and the sessions that changed since another one."""
        events = self._tables.events
        return len(events), {event.session_id: event.sequence for event in events[position:]}
