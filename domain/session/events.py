"""The catalogue: everything that can happen to a session, topic by topic.

The name beside each class, its fields and its version are the public, stored contract. Never
rename one: a change of meaning gets a new name, or a new version with an upcaster
(`infrastructure/records/upcasters.py`). What an event says about itself (its id, time, actor, turn
and sequence) is in the envelope, `Recorded`, so that it is said once and the same way everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from domain.log.event_types import event
from domain.permissions.grants import Grants
from domain.permissions.permission_rules import PermissionRules
from domain.values import (
    Agent,
    ElicitationAction,
    Failure,
    Grant,
    JsonObject,
    Lineage,
    ModelChoice,
    ModelSwitching,
    OfferedModel,
    Option,
    Origin,
    Owner,
    Part,
    Role,
    SessionLimits,
    SessionType,
    StopCause,
    StopReason,
    ToolOutcome,
    TurnSource,
    Usage,
)

# ── lifecycle ────────────────────────────────────────────────────────────────────────────────


@event("session.created", version=2)
class SessionCreated:
    """A session began; `state` holds its first plain, `app:` and `user:` keys.

    One that is `starting` takes no turns until it is activated. One with `forked_from` begins with
    what the other session said and knew at that sequence. Its rules never exceed a `ceiling`; those
    of a spawned one never exceed its first `permissions`.
    """

    owner: Owner
    type: SessionType = "user"
    title: str | None = None
    tags: tuple[str, ...] = ()
    agent: Agent | None = None
    state: JsonObject = field(default_factory=dict[str, Any])
    metadata: JsonObject = field(default_factory=dict[str, Any])
    starting: bool | None = None
    permissions: PermissionRules | None = None
    grants: Grants | None = None
    limits: SessionLimits | None = None
    ttl_seconds: int | None = None
    lineage: Lineage | None = None
    forked_from: Origin | None = None
    ceiling: PermissionRules | None = None
    external_id: str | None = None
    tool_approval: bool | None = None


@event("session.activated")
class SessionActivated:
    """The agent of a starting session is up."""


@event("session.start_failed")
class SessionStartFailed:
    """The agent did not come up; the session stays visible, stopped."""

    failure: Failure


@event("session.stopping")
class SessionStopping:
    """The session stops as soon as its running turn has ended, and starts no other."""

    cause: StopCause
    reason: StopReason
    detail: str | None = None
    failure: Failure | None = None


@event("session.stopped")
class SessionStopped:
    """The session takes no more turns until it is resumed; the first cause is the one recorded."""

    cause: StopCause
    reason: StopReason
    detail: str | None = None
    failure: Failure | None = None


@event("session.resumed")
class SessionResumed:
    """A stopped session is active again, for the `activation`-th time, with its whole history.

    `crash` is what the last activation died of: it stays visible until the next stop.
    """

    activation: int
    starting: bool | None = None
    crash: Failure | None = None


@event("conversation.cleared")
class ConversationCleared:
    """The transcript begins anew; the log goes on, and every cursor stays good."""

    epoch: int


@event("conversation.rewound")
class ConversationRewound:
    """The transcript and the plain state keys are again what they were after event `to`.

    `messages` is how many there are again. `set` and `delete` are what that changes in the state;
    `summary` is the one that counts again, where that is not the one that counts now. A rewind of
    another framework changes the keys as that framework says, by the events right before this one.
    """

    to: int
    epoch: int
    messages: int = 0
    set: JsonObject = field(default_factory=dict[str, Any])
    delete: tuple[str, ...] = ()
    summary: "SummaryAdded | None" = None


@event("session.deleted")
class SessionDeleted:
    """A tombstone: the session is gone from every list; its log stays as evidence."""


@event("session.erased")
class SessionErased:
    """Everything before this event is erased, for good; nothing follows it.

    All that is left of a session is told here: its app, when it began, and why it was erased.
    `shared_keys` says what becomes of values in force that the session has given to `app:` and
    `user:` keys: `kept` ones are written anew in the log of their scope, `erased` ones deleted.
    """

    reason: str
    app: str
    began_at: datetime
    shared_keys: Literal["kept", "erased"] = "kept"


@event("legal_hold.set")
class LegalHoldSet:
    """The session must be kept as it is: it is not erased until it is released."""

    reason: str


@event("legal_hold.released")
class LegalHoldReleased:
    """The session need not be kept any longer."""

    reason: str


LifecycleEvent = (
    SessionCreated
    | SessionActivated
    | SessionStartFailed
    | SessionStopping
    | SessionStopped
    | SessionResumed
    | ConversationCleared
    | ConversationRewound
    | SessionDeleted
    | SessionErased
    | LegalHoldSet
    | LegalHoldReleased
)

# ── describing ───────────────────────────────────────────────────────────────────────────────


@event("session.renamed")
class SessionRenamed:
    """The title changed; None took it away."""

    title: str | None = None


@event("session.starred")
class SessionStarred:
    """Somebody marked the session."""


@event("session.unstarred")
class SessionUnstarred:
    """The mark was taken away."""


@event("session.tagged")
class SessionTagged:
    """The session has exactly these tags now."""

    tags: tuple[str, ...]


@event("usage.recorded")
class UsageRecorded:
    """Somebody counted outside a turn: the totals are these now, or these more (`add`)."""

    mode: Literal["set", "add"]
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None


@event("model.overridden")
class ModelOverridden:
    """An agent answers with this model until it is restored."""

    agent: str
    model: str
    provider: str | None = None
    reasoning_effort: str | None = None


@event("model.restored")
class ModelRestored:
    """An agent answers with its own model again."""

    agent: str


@event("summary.added")
class SummaryAdded:
    """What was said so far, in short; a prompt is the summary and the messages kept after it."""

    summary_id: str
    text: str
    first_kept: str | None = None
    tokens: int | None = None


DescriptionEvent = (
    SessionRenamed
    | SessionStarred
    | SessionUnstarred
    | SessionTagged
    | UsageRecorded
    | ModelOverridden
    | ModelRestored
    | SummaryAdded
)

# ── permissions ──────────────────────────────────────────────────────────────────────────────


@event("permissions.replaced")
class PermissionsReplaced:
    """These rules decide from now on, for the running turn too."""

    permissions: PermissionRules


@event("tool_approval.enabled")
class ToolApprovalEnabled:
    """Tools may be called without asking, but for those that a rule denies."""


@event("tool_approval.disabled")
class ToolApprovalDisabled:
    """Tools are asked for again."""


PolicyEvent = PermissionsReplaced | ToolApprovalEnabled | ToolApprovalDisabled

# ── messages ─────────────────────────────────────────────────────────────────────────────────


@event("message.added")
class MessageAdded:
    """A message joined the transcript, outside what an agent says in a turn."""

    message_id: str
    role: Role
    parts: tuple[Part, ...]
    author: str | None = None
    implicit: bool = False
    meta: JsonObject | None = None


@event("message.revised")
class MessageRevised:
    """An entry of the transcript says something else now; the log keeps what it said before.

    Of a tool call, `parts` are what it returned, and `input` is what it was called with; what is
    None stays as it was.
    """

    message_id: str
    parts: tuple[Part, ...] | None = None
    input: Any = None


MessageEvent = MessageAdded | MessageRevised

# ── turns ────────────────────────────────────────────────────────────────────────────────────


@event("turn.started")
class TurnStarted:
    """An agent was given input; nothing reaches it before this is durable."""

    turn_id: str
    source: TurnSource
    message_id: str
    parts: tuple[Part, ...]
    meta: JsonObject | None = None
    agent: str | None = None
    model: ModelChoice | None = None


@event("turn.completed")
class TurnCompleted:
    """The agent finished by itself."""

    turn_id: str
    stop_reason: str
    usage: Usage | None = None


@event("turn.failed")
class TurnFailed:
    """The turn broke."""

    turn_id: str
    failure: Failure


@event("turn.cancelled")
class TurnCancelled:
    """Somebody ended the turn, or the session stopped under it."""

    turn_id: str
    reason: str


@event("turn.progress_noted")
class TurnProgressNoted:
    """The turn still runs: so long in all, and so long without a sign of life."""

    turn_id: str
    elapsed_seconds: int
    idle_seconds: int


TurnEvent = TurnStarted | TurnCompleted | TurnFailed | TurnCancelled | TurnProgressNoted

# ── inputs ───────────────────────────────────────────────────────────────────────────────────


@event("input.queued")
class InputQueued:
    """Input waits for its turn, which will have the id of the input; it outlives every restart."""

    input_id: str
    message_id: str
    parts: tuple[Part, ...]
    source: TurnSource
    generation: int
    meta: JsonObject | None = None
    model: ModelChoice | None = None


@event("input.staged")
class InputStaged:
    """The input is to reach the agent within the running turn, at its next tool boundary."""

    input_id: str
    turn_id: str


@event("input.steered")
class InputSteered:
    """The input reached the agent within a turn; it is part of the transcript from here on."""

    input_id: str
    turn_id: str
    message_id: str
    parts: tuple[Part, ...]
    tool_call_id: str | None = None
    source: TurnSource | None = None
    meta: JsonObject | None = None


@event("input.dispatched")
class InputDispatched:
    """The input's own turn begins; `fallback` says that it was to steer one that ended first."""

    input_id: str
    fallback: bool | None = None


