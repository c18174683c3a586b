"""What the application needs of the world: the log, the codec, the read models and a clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from application.partials import Partial
from application.ports.events import EventFilter, OwnedEvent
from application.ports.leases import Leases, Presence
from application.ports.rows import (
    After,
    Append,
    DueSession,
    Envelope,
    KeyWrite,
    ListedSession,
    NewEvent,
    Orphan,
    Scope,
    ScopeVersion,
    SessionFilter,
    SessionOrder,
    SessionRow,
    SharedWrite,
    SortKey,
    StoredAnswer,
    StoredEvent,
)
from domain.catalogue import Event
from domain.session.events import Recorded
from domain.session.state import Session

__all__ = [
    "After",
    "Announcer",
    "Append",
    "Clock",
    "Codec",
    "Deadlines",
    "DueSession",
    "Envelope",
    "EventLog",
    "KeyWrite",
    "ListedSession",
    "NewEvent",
    "Orphan",
    "ReadModels",
    "Scope",
    "ScopeVersion",
    "SessionFilter",
    "SessionOrder",
    "SessionRow",
    "SharedWrite",
    "SnapshotStore",
    "SortKey",
    "Store",
    "StoredAnswer",
    "StoredEvent",
]


class EventLog(Protocol):
    """The append-only log, ordered per session by sequence and over all by position."""

    async def append(self, append: Append) -> int:
        """Make an append and its companions durable, all or none.

        Returns:
            The position of its own last event; that of the one before it when it has none. Those
            of its companions' events follow directly, in the order of the companions.

        Raises:
            VersionConflict: A log is not at `before`, which is not asked of an append without
                events; the facts are its `session_id`, as a string, and its `head`.
            StaleScope: A shared scope is not at its expected version; `head` is the one it has.
            KeysTaken: An idempotency key of one of them is already stored.
            StoreUnavailable: The store cannot be reached; nothing was stored.
            OutcomeUnknown: The store was lost on the way and did not come back in time.
        """
        ...

    async def read(
        self,
        session_id: UUID,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int,
        most_bytes: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return events of one session in order of sequence, `after` excluded, `upto` included.

        With `most_bytes` it ends with the event whose record reaches so many bytes in all.
        """
        ...

    async def read_newest(
        self,
        session_id: UUID,
        *,
        last: int,
        upto: int | None = None,
        types: Sequence[str] = (),
        turn: str | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the newest `last` events of one session, `upto` included, in order of sequence."""
        ...

    async def key_writes(
        self, session_id: UUID, key: str, *, before: int | None = None, limit: int
    ) -> Sequence[StoredEvent]:
        """Return the events of one session that set or delete a key of its state, newest first.

        Args:
            session_id: Whose log.
            key: As events name it; which events do is said by `domain/session/key_writes.py`.
            before: Only events with a lower sequence; None is from the newest.
            limit: The most events.
        """
        ...

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
        """Return events of all sessions in order of position, `after` excluded, `upto` included."""
        ...

    async def read_owned(
        self, *, after: int, upto: int, limit: int, most_bytes: int, wanted: EventFilter
    ) -> Sequence[OwnedEvent]:
        """Return wanted events with their owners by position, `after` excluded, `upto` included.

        It ends with the event whose record reaches `most_bytes` in all.
        """
        ...

    async def head(self) -> int:
        """Return the newest position; 0 when the log is empty."""
        ...

    async def changed_since(self, position: int) -> tuple[int, Mapping[UUID, int]]:
        """Return the newest position, and the newest sequence of each session changed since."""
        ...


class ReadModels(Protocol):
    """Rows written in the same transaction as the events they follow from."""

    async def session(self, session_id: UUID) -> ListedSession | None:
        """Return a session's row, of a deleted one too."""
        ...

    async def sessions(
        self, where: SessionFilter, order: SessionOrder, after: After | None, limit: int
    ) -> Sequence[ListedSession]:
        """Return rows of sessions that are not deleted."""
        ...

    async def rows_older_than(self, version: int, limit: int) -> Sequence[tuple[UUID, int]]:
        """Return sessions, with their sequence, whose row an older projection made.

        Args:
            version: Of the projection.
            limit: The most sessions.
        """
        ...

    async def replace_row(self, session_id: UUID, sequence: int, row: SessionRow) -> None:
        """Put another row in the place of one that an older projection made.

        Args:
            session_id: Whose.
            sequence: Where the session stood when the row was made: if it has moved on since, its
                row is left as it is.
            row: The new one.
        """
        ...

    async def living_children(self, parent_id: UUID) -> Sequence[UUID]:
        """Return the children of a session that have not ended, whatever it knows of them."""
        ...

    async def answer(self, scope: UUID, key: str) -> StoredAnswer | None:
        """Return what a request with this idempotency key was answered."""
        ...

    async def shared_with(
        self, session_id: UUID, scope_ids: Sequence[UUID]
    ) -> tuple[int, Mapping[str, bytes]]:
        """Return the sequence of a session and the keys of shared scopes, all of one moment.

        Args:
            session_id: Which session; one that there is not is at 0.
            scope_ids: Of the scopes, whose keys do not overlap.
        """
        ...

    async def scope(self, scope_id: UUID, *, at: int | None = None) -> Scope:
        """Return the version and the keys of a shared scope, both of one moment.

        Args:
            scope_id: Of the scope.
            at: A position: as it was then; None is now.
        """
        ...

    async def key_history(
        self, scope_id: UUID, key: str, *, before: int | None = None, limit: int
    ) -> Sequence[KeyWrite]:
        """Return the writes to a key of a shared scope, newest first.

        Args:
            scope_id: Of the scope.
            key: With its prefix.
            before: Only writes at a lower position; None is from the newest.
            limit: The most writes.
        """
        ...

    async def forget_answers(self, older_than: timedelta, limit: int) -> int:
        """Forget what the oldest requests with an idempotency key were answered.

        Args:
            older_than: Only those kept for longer than this, by the clock of the store.
            limit: The most to forget at once.

        Returns:
            How many were forgotten; fewer than `limit` when none is left.
        """
        ...


class Deadlines(Protocol):
    """What is to happen to sessions by itself, by the one clock that all processes share."""

    async def now(self) -> datetime:
        """Return the time by that clock, UTC."""
        ...

    async def due(self, limit: int) -> Sequence[DueSession]:
        """Return sessions whose `due_at` has come, those due first first."""
        ...

    async def postpone(self, session_id: UUID, seen: datetime, until: datetime | None) -> None:
        """Have a session due at another time, unless it has changed meanwhile.

        It changes the row only and no event says so: the next row written with events overrules it.

        Args:
            session_id: Which.
            seen: Its `due_at` as it was found; with another one it is left alone.
            until: When then; None is never.
        """
        ...

    async def hasten(self, within: float) -> None:
        """Have sessions due now in which a turn runs, and whose time is further off than it can be.

        Their rows were written while the timers were others.

        Args:
            within: Seconds after its newest event within which such a session is due.
        """
        ...

    async def next_due(self) -> float | None:
        """Return the seconds until a session is due, 0 when one is; None when none ever is."""
        ...

    async def orphans(self, limit: int) -> Sequence[Orphan]:
        """Return sessions that should have ended with their parent, or whose parent is missing."""
        ...


class SnapshotStore(Protocol):
    """Folded states kept so that a cold session need not be folded from its first event."""

    async def load(self, session_id: UUID, *, upto: int | None = None) -> Session | None:
        """Return the newest kept state at or before `upto`; None when there is none of use."""
        ...

    async def sequences(self, session_id: UUID) -> Sequence[int]:
        """Return the sequences of all kept states that `load` would give."""
        ...

    async def save(self, session_id: UUID, session: Session) -> None:
        """Keep a state."""
        ...


class Codec(Protocol):
    """Between events and the bytes of their records."""

    def encode(self, event: Event, envelope: Envelope) -> tuple[str, bytes]:
        """Return the stored type and record of an event."""
        ...

    def decode(self, stored: StoredEvent) -> Recorded:
        """Return the event of a record, of an older version or an unknown type too."""
        ...

    def to_json(self, value: Any) -> bytes:
        """Return a value as UTF-8 JSON."""
        ...

    def from_json(self, raw: bytes | str) -> Any:
        """Return the value of a JSON text."""
        ...


class Clock(Protocol):
    """Time and new ids."""

    def now(self) -> datetime:
        """Return the time, UTC."""
        ...

    def new_id(self) -> UUID:
        """Return a new UUIDv7."""
        ...


class Announcer(Protocol):
    """Tells other processes that the log has grown."""

    def announce(self, position: int) -> None:
        """Say that the log has reached a position; returns at once."""
        ...

    def announce_piece(self, session_id: UUID, piece: Partial) -> None:
        """Pass a piece of a message that is still being streamed; returns at once, may be lost."""
        ...


@dataclass(frozen=True, slots=True)
class Store:
    """All that is kept, behind its ports.

    Args:
        identity: A UUID made with the database: another one is another log.
    """

    identity: str
    log: EventLog
    read_models: ReadModels
    deadlines: Deadlines
    leases: Leases
    presence: Presence
    snapshots: SnapshotStore
    codec: Codec
    clock: Clock
    announcer: Announcer = field(repr=False)
