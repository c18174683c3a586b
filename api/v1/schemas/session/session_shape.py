"""What clients see of a session: in lists, by itself and in snapshots."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.v1.schemas.base import JsonMap, Position, Sequence, Shape
from api.v1.schemas.session.session_health import AttachedTo, AttachExpiresAt, SessionHealth
from domain.badges import Badge
from domain.permissions.permission_rules import Mode
from domain.session.state import Status
from domain.values import StopCause, StopReason


class SessionAgent(Shape):
    """Who answers."""

    name: str
    provider: str | None
    model: str | None
    reasoning_effort: str | None


class SessionUsage(Shape):
    """Counted over the whole session."""

    input_tokens: Annotated[int, Field(ge=0)]
    output_tokens: Annotated[int, Field(ge=0)]
    cost: float | None


class Stop(Shape):
    """Why the session stopped last."""

    cause: StopCause
    reason: StopReason
    detail: str | None


class SessionFailure(Shape):
    """Why the session failed."""

    kind: str
    summary: str | None
    bundle: Annotated[str | None, Field(description="where its runtime has put more of it")]


class SessionRules(Shape):
    """What decides about tool calls."""

    mode: Mode
    allow: list[str]
    ask: list[str]
    deny: list[str]


class EffectiveLimits(Shape):
    """What the session may use; null is as the server has it."""

    queued_inputs: int | None
    input_bytes: int | None
    turn_seconds: int | None
    children: int | None
    depth: int | None
    iterations: int | None
    consecutive_tool_calls: int | None


class SessionModel(Shape):
    """The model that an agent answers with instead of its own."""

    model: str
    provider: str | None
    reasoning_effort: str | None


class SessionSummary(Shape):
    """The newest summary; its text is in the log."""

    summary_id: str
    first_kept: str | None
    tokens: int | None


class SessionInputs(Shape):
    """How much waits."""

    generation: Annotated[int, Field(ge=0)]
    pending: Annotated[int, Field(ge=0)]


class LegalHold(Shape):
    """Why a session must be kept as it is, and since when."""

    reason: str
    since: datetime


class SessionLineage(Shape):
    """Where a spawned session comes from."""

    parent_id: UUID
    root_id: UUID
    depth: Annotated[int, Field(ge=1)]
    role: str
    auto_stop: bool
    profile_digest: Annotated[
        str | None, Field(description="the persona of the parent when it spawned this one")
    ]


class SessionOrigin(Shape):
    """Of which session it is a fork, and after which event."""

    session_id: UUID
    sequence: Annotated[int, Field(ge=1)]
    digest: str


class SessionProfile(Shape):
    """The persona that the agent runs with; its text is at `.../profile`."""

    digest: str
    name: str
    sequence: Sequence


class SessionSandbox(Shape):
    """The newest word of the place where the agent's tools run."""

    sandbox_id: str
    operation: str
    outcome: Literal["started", "completed", "failed"]
    sequence: Sequence


class SessionRuntime(Shape):
    """What runs the agent, by its newest report; all that it says is at `.../runtime`."""

    runtime_session_id: Annotated[
        str | None, Field(description="what the runtime itself calls the session")
    ]
    name: str | None
    version: str | None
    switching: Annotated[
        Literal["any", "offered", "none"],
        Field(description="which models an agent can be made to answer with"),
    ]
    sequence: Sequence


class Session(Shape):
    """What lists show of a session; `position` and `updated_at` are not in a snapshot."""

    id: UUID
    external_id: Annotated[str | None, Field(description="what its maker calls it")]
    status: Status
    type: str
    app: str
    user: str
    workspace: str | None
    team: str | None
    scope: str | None
    title: str | None
    starred: bool
    tags: list[str]
    agent: SessionAgent | None
    metadata: JsonMap
    turn_id: Annotated[str | None, Field(description="the running turn")]
    activation: Annotated[int, Field(ge=1)]
    epoch: Annotated[int, Field(ge=0)]
    turns: Annotated[int, Field(ge=0)]
    usage: SessionUsage
    stop: Stop | None
    failure: SessionFailure | None
    created_at: datetime
    last_activity_at: Annotated[
        datetime, Field(description="of the last message; without one, when it began")
    ]
    num_messages: Annotated[int, Field(ge=0, description="in the conversation as it is now")]
    current_tool: Annotated[
        str | None, Field(description="the tool that was called last and has not returned")
    ]
    badge: Badge
    permissions: SessionRules
    tool_approval: bool
    limits: EffectiveLimits
    models: Annotated[dict[str, SessionModel], Field(description="by agent")]
    summary: SessionSummary | None
    inputs: SessionInputs
    expires_at: datetime | None
    lineage: SessionLineage | None
    legal_hold: LegalHold | None
    forked_from: SessionOrigin | None
    live_children: Annotated[int, Field(ge=0)]
    stalled: Annotated[str | None, Field(description="why the running turn counts as stalled")]
    unhealthy: Annotated[bool, Field(description="the agent's process is said not to be well")]
    profile: SessionProfile | None
    sandbox: SessionSandbox | None
    runtime: SessionRuntime | None
    peers: Annotated[int, Field(ge=0)]
    sequence: Sequence
    position: Position = 0
    updated_at: datetime | None = None
    held: Annotated[
        Literal["import", "quarantine"] | None,
        Field(description="why nothing can be appended to it: see the page on imports"),
    ] = None


class LeasedSession(Session):
    """What lists show of a session, with who drives it now; that does not move the ETag."""

    attached_to: AttachedTo
    attach_expires_at: AttachExpiresAt
    attachable: Annotated[bool, Field(description="somebody may attach to it now")]
    health: Annotated[
        SessionHealth | None, Field(description="with `include_health=true`; `badge` is by it then")
    ] = None


class SessionPage(Shape):
    """A page of a list of sessions; with `attachable` it may be short, even empty."""

    sessions: list[LeasedSession]
    next_cursor: str | None


class SessionAnswer(Shape):
    """One session."""

    session: Session
    sequence: Sequence
    position: Position


class LeasedSessionAnswer(Shape):
    """One session, with who drives it."""

    session: LeasedSession
    sequence: Sequence
    position: Position


class SessionStatus(Shape):
    """The least that can be asked of a session."""

    session_id: UUID
    status: Status
    badge: Badge
    title: str | None
    agent: Annotated[str | None, Field(description="its name")]
    usage: SessionUsage
    num_messages: Annotated[int, Field(ge=0, description="in the conversation as it is now")]
    sequence: Sequence
    position: Position
    updated_at: datetime
