"""The row of a session: what lists find it by and show of it, as an append writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

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
