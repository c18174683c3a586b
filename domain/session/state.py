"""What a session remembers in order to decide: small, immutable, made of one part per topic.

The transcript is not here: no rule reads it, and it would make every append cost more
(`transcript.py` folds it for those who read).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict
from uuid import UUID

from domain.permission_rules import Grants, PermissionRules
from domain.persistent_map import PersistentMap
from domain.session.events import SessionCreated, SummaryAdded
from domain.values import (
    Agent,
    Failure,
    JsonObject,
    Lineage,
    Option,
    Origin,
    Owner,
    Part,
    SessionLimits,
    StopCause,
    StopReason,
    TurnSource,
    Usage,
)

Phase = Literal["absent", "starting", "active", "stopping", "stopped", "deleted"]
Overdue = Literal["activity_timeout", "prompt_deadline_exceeded"]
Status = Literal["starting", "idle", "running", "waiting", "stopping", "stopped", "deleted"]
TurnOutcome = Literal["completed", "failed", "cancelled"]
InputOutcome = Literal["dispatched", "steered", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Where the session stands, and why it stops or stopped last."""

    phase: Phase = "absent"
    type: str = "user"
    owner: Owner = field(default_factory=lambda: Owner(app="", user=""))
    created: SessionCreated | None = None
    """How it began: asked for again, a session with the same beginning is already there."""
    created_at: datetime | None = None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOverride:
    """The model that an agent answers with instead of its own."""

    model: str
    provider: str | None = None
    reasoning_effort: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What lists show of a session."""

    title: str | None = None
    starred: bool = False
    tags: tuple[str, ...] = ()
    agent: Agent | None = None
    metadata: JsonObject = field(default_factory=dict[str, Any])
    models: PersistentMap[ModelOverride] = field(default_factory=PersistentMap[ModelOverride])
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


@dataclass(frozen=True, slots=True)
class Totals:
    """Counted over the whole session; cost is absent until a runtime reports one."""

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call whose result has not come yet."""

    tool_call_id: str
    name: str
    input: Any
    title: str | None
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The running turn, its open tool calls, and the ids of the calls that have returned."""

    turn_id: str
    source: TurnSource
    started_at: datetime
    sequence: int
    open_calls: PersistentMap[ToolCall] = field(default_factory=PersistentMap[ToolCall])
    closed_calls: PersistentMap[bool] = field(default_factory=PersistentMap[bool])
    plan: tuple[JsonObject, ...] = ()
    usage: Usage | None = None
    active_at: datetime
    """The last sign of life."""
    noted_at: datetime
    """When it was last noted that the turn still runs."""
    overdue: Overdue | None = None
    """Why it was asked to end."""
    ends_at: datetime | None = None
    """When it is ended, if it was asked to end."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The running turn, and how each earlier one ended."""

    running: Turn | None = None
    ended: PersistentMap[TurnOutcome] = field(default_factory=PersistentMap[TurnOutcome])


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Input that waits for its turn, or with `steers` for a tool boundary of that turn."""

    input_id: str
    message_id: str
    parts: tuple[Part, ...]
    source: TurnSource
    sequence: int
    queued_at: datetime
    size: int
    meta: JsonObject | None = None
    steers: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What waits, of this generation only, and how the rest ended."""

    generation: int = 0
    waiting: PersistentMap[Input] = field(default_factory=PersistentMap[Input])
    message_ids: PersistentMap[str] = field(default_factory=PersistentMap[str])
    """The input that waits with each message id."""
    ended: PersistentMap[InputOutcome] = field(default_factory=PersistentMap[InputOutcome])
    size: int = 0
    """Bytes of all that waits."""

    def in_order(self) -> list[Input]:
        """Return what waits, the oldest first."""
        return sorted(self.waiting.values(), key=lambda one: one.sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A request that waits for its answer."""

    request_id: str
    kind: Literal["permission", "elicitation"] = "permission"
    turn_id: str | None = None
    options: tuple[Option, ...] = ()
    tool_call_id: str | None = None
    title: str | None = None
    tool: str | None = None
    arguments: JsonObject | None = None
    message: str | None = None
    schema: JsonObject | None = None
    url: str | None = None
    expires_at: datetime | None = None
    meta: JsonObject | None = None
    sequence: int
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Interactions:
    """What waits, and what each decided request was decided to be."""

    pending: PersistentMap[Interaction] = field(default_factory=PersistentMap[Interaction])
    decided: PersistentMap[str] = field(default_factory=PersistentMap[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A spawned session that has not been reaped."""

    child_id: UUID
    role: str
    auto_stop: bool
    asked: str | None = None
    """The digest of the request for it, until it has ended: another request is not for it."""


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
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    description: Description = field(default_factory=Description)
    totals: Totals = field(default_factory=Totals)
    messages: PersistentMap[int] = field(default_factory=PersistentMap[int])
    """The sequence at which each message id was added."""
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
    peers: PersistentMap[Peer] = field(default_factory=PersistentMap[Peer])
    children: PersistentMap[Child] = field(default_factory=PersistentMap[Child])
    """Those that live."""

    @property
    def status(self) -> Status:
        """What an operator sees at a glance."""
        match self.lifecycle.phase:
            case "active" if self.turns.running is None:
                return "idle"
            case "active":
                return "waiting" if self.interactions.pending else "running"
            case "starting" | "stopping" | "deleted" as phase:
                return phase
            case _:
                return "stopped"


class Changes(TypedDict, total=False):
    """The parts of the state that an event changes."""

    lifecycle: Lifecycle
    description: Description
    totals: Totals
    messages: PersistentMap[int]
    turns: Turns
    interactions: Interactions
    state: PersistentMap[Any]
    state_version: int
    policy: Policy
    inputs: Inputs
    health: Health
    attachment: Attachment | None
    profile: Profile | None
    sandbox: Sandbox | None
    peers: PersistentMap[Peer]
    children: PersistentMap[Child]


ABSENT = Session()
"""The state before the first event."""


def scope_of(key: str) -> Literal["app", "user", "temp", "session"]:
    """Return whose a state key is, by its prefix.

    Args:
        key: Such as `theme`, `app:model`, `user:name` or `temp:draft`.
    """
    prefix, found, _ = key.partition(":")
    if found and prefix in ("app", "user", "temp"):
        return prefix  # type: ignore[return-value]
    return "session"


def own_keys(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keys that belong to the session itself."""
    return {key: value for key, value in state.items() if scope_of(key) == "session"}