@event("input.edited")
class InputEdited:
    """The waiting input says something else now."""

    input_id: str
    parts: tuple[Part, ...]


@event("input.cancelled")
class InputCancelled:
    """The input will never run."""

    input_id: str
    reason: str


@event("inputs.fenced")
class InputsFenced:
    """What waited, waits no more: only input of this generation or a later one may run."""

    generation: int
    cancelled: tuple[str, ...] = ()


InputEvent = (
    InputQueued
    | InputStaged
    | InputSteered
    | InputDispatched
    | InputEdited
    | InputCancelled
    | InputsFenced
)

# ── inside a turn ────────────────────────────────────────────────────────────────────────────


@event("agent.message")
class AgentMessage:
    """The agent said something; pieces with the same `message_id` are one message."""

    parts: tuple[Part, ...]
    message_id: str | None = None
    meta: JsonObject | None = None


@event("agent.thought")
class AgentThought:
    """The agent showed its reasoning."""

    parts: tuple[Part, ...]
    message_id: str | None = None
    meta: JsonObject | None = None


@event("tool.called")
class ToolCalled:
    """The agent called a tool; the call is open until it has returned."""

    tool_call_id: str
    name: str
    input: Any = None
    title: str | None = None
    kind: str | None = None
    meta: JsonObject | None = None


