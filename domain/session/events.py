"""The catalogue: everything that can happen to a session, topic by topic.

The name beside each class, its fields and its version are the public, stored contract. Never
rename one: a change of meaning gets a new name, or a new version with an upcaster
(`infrastructure/upcasters.py`). What an event says about itself (its id, time, actor, turn and
sequence) is in the envelope, `Recorded`, so that it is said once and the same way everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar, dataclass_transform

from domain.values import (
    Agent,
    Failure,
    JsonObject,
    Option,
    Owner,
    Part,
    Role,
    StopCause,
    StopReason,
    ToolOutcome,
    TurnSource,
    Usage,
)

_E = TypeVar("_E")

NAMES: dict[type[Any], tuple[str, int]] = {}
"""The stored name and the current version of every event class."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def _event(name: str, version: int = 1) -> Callable[[type[_E]], type[_E]]:
    def register(cls: type[_E]) -> type[_E]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        NAMES[made] = (name, version)
        return made

    return register


# ── lifecycle ────────────────────────────────────────────────────────────────────────────────


@_event("session.created", version=2)
class SessionCreated:
    """A session began; `state` holds its first plain, `app:` and `user:` keys."""

    owner: Owner
    type: str = "user"
    title: str | None = None
    tags: tuple[str, ...] = ()
    agent: Agent | None = None
    state: JsonObject = field(default_factory=dict[str, Any])
    metadata: JsonObject = field(default_factory=dict[str, Any])


@_event("session.stopped")
class SessionStopped:
    """The session takes no more turns until it is resumed; the first cause is the one recorded."""

    cause: StopCause
    reason: StopReason
    detail: str | None = None
    failure: Failure | None = None


@_event("session.resumed")
class SessionResumed:
    """A stopped session is active again, for the `activation`-th time, with its whole history."""

    activation: int


@_event("session.deleted")
class SessionDeleted:
    """A tombstone: the session is gone from every list; its log stays as evidence."""


LifecycleEvent = SessionCreated | SessionStopped | SessionResumed | SessionDeleted

# ── describing ───────────────────────────────────────────────────────────────────────────────


@_event("session.renamed")
class SessionRenamed:
    """The title changed; None took it away."""

    title: str | None = None


@_event("session.starred")
class SessionStarred:
    """Somebody marked the session."""


@_event("session.unstarred")
class SessionUnstarred:
    """The mark was taken away."""


@_event("session.tagged")
class SessionTagged:
    """The session has exactly these tags now."""

    tags: tuple[str, ...]


DescriptionEvent = SessionRenamed | SessionStarred | SessionUnstarred | SessionTagged

# ── messages ─────────────────────────────────────────────────────────────────────────────────


@_event("message.added")
class MessageAdded:
    """A message joined the transcript, outside what an agent says in a turn."""

    message_id: str
    role: Role
    parts: tuple[Part, ...]
    author: str | None = None
    implicit: bool = False


@_event("message.revised")
class MessageRevised:
    """A message says something else now; the log keeps what it said before."""

    message_id: str
    parts: tuple[Part, ...]


MessageEvent = MessageAdded | MessageRevised

# ── turns ────────────────────────────────────────────────────────────────────────────────────


@_event("turn.started")
class TurnStarted:
    """An agent was given input; nothing reaches it before this is durable."""

    turn_id: str
    source: TurnSource
    message_id: str
    parts: tuple[Part, ...]


@_event("turn.completed")
class TurnCompleted:
    """The agent finished by itself."""

    turn_id: str
    stop_reason: str
    usage: Usage | None = None


@_event("turn.failed")
class TurnFailed:
    """The turn broke."""

    turn_id: str
    failure: Failure


@_event("turn.cancelled")
class TurnCancelled:
    """Somebody ended the turn, or the session stopped under it."""

    turn_id: str
    reason: str


TurnEvent = TurnStarted | TurnCompleted | TurnFailed | TurnCancelled

# ── inside a turn ────────────────────────────────────────────────────────────────────────────


@_event("agent.message")
class AgentMessage:
    """The agent said something; pieces with the same `message_id` are one message."""

    parts: tuple[Part, ...]
    message_id: str | None = None
    meta: JsonObject | None = None


@_event("agent.thought")
class AgentThought:
    """The agent showed its reasoning."""

    parts: tuple[Part, ...]
    message_id: str | None = None
    meta: JsonObject | None = None


@_event("tool.called")
class ToolCalled:
    """The agent called a tool; the call is open until it has returned."""

    tool_call_id: str
    name: str
    input: Any = None
    title: str | None = None
    kind: str | None = None
    meta: JsonObject | None = None


@_event("tool.progressed")
class ToolProgressed:
    """News of a tool call on its way."""

    tool_call_id: str
    title: str | None = None
    content: Any = None
    meta: JsonObject | None = None


@_event("tool.returned")
class ToolReturned:
    """A tool call ended; one still open when its turn ends is closed with it, never left behind."""

    tool_call_id: str
    status: ToolOutcome = "completed"
    output: Any = None
    meta: JsonObject | None = None


@_event("plan.updated")
class PlanUpdated:
    """The agent's plan is this now."""

    entries: tuple[JsonObject, ...]
    meta: JsonObject | None = None


@_event("usage.reported")
class UsageReported(Usage):
    """What the turn has used since the last report."""

    meta: JsonObject | None = None


@_event("runtime.notice")
class RuntimeNotice:
    """Something an operator may want to know."""

    level: str
    text: str
    meta: JsonObject | None = None


@_event("agent.switched")
class AgentSwitched:
    """Another agent answers from here on."""

    agent: Agent
    reason: str | None = None
    meta: JsonObject | None = None


@_event("context.compacted")
class ContextCompacted:
    """The agent replaced part of its context by a summary; the log is untouched."""

    summary: str | None = None
    meta: JsonObject | None = None


@_event("runtime.event")
class RuntimeEvent:
    """Something of a kind that Cairn does not know, kept verbatim."""

    kind: str
    data: Any = None


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


@_event("permission.requested")
class PermissionRequested:
    """The agent asks whether it may; known by its own id, never by that of the tool call."""

    request_id: str
    turn_id: str
    options: tuple[Option, ...]
    tool_call_id: str | None = None
    title: str | None = None
    meta: JsonObject | None = None


@_event("permission.decided")
class PermissionDecided:
    """The one answer to a request: an offered option, or why there will be none."""

    request_id: str
    decision: str
    option_id: str | None = None
    reason: str | None = None


InteractionEvent = PermissionRequested | PermissionDecided

# ── state ────────────────────────────────────────────────────────────────────────────────────


@_event("state.patched")
class StatePatched:
    """Keys were set and taken away; `app:` and `user:` keys are shared by other sessions."""

    set: JsonObject = field(default_factory=dict[str, Any])
    delete: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecognised:
    """A stored event of a type that this program does not know yet; it changes nothing here."""

    type: str
    data: Any = None


SessionEvent = (
    LifecycleEvent
    | DescriptionEvent
    | MessageEvent
    | TurnEvent
    | ActivityEvent
    | InteractionEvent
    | StatePatched
    | Unrecognised
)


class Recorded(NamedTuple):
    """An event with its place in the log.

    Args:
        sequence: 1, 2, 3 ... in its session.
        at: When it was decided, UTC.
        event: What happened.
        turn_id: The turn in which it happened, if any.
    """

    sequence: int
    at: datetime
    event: SessionEvent
    turn_id: str | None = None
