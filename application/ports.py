"""What the application needs of the world: the log, the codec, the read models and a clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

from application.pieces import Streamed
from domain.session.events import Recorded, SessionEvent
from domain.session.state import Session


class StoredEvent(NamedTuple):
    """One row of the log.

    Args:
        session_id: Whose log.
        sequence: 1, 2, 3 ... in that session.
        position: 1, 2, 3 ... over all sessions, visible in this order.
        type: The stored name of the event.
        record: UTF-8 JSON, byte for byte what the digest covers.
        digest: 32 bytes.
    """

    session_id: UUID
    sequence: int
    position: int
    type: str
    record: bytes
    digest: bytes


class NewEvent(NamedTuple):
    """An event on its way into the log; it follows the ones before it in its append."""

    type: str
    record: bytes
    digest: bytes


class Envelope(NamedTuple):
    """What an event says about itself.

    Args:
        id: A new UUIDv7.
        at: UTC.
        actor: Who asked, such as `user:ada` or `system`.
        origin: The door it came through, such as `http`, `repair` or `import`.
        turn_id: The turn in which it happened.
        causation: Why: the id of the request or event that led to it.
        idempotency_key: As the client sent it.
    """

    id: UUID
    at: datetime
    actor: str
    origin: str
    turn_id: str | None = None
    causation: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """What lists filter, sort and show of a session.

    `doc` is the JSON object that clients see, less what every event changes (sequence, position
    and `updated_at`, which are columns).
    """

    app: str
    user: str
    workspace: str | None
    team: str | None
    scope: str | None
    agent: str | None
    type: str
    status: str
    title: str | None
    starred: bool
    tags: tuple[str, ...]
    created_at: datetime
    deleted: bool
    doc: str


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session as a list finds it."""

    session_id: UUID
    sequence: int
    position: int
    digest: bytes
    created_at: datetime
    updated_at: datetime
    status: str
    app: str
    user: str
    doc: str
    title: str | None


@dataclass(frozen=True, slots=True)
class SharedWrite:
    """One `app:` or `user:` key that an event of the append sets or, with value None, deletes.

    `offset` is the index of the event in its append; `value` is JSON.
    """

    scope_id: UUID
    key: str
    value: bytes | None
    offset: int


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request with an idempotency key was answered.

    `fingerprint` is the SHA-256 of that request; `answer` is JSON.
    """

    scope: UUID
    key: str
    fingerprint: bytes
    session_id: UUID
    sequence: int
    position: int
    answer: bytes


@dataclass(slots=True)
class Append:
    """Events that join the log of one session together, with all rows that go with them.

    Args:
        session_id: Whose log.
        before: The sequence it must have, or the append is refused.
        events: In order; may be empty when only idempotency keys are kept.
        at: The time of the last event, UTC.
        row: The list row, when what it shows has changed; None leaves it as it is.
        shared: Writes to the scopes that sessions share.
        keys: Answers to keep; their position counts from the append's first event (offset + 1).
    """

    session_id: UUID
    before: int
    events: Sequence[NewEvent]
    at: datetime
    row: SessionRow | None = None
    shared: Sequence[SharedWrite] = ()
    keys: Sequence[StoredAnswer] = ()


class EventLog(Protocol):
    """The append-only log, ordered per session by sequence and over all by position."""

    async def append(self, append: Append) -> int:
        """Make an append durable.

        Returns:
            The position of its last event; the newest of the log when it has no events.

        Raises:
            VersionConflict: The session is not at `append.before`; not asked without events.
            KeysTaken: An idempotency key of it is already stored.
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
        self, session_id: UUID, *, last: int, types: Sequence[str] = (), turn: str | None = None
    ) -> Sequence[StoredEvent]:
        """Return the newest `last` events of one session, in order of sequence."""
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

    async def head(self) -> int:
        """Return the newest position; 0 when the log is empty."""
        ...

    async def changed_since(self, position: int) -> tuple[int, Mapping[UUID, int]]:
        """Return the newest position, and the newest sequence of each session changed since."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions to list; what is None does not matter."""

    app: str | None = None
    user: str | None = None
    workspace: str | None = None
    team: str | None = None
    scope: str | None = None
    agent: str | None = None
    status: str | None = None
    type: str | None = None
    tag: str | None = None
    starred: bool | None = None
    text: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None


SortKey = Literal["updated_at", "created_at", "title"]


@dataclass(frozen=True, slots=True)
class SessionOrder:
    """How to sort a list; ties are broken by session id, in the same direction."""

    by: SortKey = "updated_at"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class After:
    """The last row of the page before: its sort value and its id."""

    value: datetime | str
    session_id: UUID


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

    async def answer(self, scope: UUID, key: str) -> StoredAnswer | None:
        """Return what a request with this idempotency key was answered."""
        ...

    async def shared_state(self, scope_id: UUID, *, at: int | None = None) -> Mapping[str, bytes]:
        """Return the keys of a shared scope, as JSON, now or as they were at a position."""
        ...


class SnapshotStore(Protocol):
    """Folded states kept so that a cold session need not be folded from its first event."""

    async def load(self, session_id: UUID, *, upto: int | None = None) -> Session | None:
        """Return the newest kept state at or before `upto`; None when there is none of use."""
        ...

    async def save(self, session_id: UUID, session: Session) -> None:
        """Keep a state."""
        ...


class Codec(Protocol):
    """Between events and the bytes of their records."""

    def encode(self, event: SessionEvent, envelope: Envelope) -> tuple[str, bytes]:
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

    def announce_piece(self, session_id: UUID, piece: Streamed) -> None:
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
    snapshots: SnapshotStore
    codec: Codec
    clock: Clock
    announcer: Announcer = field(repr=False)
