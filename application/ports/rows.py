"""What goes into the log and the read models, and what comes out of them: plain rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID


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
    """What lists filter, sort and show of a session, and when it next needs the clock.

    Args:
        doc: The JSON object that clients see, less what every event changes (sequence, position
            and `updated_at`, which are columns).
        turn_id: The turn that runs.
        failure_kind: What kind of failure it has, of the last stop or of the last start.
        failure_summary: The failure, for people.
        stalled: Its turn is silent or runs for too long.
        unhealthy: Whoever runs its agent said last that the process is not well.
        parent_id: The session that spawned it.
        root_id: The first of its ancestors; None for one that has no parent.
        forked_from: The session of whose history it is a copy.
        auto_stop: It ends with its parent.
        due_at: The earliest time at which something is to happen to it by itself.
        projected_with: The version of the projection that made it.
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
    badge: str = "unknown"
    turn_id: str | None = None
    failure_kind: str | None = None
    failure_summary: str | None = None
    stalled: bool = False
    unhealthy: bool = False
    parent_id: UUID | None = None
    root_id: UUID | None = None
    forked_from: UUID | None = None
    auto_stop: bool = False
    due_at: datetime | None = None
    projected_with: int = 0

    @property
    def live_parent(self) -> UUID | None:
        """Its parent, as long as it has not ended."""
        ended = self.deleted or self.status == "stopped"
        return None if ended else self.parent_id


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session as a list finds it.

    What the fields mean is told at `SessionRow`.
    """

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
    turn_id: str | None = None
    failure_kind: str | None = None
    failure_summary: str | None = None
    stalled: bool = False
    unhealthy: bool = False
    projected_with: int = 0


@dataclass(frozen=True, slots=True)
class SharedWrite:
    """One `app:` or `user:` key that an event of the append sets or, with value None, deletes.

    `offset` is the index of the event in its append; `value` is JSON.
    """

    scope_id: UUID
    key: str
    value: bytes | None
    offset: int


class ScopeOwner(NamedTuple):
    """Whose shared scope it is: an app's, or with a user that of one user of it."""

    app: str
    user: str | None


class ScopeVersion(NamedTuple):
    """How far a shared scope has come: the position of the newest write to it, 0 before any."""

    scope_id: UUID
    version: int


class Scope(NamedTuple):
    """A shared scope at one moment: its version, and its keys as JSON."""

    version: int
    values: Mapping[str, bytes]


class KeyWrite(NamedTuple):
    """One write to a key of a shared scope.

    Args:
        position: Of the event that wrote it.
        session_id: In whose log that event is.
        sequence: In that log.
        value: JSON; None when the key was deleted.
        at: UTC.
        actor: Who asked.
    """

    position: int
    session_id: UUID
    sequence: int
    value: bytes | None
    at: datetime
    actor: str


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
        expected_scopes: The versions that shared scopes must have, or the append is refused.
        companions: Appends to other logs that are written or refused together with this one, each
            to a log of its own and without companions of its own.
        scope: Whose shared scope the log belongs to, which has no list row; None for a session's.
    """

    session_id: UUID
    before: int
    events: Sequence[NewEvent]
    at: datetime
    row: SessionRow | None = None
    shared: Sequence[SharedWrite] = ()
    keys: Sequence[StoredAnswer] = ()
    expected_scopes: Sequence[ScopeVersion] = ()
    companions: Sequence["Append"] = ()
    scope: ScopeOwner | None = None

    @property
    def streams(self) -> tuple["Append", ...]:
        """This append and its companions, in the order of their positions.

        Raises:
            ValueError: Two are to one log, or a companion has companions.
        """
        if not self.companions:
            return (self,)
        together = (self, *self.companions)
        if len({one.session_id for one in together}) < len(together):
            raise ValueError("two appends to one log cannot be companions")
        if any(companion.companions for companion in self.companions):
            raise ValueError("a companion has no companions of its own")
        return together


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
    badge: str | None = None
    parent: UUID | None = None
    root: UUID | None = None
    forked_from: UUID | None = None


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


class DueSession(NamedTuple):
    """A session that needs the clock; `now` is what the store's clock said when it was found."""

    session_id: UUID
    sequence: int
    due_at: datetime
    now: datetime


class Orphan(NamedTuple):
    """A session that has outlived its parent; `parent_status` is None when there is no such one."""

    session_id: UUID
    parent_id: UUID
    parent_status: str | None
