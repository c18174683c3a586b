"""What lists show of sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from application.ports.session.leases import Lease

NEVER = datetime.fromtimestamp(0, UTC)
"""The time of what has none, in columns that lists are sorted by."""


class Activity(NamedTuple):
    """What moves with most appends, and so is in columns that are written without the document.

    Args:
        last_activity_at: When the last message was said; without one, when the session began.
        num_messages: How many the conversation has.
        current_tool: The name of the tool that was called last and has not returned.
    """

    last_activity_at: datetime = NEVER
    num_messages: int = 0
    current_tool: str | None = None


NO_ACTIVITY = Activity()
Hold = Literal["import", "quarantine"]
"""Why nobody may append to a log: it is not complete yet, or it is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """What lists filter, sort and show of a session, and when it next needs the clock.

    Args:
        doc: The JSON object that clients see, less what most events change (sequence, position,
            `updated_at` and the activity, which are columns).
        activity: How much was said, when last, and which tool runs.
        external_id: What the client that made it calls it, unique within its app.
        facets: What its metadata says at the top, as text, by key: lists are filtered by it.
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
    marks: tuple[str, ...]
    tags: tuple[str, ...]
    created_at: datetime
    deleted: bool
    doc: str
    activity: Activity = NO_ACTIVITY
    external_id: str | None = None
    facets: Mapping[str, str] = field(default_factory=dict[str, str])
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
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


class ListedSession(NamedTuple):
    """A session as a list finds it, with the lease on it that is in force.

    What the other fields mean is told at `SessionRow`; `held` says why nobody may append to it.
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
    external_id: str | None = None
    agent: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    turn_id: str | None = None
    failure_kind: str | None = None
    failure_summary: str | None = None
    stalled: bool = False
    unhealthy: bool = False
    projected_with: int = 0
    activity: Activity = NO_ACTIVITY
    lease: Lease | None = None
    held: Hold | None = None

    @property
    def last_activity_at(self) -> datetime:
        """When the last message was said; without one, when the session began."""
        return self.activity.last_activity_at


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions to list; what is None does not matter.

    Args:
        first_id: With this id or a greater one.
        last_id: With this id or a smaller one.
        status: In one of these states; so with `badge` and `type`.
        facets: Whose metadata says all of this at its top.
        marked: That have all of these marks, of `domain.session.state.MARKS`.
        unmarked: That have none of these marks.
        roots: That no other session has spawned; False is only those that one has.
    """

    app: str | None = None
    user: str | None = None
    workspace: str | None = None
    team: str | None = None
    scope: str | None = None
    agent: str | None = None
    status: tuple[str, ...] | None = None
    type: tuple[str, ...] | None = None
    external_id: str | None = None
    facets: Mapping[str, str] | None = None
    roots: bool | None = None
    tag: str | None = None
    marked: tuple[str, ...] | None = None
    unmarked: tuple[str, ...] | None = None
    text: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    active_after: datetime | None = None
    active_before: datetime | None = None
    badge: tuple[str, ...] | None = None
    parent: UUID | None = None
    root: UUID | None = None
    forked_from: UUID | None = None
    first_id: UUID | None = None
    last_id: UUID | None = None


SortKey = Literal["last_activity_at", "updated_at", "created_at", "title"]


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


class SessionRows(Protocol):
    """The list rows of sessions, written in the transaction of the events they follow from."""

    async def session(self, session_id: UUID) -> ListedSession | None:
        """Return a session's row, of a deleted one too."""
        ...

    async def called(self, external_id: str, limit: int) -> Sequence[ListedSession]:
        """Return sessions with an external id by their apps, deleted ones too.

        Args:
            external_id: What clients call them.
            limit: The most sessions.
        """
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

    async def apps(self, limit: int) -> Sequence[str]:
        """Return the apps that have sessions which are not deleted, by name.

        Args:
            limit: The most apps.
        """
        ...

    async def living_children(self, parent_id: UUID) -> Sequence[UUID]:
        """Return the children of a session that have not ended, whatever it knows of them."""
        ...
