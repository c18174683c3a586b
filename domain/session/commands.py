"""What may be asked of a session: imperative, complete, with every new id already chosen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from domain.permission_rules import Grants, PermissionRules
from domain.session.events import (
    ActivityEvent,
    PeerJoined,
    PeerLeft,
    SandboxReported,
    ToolReturned,
    TurnFailed,
)
from domain.session.state import Session
from domain.values import (
    Agent,
    Failure,
    Grant,
    Identity,
    JsonObject,
    Lineage,
    Option,
    Origin,
    Owner,
    Part,
    Role,
    SessionLimits,
    SessionType,
    StopCause,
    Timers,
    TurnSource,
    Usage,
)

Violations = Callable[[Mapping[str, Any], Any], Sequence[str]]
"""Tells what is wrong with a value, given its JSON Schema: pure, brought along by the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstMessage:
    """A message that a session is created with."""

    message_id: str
    role: Role
    parts: tuple[Part, ...]
    author: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSession:
    """Begin a session."""

    owner: Identity[Owner]
    title: str | None = None
    tags: tuple[str, ...] = ()
    agent: Agent | None = None
    state: JsonObject = field(default_factory=dict[str, Any])
    metadata: JsonObject = field(default_factory=dict[str, Any])
    messages: tuple[FirstMessage, ...] = ()
    type: SessionType = "user"
    starting: bool = False
    permissions: PermissionRules | None = None
    grants: Grants | None = None
    limits: SessionLimits | None = None
    ttl_seconds: int | None = None
    lineage: Identity[Lineage | None] = None
    forked_from: Identity[Origin | None] = None


