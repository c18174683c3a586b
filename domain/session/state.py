"""What a session remembers in order to decide: small, immutable, made of one part per topic.

The transcript is not here: no rule reads it, and it would make every append cost more
(`transcript.py` folds it for those who read).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict
from uuid import UUID

from domain.permissions.grants import Grants
from domain.permissions.permission_rules import PermissionRules
from domain.persistent_map import PersistentMap
from domain.session.events import SessionCreated, SummaryAdded
from domain.session.work import Inputs, Interactions, TurnChanges, Turns
from domain.values import (
    Agent,
    Failure,
    JsonObject,
    Lineage,
    ModelChoice,
    ModelSwitching,
    Origin,
    Owner,
    SessionLimits,
    StopCause,
    StopReason,
)

Phase = Literal["absent", "starting", "active", "stopping", "stopped", "deleted", "erased"]
Status = Literal[
    "starting", "idle", "running", "waiting", "stopping", "stopped", "deleted", "erased"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """Why a session must be kept as it is, and since when."""

    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Where the session stands, and why it stops or stopped last."""

    phase: Phase = "absent"
    type: str = "user"
    owner: Owner = field(default_factory=lambda: Owner(app="", user=""))
    created: SessionCreated | None = None
    """How it began: asked for again, a session with the same beginning is already there."""
    created_at: datetime | None = None
    external_id: str | None = None
    activation: int = 1
    epoch: int = 0
    epoch_sequence: int = 0
    """The sequence of the event that raised the epoch last."""
    epoch_to: int = 0
    """The event that it went back to; 0 is before all of them, as a clear does."""
    stop_cause: StopCause | None = None
    stop_reason: StopReason | None = None
    stop_detail: str | None = None
    failure: Failure | None = None
    limits: SessionLimits = field(default_factory=SessionLimits)
    expires_at: datetime | None = None
    lineage: Lineage | None = None
    forked_from: Origin | None = None
    legal_hold: LegalHold | None = None


FORMAT = 17
"""The number of the form in which states are kept: raised with every change of their fields, and
whenever an event comes to mean another state."""

OLDEST_FORMAT = 16
"""The oldest form that still gives the right state. A new field with a default leaves it, if the
default is right for every log written so far; any other change raises it to `FORMAT`."""

MARKS = ("starred",)
"""What a session is or is not: fields of `Description`, shown in lists, and filters of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What lists show of a session."""

    title: str | None = None
    starred: bool = False
    tags: tuple[str, ...] = ()
    agent: Agent | None = None
    metadata: JsonObject = field(default_factory=dict[str, Any])
    models: PersistentMap[ModelChoice] = field(default_factory=PersistentMap[ModelChoice])
    summaries: PersistentMap[int] = field(default_factory=PersistentMap[int])
    summary: SummaryAdded | None = None
    summary_since: int = 0
    """The event with which it came to count; 0 when a fork began with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the agent may do without asking."""

    rules: PermissionRules = field(default_factory=PermissionRules)
    tool_approval: bool = False
    grants: Grants = field(default_factory=Grants)
    ceiling: PermissionRules | None = None
    """What the rules never exceed: those that narrowed a child, and forks of it."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counted over the whole session; cost is absent until a runtime reports one."""

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """How much was said in the conversation as it is now, and when the last was."""

    messages: int = 0
    last_at: datetime | None = None
    open_id: str | None = None
    """The id of the agent's message that was said last: more of it is not counted again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A spawned session that has not been reaped."""

    child_id: UUID
    role: str
    auto_stop: bool
    asked: str | None = None
    """The digest of the request that spawned it, until it ends: the same one is no new request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Who drives the session; whether the lease still holds is for the database clock to say."""

    lease_id: UUID
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The persona that the agent runs with; what it says is in the event at `sequence`."""

    digest: str
    name: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another agent that can be reached; what it is able to do is in the event at `sequence`."""

    peer_id: str
    display_name: str | None
    channel: str | None
    capabilities: str
    """Their digest: they may be large, and nothing is decided by what they say."""
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """The newest word of the place where the agent's tools run."""

    sandbox_id: str
    operation: str
    outcome: Literal["started", "completed", "failed"]
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What runs the agent, by its newest report; all that it says is in the event at `sequence`."""

    runtime_session_id: str | None
    name: str | None
    version: str | None
    switching: ModelSwitching
    offered: tuple[str, ...]
    """Every way in which an offered model can be named."""
    digest: str
    """Of the whole report."""
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether the running turn has stalled, and how the agent's process is."""

    stalled: str | None = None
    unhealthy: bool = False
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The state of one session after `sequence` events."""

    sequence: int = 0
    unrecognised: int = 0
    """The last event that this program does not know: a newer one knows more of this state."""
    begins_unread: bool = False
    """Whether a session began here with an event that this program cannot read."""
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    description: Description = field(default_factory=Description)
    totals: Totals = field(default_factory=Totals)
    messages: PersistentMap[int] = field(default_factory=PersistentMap[int])
    """The sequence at which each message id was added, by others than the agent."""
    said: PersistentMap[int] = field(default_factory=PersistentMap[int])
    """The sequence at which the agent first used each message id."""
    spoken: Spoken = field(default_factory=Spoken)
    turns: Turns = field(default_factory=Turns)
    interactions: Interactions = field(default_factory=Interactions)
    state: PersistentMap[Any] = field(default_factory=PersistentMap[Any])
    """The plain keys; `app:` and `user:` keys belong to their own scopes."""
    state_version: int = 0
    """The sequence of the last change of the plain keys."""
    policy: Policy = field(default_factory=Policy)
    inputs: Inputs = field(default_factory=Inputs)
    health: Health = field(default_factory=Health)
    attachment: Attachment | None = None
    profile: Profile | None = None
    sandbox: Sandbox | None = None
    runtime: Runtime | None = None
    peers: PersistentMap[Peer] = field(default_factory=PersistentMap[Peer])
    children: PersistentMap[Child] = field(default_factory=PersistentMap[Child])
    """Those that live."""

    @property
    def last_activity_at(self) -> datetime | None:
        """When the last message was said; while there is none, when the session began."""
        return self.spoken.last_at or self.lifecycle.created_at

    @property
    def status(self) -> Status:
        """What an operator sees at a glance."""
        match self.lifecycle.phase:
            case "active" if self.turns.running is None:
                return "idle"
            case "active":
                return "waiting" if self.interactions.pending else "running"
            case "starting" | "stopping" | "deleted" | "erased" as phase:
                return phase
            case _:
                return "stopped"


class Changes(TypedDict, total=False):
    """The parts of the state that an event changes."""

    unrecognised: int
    begins_unread: bool
    lifecycle: Lifecycle
    description: Description
    totals: Totals
    messages: PersistentMap[int]
    said: PersistentMap[int]
    turns: Turns
    running: TurnChanges
    """Of the turn that runs, in `turns` if these are changed too."""
    interactions: Interactions
    state: PersistentMap[Any]
    state_version: int
    policy: Policy
    inputs: Inputs
    health: Health
    attachment: Attachment | None
    profile: Profile | None
    sandbox: Sandbox | None
    runtime: Runtime | None
    peers: PersistentMap[Peer]
    children: PersistentMap[Child]


ABSENT = Session()
"""The state before the first event."""
