"""The values that events and commands share, and the limits that hold for them everywhere."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from domain.errors import Invalid, InvalidRuntimeOverride

_T = TypeVar("_T")

Identity = Annotated[_T, "identity"]
"""A field of a command that says whom or what it is about; a hook may not change it."""

JsonObject = Mapping[str, Any]
Part = Mapping[str, Any]
"""One piece of a message: an object with a `type` of text, reasoning, image, file, tool_call,
tool_result or data, and the fields of that type."""

Role = Literal["user", "agent", "system"]
TurnSource = Literal["user", "network", "synthetic", "followup"]
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
MAX_TITLE = 500
MAX_TAGS = 50
MAX_STATE_KEYS = 10_000
MAX_SUMMARY = 2048

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


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
    """

    queued_inputs: int | None = None
    input_bytes: int | None = None
    turn_seconds: int | None = None
    children: int | None = None
    depth: int | None = None


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


@lru_cache(maxsize=64)
def rfc3339(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC, always with microseconds.

    The last ones are remembered: the events of a batch are all of one time.

    Args:
        moment: With a time zone.
    """
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def require_name(value: str | None, field: str, *, most: int = MAX_NAME) -> None:
    """Refuse a name that lists could not hold or show.

    Args:
        value: The name; None passes.
        field: What to call it in the refusal.
        most: The longest allowed, in characters.

    Raises:
        Invalid: It is blank, longer than `most`, or has control characters.
    """
    if value is not None:
        _require_text(value, field, len(value), most, "characters", _CONTROL)


def require_id(value: str | None, field: str) -> None:
    """Refuse an id that no provider of models gives.

    Args:
        value: The id, at most 4,096 bytes as UTF-8; None passes.
        field: What to call it in the refusal.

    Raises:
        Invalid: It is blank, longer, or has control characters.
    """
    if value is not None:
        size = len(value.encode("utf-8", "surrogatepass"))
        _require_text(value, field, size, MAX_ID, "bytes", _CONTROL)


def require_title(value: str | None, field: str = "title") -> None:
    """Refuse a title that lists could not show; it may have several lines.

    Args:
        value: The title, at most 500 characters; None passes.
        field: What to call it in the refusal.

    Raises:
        Invalid: It is blank, longer, or has control characters other than tabs and line ends.
    """
    if value is not None:
        _require_text(value, field, len(value), MAX_TITLE, "characters", _CONTROL_BUT_LINES)


def _require_text(
    value: str, field: str, size: int, most: int, unit: str, wrong: re.Pattern[str]
) -> None:
    if not value.strip():
        raise Invalid(f"{field} must not be blank", field=field)
    if size > most:
        raise Invalid(f"{field} has {size} {unit}; at most {most}", field=field)
    if wrong.search(value):
        raise Invalid(f"{field} must not have control characters", field=field)


def require_between(value: int | None, field: str, least: int, most: int) -> None:
    """Refuse a number that is out of bounds.

    Args:
        value: The number; None passes.
        field: What to call it in the refusal.
        least: The smallest allowed.
        most: The largest allowed.

    Raises:
        Invalid: It is smaller or larger.
    """
    if value is not None and not least <= value <= most:
        raise Invalid(f"{field} must be {least} to {most}, not {value}", field=field)


def require_agent(agent: Agent | None, field: str) -> None:
    """Refuse an agent that lists could not show.

    Args:
        agent: The agent; None passes.
        field: What to call it in the refusal.

    Raises:
        Invalid: One of its names is no name.
    """
    if agent is not None:
        for part in ("name", "provider", "model", "reasoning_effort"):
            require_name(getattr(agent, part), f"{field}.{part}")


def require_effort(effort: str | None, field: str) -> None:
    """Refuse a reasoning effort that no runtime knows.

    Args:
        effort: The word; None passes.
        field: What to call it in the refusal.

    Raises:
        InvalidRuntimeOverride: It is none of `REASONING_EFFORTS`.
    """
    if effort is not None and effort not in REASONING_EFFORTS:
        known = ", ".join(REASONING_EFFORTS)
        raise InvalidRuntimeOverride(f"{field} must be one of {known}", field=field)


def require_failure(failure: Failure, field: str = "failure") -> None:
    """Refuse a failure without a proper kind, or with too long a summary.

    Args:
        failure: What failed.
        field: What to call it in the refusal.

    Raises:
        Invalid: It is not right.
    """
    require_name(failure.kind, f"{field}.kind")
    require_summary(failure.summary, f"{field}.summary")
    require_summary(failure.bundle, f"{field}.bundle")


def require_summary(text: str | None, field: str) -> None:
    """Refuse a text for people that is longer than lists and reports can take.

    Args:
        text: At most 2,048 characters; None passes.
        field: What to call it in the refusal.

    Raises:
        Invalid: It is longer.
    """
    if text is not None and len(text) > MAX_SUMMARY:
        raise Invalid(f"{field} has {len(text)} characters; at most {MAX_SUMMARY}", field=field)