@event("tool.progressed")
class ToolProgressed:
    """News of a tool call on its way."""

    tool_call_id: str
    title: str | None = None
    content: Any = None
    meta: JsonObject | None = None


@event("tool.returned")
class ToolReturned:
    """A tool call ended; one still open when its turn ends is closed with it, never left behind.

    The result of a call that was so closed may come in a later turn: `called_in_turn` is its own.
    """

    tool_call_id: str
    status: ToolOutcome = "completed"
    output: Any = None
    meta: JsonObject | None = None
    called_in_turn: str | None = None


@event("plan.updated")
class PlanUpdated:
    """The agent's plan is this now."""

    entries: tuple[JsonObject, ...]
    meta: JsonObject | None = None


@event("usage.reported")
class UsageReported(Usage):
    """What the turn has used since the last report."""

    meta: JsonObject | None = None


@event("runtime.notice")
class RuntimeNotice:
    """Something an operator may want to know."""

    level: str
    text: str
    meta: JsonObject | None = None


@event("agent.switched")
class AgentSwitched:
    """Another agent answers from here on."""

    agent: Agent
    reason: str | None = None
    meta: JsonObject | None = None


@event("context.compacted")
class ContextCompacted:
    """The agent replaced part of its context by a summary; the log is untouched."""

    summary: str | None = None
    meta: JsonObject | None = None


