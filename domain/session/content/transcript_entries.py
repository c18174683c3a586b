"""What entries of a transcript hold, and the marks in it: what was asked, what broke, a clear."""

from collections.abc import Iterator
from typing import Any, Protocol

from domain.session.events import (
    AgentMessage,
    AgentThought,
    ConversationCleared,
    InputSteered,
    MessageAdded,
    PermissionDecided,
    PermissionRequested,
    Recorded,
    SessionEvent,
    ToolCalled,
    ToolProgressed,
    ToolReturned,
    TurnCancelled,
    TurnFailed,
    TurnStarted,
)
from domain.values import JsonObject

MARKS = ("permission", "turn_failed", "turn_cancelled", "conversation_cleared")
"""The kinds of entries that nobody said, and that cannot be revised."""


CallEvent = ToolCalled | ToolProgressed | ToolReturned | PermissionRequested | PermissionDecided
Entry = dict[str, Any]
"""A message, a thought, a tool call with its result, or a mark, as JSON."""


class Entries(Protocol):
    """A list of entries; what is read from it is put back when it changes."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Entry]: ...
    def __getitem__(self, index: int, /) -> Entry: ...
    def __setitem__(self, index: int, entry: Entry, /) -> None: ...
    def append(self, entry: Entry, /) -> None:
        """Add an entry at the end."""

    def clear(self) -> None:
        """Begin anew."""


def mark_of(event: SessionEvent) -> dict[str, Any] | None:
    """Return what an event leaves in a transcript as an entry of its own, without its place.

    Args:
        event: Of a permission, one that names no call of the transcript: else it stands in that.
    """
    match event:
        case PermissionRequested():
            asked = {"kind": "permission", "request_id": event.request_id}
            named: dict[str, Any] = {
                "title": event.title,
                "tool": event.tool,
                "tool_call_id": event.tool_call_id,
                "meta": event.meta,
            }
            return asked | {name: value for name, value in named.items() if value is not None}
        case TurnFailed(failure=failure):
            broken = {"kind": failure.kind, "summary": failure.summary, "bundle": failure.bundle}
            known = {name: value for name, value in broken.items() if value is not None}
            return {"kind": "turn_failed", "failure": known}
        case TurnCancelled(reason=reason):
            return {"kind": "turn_cancelled", "reason": reason}
        case ConversationCleared(epoch=epoch):
            return {"kind": "conversation_cleared", "epoch": epoch}
        case _:
            return None


def request_of(event: PermissionRequested) -> dict[str, Any]:
    """Return what a request adds to the entry of the call that it names."""
    asked: dict[str, Any] = {"request_id": event.request_id}
    return asked if event.meta is None else asked | {"meta": event.meta}


def decision_of(event: PermissionDecided) -> dict[str, Any]:
    """Return what a decision adds to the entry of its request."""
    said = {
        "decision": event.decision,
        "option_id": event.option_id,
        "reason": event.reason,
        "arguments": event.arguments,
    }
    return {name: value for name, value in said.items() if value is not None}


def said_by(recorded: Recorded) -> dict[str, Any]:
    """Return who an entry is of: in which turn, who recorded it, and what was said of it."""
    known = {
        "actor": recorded.actor,
        "claimed_actor": recorded.claimed_actor,
        "turn_id": recorded.turn_id,
        "meta": _meta_of(recorded.event),
    }
    return {name: value for name, value in known.items() if value is not None}


def _meta_of(event: SessionEvent) -> JsonObject | None:
    match event:
        case (
            MessageAdded()
            | TurnStarted()
            | InputSteered()
            | AgentMessage()
            | AgentThought()
            | ToolCalled()
        ):
            return event.meta
        case _:
            return None
