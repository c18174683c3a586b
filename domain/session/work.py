"""What a session is busy with: its running turn, input that waits, and requests that wait."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict

from domain.persistent_map import PersistentMap
from domain.values import JsonObject, ModelChoice, Option, Part, TurnSource, Usage

Overdue = Literal["activity_timeout", "prompt_deadline_exceeded"]
TurnOutcome = Literal["completed", "failed", "cancelled"]
InputOutcome = Literal["dispatched", "steered", "cancelled"]
InteractionKind = Literal["permission", "elicitation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call whose result has not come yet."""

    tool_call_id: str
    name: str
    input: Any
    title: str | None
    sequence: int
    before: str | None = None
    """The open call that began last before it."""
    after: str | None = None
    """The open call that began first after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The running turn, its open tool calls, and the tools of the calls that have returned."""

    turn_id: str
    source: TurnSource
    started_at: datetime
    sequence: int
    open_calls: PersistentMap[ToolCall] = field(default_factory=PersistentMap[ToolCall])
    newest_call: str | None = None
    """The open call that began last."""
    closed_calls: PersistentMap[str] = field(default_factory=PersistentMap[str])
    """The names of their tools by the ids of calls; empty where no call was recorded."""
    plan: tuple[JsonObject, ...] = ()
    model: ModelChoice | None = None
    """That answers in this turn alone."""
    usage: Usage | None = None
    active_at: datetime
    """The last sign of life."""
    noted_at: datetime
    """When it was last noted that the turn still runs."""
    overdue: Overdue | None = None
    """Why it was asked to end."""
    ends_at: datetime | None = None
    """When it is ended, if it was asked to end."""


class TurnChanges(TypedDict, total=False):
    """The parts of the running turn that an event changes."""

    open_calls: PersistentMap[ToolCall]
    newest_call: str | None
    closed_calls: PersistentMap[str]
    plan: tuple[JsonObject, ...]
    usage: Usage | None
    active_at: datetime
    noted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnansweredCall:
    """A call that was closed without a result, which may still come."""

    turn_id: str
    name: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Turns:
    """The running turn, how each earlier one ended, and the newest calls without a result."""

    running: Turn | None = None
    ended: PersistentMap[TurnOutcome] = field(default_factory=PersistentMap[TurnOutcome])
    unanswered: PersistentMap[UnansweredCall] = field(default_factory=PersistentMap[UnansweredCall])


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
    model: ModelChoice | None = None
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
    kind: InteractionKind = "permission"
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