@event("runtime.event")
class RuntimeEvent:
    """Something of a kind that Cairn does not know, kept verbatim.

    With a `problem` it was refused as what it says it is: `data` is all of it, as it came, and the
    problem has the `code` and the `detail` of the refusal.
    """

    kind: str
    data: Any = None
    problem: JsonObject | None = None


ActivityEvent = (
    AgentMessage
    | AgentThought
    | ToolCalled
    | ToolProgressed
    | ToolReturned
    | PlanUpdated
    | UsageReported
    | RuntimeNotice
    | AgentSwitched
    | ContextCompacted
    | RuntimeEvent
)

# ── interactions ─────────────────────────────────────────────────────────────────────────────


@event("permission.requested")
class PermissionRequested:
    """The agent asks whether it may; known by its own id, never by that of the tool call."""

    request_id: str
    turn_id: str
    options: tuple[Option, ...]
    tool_call_id: str | None = None
    title: str | None = None
    tool: str | None = None
    arguments: JsonObject | None = None
    expires_at: datetime | None = None
    meta: JsonObject | None = None


@event("permission.decided")
class PermissionDecided:
    """The one answer to a request: an offered option, or why there will be none.

    `decision` is the kind of the option, `cancelled` or `timeout`; `grant` says how far it goes,
    and `arguments` with what the tool may be called, if not with those that were asked for.
    """

    request_id: str
    decision: str
    option_id: str | None = None
    reason: str | None = None
    grant: Grant | None = None
    arguments: JsonObject | None = None


@event("elicitation.requested")
class ElicitationRequested:
    """The agent asks for content of a form (`schema`), or for something done at a `url`."""

    request_id: str
    message: str
    turn_id: str | None = None
    schema: JsonObject | None = None
    url: str | None = None
    expires_at: datetime | None = None
    meta: JsonObject | None = None


@event("elicitation.answered")
class ElicitationAnswered:
    """The one answer: content that fits the schema, or none."""

    request_id: str
    action: ElicitationAction
    content: JsonObject | None = None
    reason: str | None = None


InteractionEvent = (
    PermissionRequested | PermissionDecided | ElicitationRequested | ElicitationAnswered
)

# ── state ────────────────────────────────────────────────────────────────────────────────────


@event("state.patched")
class StatePatched:
    """Keys were set and taken away; `app:` and `user:` keys are shared by other sessions."""

    set: JsonObject = field(default_factory=dict[str, Any])
    delete: tuple[str, ...] = ()


# ── lineage ──────────────────────────────────────────────────────────────────────────────────


@event("child.spawned")
class ChildSpawned:
    """A child session began, in the same transaction; `asked` is the digest of the request."""

    child_id: UUID
    role: str
    depth: int
    ttl_seconds: int
    auto_stop: bool
    agent: str
    asked: str | None = None


@event("child.reaped")
class ChildReaped:
    """A child is no more among the living: it ended, or was ended."""

    child_id: UUID
    reason: Literal["stopped", "deleted", "ttl_expired", "parent_stopped"]


@event("child.resumed")
class ChildResumed:
    """A child that had ended is among the living again."""

    child_id: UUID
    role: str
    auto_stop: bool


LineageEvent = ChildSpawned | ChildReaped | ChildResumed

# ── attachment ───────────────────────────────────────────────────────────────────────────────


@event("attachment.acquired")
class AttachmentAcquired:
    """Somebody drives the session, until the lease is released or runs out unrenewed."""

    lease_id: UUID
    holder: str
    expires_at: datetime


@event("attachment.released")
class AttachmentReleased:
    """The holder let go."""

    lease_id: UUID
    holder: str
    reason: str


AttachmentEvent = AttachmentAcquired | AttachmentReleased

# ── supervision ──────────────────────────────────────────────────────────────────────────────


