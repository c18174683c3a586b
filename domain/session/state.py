"""What a session remembers in order to decide: small, immutable, made of one part per topic.

The transcript is not here: no rule reads it, and it would make every append cost more
(`transcript.py` folds it for those who read).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from domain.persistent_map import PersistentMap
from domain.session.events import SessionCreated
from domain.values import Agent, Failure, JsonObject, Option, Owner, StopCause, TurnSource, Usage

Phase = Literal["absent", "active", "stopped", "deleted"]
Status = Literal["idle", "running", "waiting", "stopped", "deleted"]
TurnOutcome = Literal["completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Where the session stands, and why it stopped last."""

    phase: Phase = "absent"
    type: str = "user"
    owner: Owner = field(default_factory=lambda: Owner(app="", user=""))
    created: SessionCreated | None = None
    """How it began: asked for again, a session with the same beginning is already there."""
    created_at: datetime | None = None
    activation: int = 1
    epoch: int = 0
    stop_cause: StopCause | None = None
    stop_reason: str | None = None
    stop_detail: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What lists show of a session."""

    title: str | None = None
    starred: bool = False
    tags: tuple[str, ...] = ()
    agent: Agent | None = None
    metadata: JsonObject = field(default_factory=dict[str, Any])


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


@dataclass(frozen=True, slots=True)
class Turns:
    """The running turn, and how each earlier one ended."""

    running: Turn | None = None
    ended: PersistentMap[TurnOutcome] = field(default_factory=PersistentMap[TurnOutcome])


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A request that waits for its answer."""

    request_id: str
    turn_id: str
    options: tuple[Option, ...]
    tool_call_id: str | None
    title: str | None
    sequence: int
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Interactions:
    """What waits, and what each decided request was decided to be."""

    pending: PersistentMap[Interaction] = field(default_factory=PersistentMap[Interaction])
    decided: PersistentMap[str] = field(default_factory=PersistentMap[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The state of one session after `sequence` events."""

    sequence: int = 0
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    description: Description = field(default_factory=Description)
    totals: Totals = field(default_factory=Totals)
    messages: PersistentMap[int] = field(default_factory=PersistentMap[int])
    """The sequence at which each message id was added."""
    turns: Turns = field(default_factory=Turns)
    interactions: Interactions = field(default_factory=Interactions)
    state: PersistentMap[Any] = field(default_factory=PersistentMap[Any])
    """The plain keys; `app:` and `user:` keys belong to their own scopes."""

    @property
    def status(self) -> Status:
        """What an operator sees at a glance."""
        match self.lifecycle.phase:
            case "active" if self.turns.running is None:
                return "idle"
            case "active":
                return "waiting" if self.interactions.pending else "running"
            case "deleted":
                return "deleted"
            case _:
                return "stopped"


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
