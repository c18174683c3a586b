"""Sessions as lists find them, and how a list is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from application.ports.session.leases import Lease
from application.ports.session.session_row import NO_ACTIVITY, Activity, Hold


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