@dataclass(frozen=True, slots=True)
class ActivateSession:
    """Say that the agent is up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailStart:
    """Say that the agent did not come up."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSession:
    """Change the title, the mark or the tags; what is not named in `fields` stays."""

    fields: frozenset[str]
    title: str | None = None
    starred: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSession:
    """End the activation: at once with its running turn, or `when_idle` after that has ended."""

    cause: StopCause = "user_requested"
    detail: str | None = None
    failure: Failure | None = None
    when_idle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeSession:
    """Make a stopped session active again, or `starting` until its agent is up.

    Args:
        starting: Its agent has to come up first.
        at: The time; None does not ask whether the life of the session has run out.
    """

    starting: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClearConversation:
    """Begin the transcript anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewindConversation:
    """Go back to what was said and known after an earlier event: `then` is the state it left."""

    to: int
    then: Session


@dataclass(frozen=True, slots=True)
class DeleteSession:
    """Set the tombstone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUsage:
    """Set the totals, or add to them."""

    mode: Literal["set", "add"]
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideModel:
    """Have an agent answer with another model; None restores its own."""

    agent: str
    model: str | None
    provider: str | None = None
    reasoning_effort: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSummary:
    """Put what was said so far in short."""

    summary_id: Identity[str]
    text: str
    first_kept: str | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacePermissions:
    """Set all rules."""

    permissions: PermissionRules


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchToolApproval:
    """Let tools be called without asking, or not."""

    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMessage:
    """Add to the transcript."""

    message_id: Identity[str]
    role: Role
    parts: tuple[Part, ...]
    author: str | None = None
    implicit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseMessage:
    """Replace what a message says."""

    message_id: Identity[str]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTurn:
    """Give the agent input."""

    turn_id: Identity[str]
    message_id: Identity[str]
    parts: tuple[Part, ...]
    source: TurnSource = "user"
    mode: Literal["queue", "interrupt", "steer"] | None = None
    expected_turn_id: str | None = None
    meta: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordActivity:
    """Record what the agent did in its turn: all of it or nothing.

    With `take_inputs` what is staged reaches the agent if a tool returned.
    """

    turn_id: Identity[str]
    events: tuple[ActivityEvent, ...]
    take_inputs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeInputs:
    """Give what is staged to the agent now."""

    turn_id: Identity[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInput:
    """Input that is to have a turn of its own."""

    input_id: Identity[str]
    message_id: Identity[str]
    parts: tuple[Part, ...]
    meta: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInputs:
    """Have inputs run one after the other: all are taken or none; `hold` starts none of them."""

    inputs: tuple[NewInput, ...]
    source: TurnSource = "followup"
    hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EditInput:
    """Change what waits."""

    input_id: Identity[str]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteInput:
    """Have what waits reach the agent within the running turn."""

    input_id: Identity[str]
    expected_turn_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelInput:
    """Take back what waits."""

    input_id: Identity[str]
    reason: str = "user_requested"


@dataclass(frozen=True, slots=True)
class DispatchInput:
    """Begin the turn of the oldest input that waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """Cancel the running turn and all that waits behind it."""

    expected_turn_id: str | None = None
    reason: str = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteTurn:
    """End the turn as finished."""

    turn_id: Identity[str]
    stop_reason: str = "end_turn"
    usage: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailTurn:
    """End the turn as broken."""

    turn_id: Identity[str]
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTurn:
    """End the turn because somebody wants it."""

    turn_id: Identity[str]
    reason: str = "user_requested"
    hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPermission:
    """Ask on behalf of the agent; for a named `tool` the rules may decide at once."""

    request_id: Identity[str]
    turn_id: Identity[str]
    options: tuple[Option, ...]
    tool_call_id: str | None = None
    title: str | None = None
    tool: str | None = None
    arguments: JsonObject | None = None
    read_only: bool = False
    expires_at: datetime | None = None
    meta: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidePermission:
    """Answer a request with one of its options, for this call or for more to come."""

    request_id: Identity[str]
    option_id: str
    at: datetime | None = None
    grant: Grant = "once"
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestElicitation:
    """Ask for content, on behalf of the agent."""

    request_id: Identity[str]
    message: str
    turn_id: Identity[str | None] = None
    schema: JsonObject | None = None
    url: str | None = None
    expires_at: datetime | None = None
    meta: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerElicitation:
    """Give the content, or say that there will be none."""

    request_id: Identity[str]
    action: Literal["accept", "decline"]
    violations: Violations
    content: JsonObject | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelInteraction:
    """Take a request back, on behalf of the agent."""

    request_id: Identity[str]
    reason: str = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchState:
    """Set and take away keys; `temp:` keys live in the caller only and are never stored.

    `expected` is the sequence of the last change of the state; None merges whatever it is.
    """

    set: JsonObject = field(default_factory=dict[str, Any])
    delete: tuple[str, ...] = ()
    expected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchScope:
    """Set and take away keys that sessions share, without going through one of them."""

    app: Identity[str]
    user: Identity[str | None] = None
    set: JsonObject = field(default_factory=dict[str, Any])
    delete: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnSession:
    """Begin a child session, with no more than what the parent has."""

    parent_id: Identity[UUID]
    child_id: Identity[UUID]
    agent: Agent
    ttl_seconds: int
    role: str = "worker"
    auto_stop: bool = True
    grants: Grants = field(default_factory=Grants)
    workspace: str | None = None
    title: str | None = None
    permissions: PermissionRules | None = None
    limits: SessionLimits | None = None
    metadata: JsonObject = field(default_factory=dict[str, Any])
    allow_stopped_parent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapChild:
    """Say that a child is no more among the living."""

    child_id: Identity[UUID]
    reason: Literal["stopped", "deleted", "ttl_expired", "parent_stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreChild:
    """Say that a child is among the living again: it was resumed."""

    child_id: Identity[UUID]
    role: str
    auto_stop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquireAttachment:
    """Say who drives the session."""

    lease_id: Identity[UUID]
    holder: str
    acquired_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseAttachment:
    """Say that the holder let go."""

    lease_id: Identity[UUID]
    reason: str = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHealth:
    """Say whether the process of the agent is well."""

    healthy: bool
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireDue:
    """Do what is due by a time: requests, lives and turns run out."""

    at: datetime
    timers: Timers = field(default_factory=Timers)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshProfile:
    """Set the persona; `expected_digest` is what it must be now, a null body takes it away."""

    digest: str | None
    name: str | None = None
    body: str | None = None
    profile: JsonObject = field(default_factory=dict[str, Any])
    expected_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """Record news of the sandbox or of peers."""

    event: SandboxReported | PeerJoined | PeerLeft


class InterruptedTurn(NamedTuple):
    """An event that closes part of a turn which is perhaps not the running one."""

    turn_id: str
    event: ToolReturned | TurnFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairSession:
    """Close what a crash has left open, as an analysis of this very log has planned it."""

    repair_id: str
    report_digest: str
    report: JsonObject
    closing: tuple[InterruptedTurn, ...]


Command = (
    CreateSession
    | ActivateSession
    | FailStart
    | DescribeSession
    | StopSession
    | ResumeSession
    | ClearConversation
    | RewindConversation
    | DeleteSession
    | RecordUsage
    | OverrideModel
    | AddSummary
    | ReplacePermissions
    | SwitchToolApproval
    | AddMessage
    | ReviseMessage
    | StartTurn
    | RecordActivity
    | TakeInputs
    | QueueInputs
    | EditInput
    | PromoteInput
    | CancelInput
    | DispatchInput
    | Interrupt
    | CompleteTurn
    | FailTurn
    | CancelTurn
    | RequestPermission
    | DecidePermission
    | RequestElicitation
    | AnswerElicitation
    | CancelInteraction
    | PatchState
    | PatchScope
    | SpawnSession
    | ReapChild
    | RestoreChild
    | AcquireAttachment
    | ReleaseAttachment
    | ReportHealth
    | ExpireDue
    | RefreshProfile
    | ReportContext
    | RepairSession
)