@event("session.stalled")
class SessionStalled:
    """The running turn has shown no sign of life, or has run, for too long.

    With `ends_at` it is asked to end: if it still runs then, it fails and the session is stopped.
    """

    turn_id: str
    reason: Literal["inactivity", "activity_timeout", "prompt_deadline_exceeded"]
    idle_seconds: int
    ends_at: datetime | None = None


@event("session.unhealthy")
class SessionUnhealthy:
    """Whoever runs the agent says that its process is not well."""

    detail: str | None = None


@event("session.recovered")
class SessionRecovered:
    """A sign of life after a stall, or word that the process is well again."""

    after: Literal["stalled", "unhealthy"]


SupervisionEvent = SessionStalled | SessionUnhealthy | SessionRecovered

# ── repair ───────────────────────────────────────────────────────────────────────────────────


@event("session.repaired")
class SessionRepaired:
    """What a crash had left open was closed by the events right before this one.

    `report` says what was found and appended; of a very long one, the beginning.
    """

    repair_id: str
    report_digest: str
    report: JsonObject


# ── context ──────────────────────────────────────────────────────────────────────────────────


@event("profile.captured")
class ProfileCaptured:
    """The first persona that the agent runs with; `digest` is the SHA-256 of what it says."""

    digest: str
    name: str
    body: str
    profile: JsonObject = field(default_factory=dict[str, Any])


@event("profile.refreshed")
class ProfileRefreshed:
    """The persona says something else now, or without a digest there is none any more."""

    previous: str
    digest: str | None = None
    name: str | None = None
    body: str | None = None
    profile: JsonObject = field(default_factory=dict[str, Any])


@event("sandbox.reported")
class SandboxReported:
    """News of the place where the agent's tools run."""

    sandbox_id: str
    operation: str
    outcome: Literal["started", "completed", "failed"]
    detail: str | None = None
    duration_ms: int | None = None
    meta: JsonObject | None = None


@event("peer.joined")
class PeerJoined:
    """Another agent can be reached from here."""

    peer_id: str
    display_name: str | None = None
    channel: str | None = None
    capabilities: tuple[JsonObject, ...] = ()


@event("peer.left")
class PeerLeft:
    """It cannot be reached any more."""

    peer_id: str
    reason: str | None = None


@event("runtime.reported")
class RuntimeReported:
    """What runs the agent, and what it can do; each report takes the place of the one before it.

    `runtime_session_id` is what the runtime itself calls the session, so that it can go on with it.
    """

    runtime_session_id: str | None = None
    name: str | None = None
    version: str | None = None
    capabilities: JsonObject = field(default_factory=dict[str, Any])
    models: tuple[OfferedModel, ...] = ()
    switching: ModelSwitching = "any"


ContextEvent = (
    ProfileCaptured | ProfileRefreshed | SandboxReported | PeerJoined | PeerLeft | RuntimeReported
)


UNREADABLE = "unreadable"
"""The type of what stands for a record that cannot be read; `data.type` is the record's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecognised:
    """A stored event of a type that this program does not know yet; it changes nothing here."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def stored_type(self) -> str:
        """The type that the log has for it, of what cannot be read too."""
        own = self.data.get("type") if self.type == UNREADABLE else None
        return own if isinstance(own, str) else self.type


SessionEvent = (
    LifecycleEvent
    | DescriptionEvent
    | PolicyEvent
    | MessageEvent
    | TurnEvent
    | InputEvent
    | ActivityEvent
    | InteractionEvent
    | StatePatched
    | LineageEvent
    | AttachmentEvent
    | SupervisionEvent
    | SessionRepaired
    | ContextEvent
    | Unrecognised
)


class Recorded(NamedTuple):
    """An event with its place in the log.

    Args:
        sequence: 1, 2, 3 ... in its session.
        at: When it was decided, UTC.
        event: What happened.
        turn_id: The turn in which it happened, if any.
        actor: Who recorded it.
        claimed_actor: Who the client says it was, where the actor is proven.
    """

    sequence: int
    at: datetime
    event: SessionEvent
    turn_id: str | None = None
    actor: str | None = None
    claimed_actor: str | None = None
