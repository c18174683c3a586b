"""What may be asked of a session: imperative, complete, with every new id already chosen."""

from dataclasses import dataclass, field
from typing import Any

from domain.session.events import ActivityEvent
from domain.values import (
    Agent,
    Failure,
    JsonObject,
    Option,
    Owner,
    Part,
    Role,
    StopCause,
    TurnSource,
    Usage,
)


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

    owner: Owner
    title: str | None = None
    tags: tuple[str, ...] = ()
    agent: Agent | None = None
    state: JsonObject = field(default_factory=dict[str, Any])
    metadata: JsonObject = field(default_factory=dict[str, Any])
    messages: tuple[FirstMessage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSession:
    """Change the title, the mark or the tags; what is not named in `fields` stays."""

    fields: frozenset[str]
    title: str | None = None
    starred: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSession:
    """End the activation, and with it the running turn."""

    cause: StopCause = "user_requested"
    detail: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class ResumeSession:
    """Make a stopped session active again."""


@dataclass(frozen=True, slots=True)
class DeleteSession:
    """Set the tombstone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMessage:
    """Add to the transcript."""

    message_id: str
    role: Role
    parts: tuple[Part, ...]
    author: str | None = None
    implicit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseMessage:
    """Replace what a message says."""

    message_id: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTurn:
    """Give the agent input."""

    turn_id: str
    message_id: str
    parts: tuple[Part, ...]
    source: TurnSource = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordActivity:
    """Record what the agent did in its turn: all of it or nothing."""

    turn_id: str
    events: tuple[ActivityEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteTurn:
    """End the turn as finished."""

    turn_id: str
    stop_reason: str = "end_turn"
    usage: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailTurn:
    """End the turn as broken."""

    turn_id: str
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTurn:
    """End the turn because somebody wants it."""

    turn_id: str
    reason: str = "user_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPermission:
    """Ask on behalf of the agent."""

    request_id: str
    turn_id: str
    options: tuple[Option, ...]
    tool_call_id: str | None = None
    title: str | None = None
    meta: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidePermission:
    """Answer a request with one of its options."""

    request_id: str
    option_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchState:
    """Set and take away keys; `temp:` keys live in the caller only and are never stored."""

    set: JsonObject = field(default_factory=dict[str, Any])
    delete: tuple[str, ...] = ()


Command = (
    CreateSession
    | DescribeSession
    | StopSession
    | ResumeSession
    | DeleteSession
    | AddMessage
    | ReviseMessage
    | StartTurn
    | RecordActivity
    | CompleteTurn
    | FailTurn
    | CancelTurn
    | RequestPermission
    | DecidePermission
    | PatchState
)
