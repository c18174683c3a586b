"""The values that events and commands share, and the limits that hold for them everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

_T = TypeVar("_T")

Identity = Annotated[_T, "identity"]
"""A field of a command that says whom or what it is about; a hook may not change it."""

JsonObject = Mapping[str, Any]
Part = Mapping[str, Any]
"""One piece of a message: an object with a `type` of text, reasoning, image, file, tool_call,
tool_result or data, and the fields of that type."""

Role = Literal["user", "agent", "system", "tool"]
"""Who speaks; what a tool says are the results of calls."""
TurnSource = Literal["user", "network", "synthetic", "followup"]
InputMode = Literal["queue", "interrupt", "interrupt_if_waiting", "steer"]
"""What becomes of input that comes while another turn runs."""
StopCause = Literal[
    "completed",
    "failed",
    "user_requested",
    "shutdown",
    "hook_denied",
    "process_exited",
    "timeout",
    "clear_conversation",
]
StopReason = Literal[
    "completed",
    "user_canceled",
    "max_iterations",
    "loop_detected",
    "timeout",
    "budget_exceeded",
    "error",
    "agent_crashed",
    "hook_stopped",
    "shutdown",
]
ToolOutcome = Literal["completed", "failed", "cancelled", "abandoned"]
FirstType = Literal["user", "dream", "system", "coordinator"]
"""What a session can be that nobody spawned."""
SessionType = Literal[FirstType, "spawned"]
Grant = Literal["once", "session", "tool"]
ElicitationAction = Literal["accept", "decline", "cancelled", "timeout"]
REASONING_EFFORTS = ("minimal", "low", "medium", "high", "xhigh")

MAX_NAME = 200
MAX_ID = 4096
"""Bytes of an id that a provider gave: some carry signatures."""
MAX_EXTERNAL_ID = 255
MAX_TITLE = 500
MAX_TAGS = 50
MAX_STATE_KEYS = 10_000
MAX_SUMMARY = 2048
MAX_TOKENS = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """To whom a session belongs; what lists are filtered by."""

    app: str
    user: str
    workspace: str | None = None
    team: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """The program that answers in a session, and the model behind it."""

    name: str
    provider: str | None = None
    model: str | None = None
    reasoning_effort: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """The model that answers instead of the agent's own: in one turn, or until it is restored."""

    model: str
    provider: str | None = None
    reasoning_effort: str | None = None


ModelSwitching = Literal["any", "offered", "none"]
"""Which models a runtime lets an agent answer with: whatever is named, those that it offers, or
the agent's own alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedModel:
    """A model that a runtime lets an agent answer with; it is chosen by its `ref`.

    Args:
        ref: What it is chosen by, such as `fast` or `anthropic/claude-sonnet`.
        name: What people call it.
        provider: Who serves it.
        model: What its provider calls it.
        is_default: It answers where nothing else was chosen.
        details: What else the runtime says of it, such as costs and limits of tokens.
    """

    ref: str
    name: str | None = None
    provider: str | None = None
    model: str | None = None
    is_default: bool = False
    details: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and cost, each absent when the runtime did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None
    currency: str | None = None


COUNTS = tuple(field.name for field in fields(Usage) if field.name != "currency")
"""What of a usage can be added up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something failed: a stable kind, a bounded summary for a person, where more is kept.

    `bundle` refers to what a runtime has put away about a crash; Cairn does not look into it.
    """

    kind: str
    summary: str | None = None
    bundle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One answer that a permission request offers."""

    option_id: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """What a session may use; what is absent is as the server has it.

    Args:
        queued_inputs: The most inputs that wait, 1 to 1,000.
        input_bytes: The most bytes of one waiting input as JSON, 512 to 1 MiB.
        turn_seconds: The longest that a turn may run, 1 s to 7 days.
        children: The most children that live at once, 0 to 1,000.
        depth: How many generations may be below the root, 0 to 16.
        iterations: How often an agent may go on in a turn, 1 to 1,000,000; for its runtime to hold.
        consecutive_tool_calls: How often it may call one tool alike in a row, 1 to 1,000,000; for
            its runtime to hold.
    """

    queued_inputs: int | None = None
    input_bytes: int | None = None
    turn_seconds: int | None = None
    children: int | None = None
    depth: int | None = None
    iterations: int | None = None
    consecutive_tool_calls: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a spawned session comes from."""

    parent_id: UUID
    root_id: UUID
    depth: int
    role: str
    auto_stop: bool
    profile_digest: str | None = None
    """The persona of the parent when it spawned this one, which is not inherited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The event of another session after which a fork goes its own way."""

    session_id: UUID
    sequence: int
    digest: str


def rfc3339(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC, always with microseconds.

    Args:
        moment: With a time zone.
    """
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    # What `isoformat` and f-strings write, in half the time.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (  # noqa: UP031
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond,
    )
