"""What is allowed with messages outside an agent's turn: add and revise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.checks import require_id, require_name
from domain.errors import Invalid, MessageExists, MessageNotFound, ToolCallOpen
from domain.parts import require_parts
from domain.replacing import maker, replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import MessageAdded, MessageRevised, Recorded, SessionEvent
from domain.session.guards import INACTIVE, require_active, require_present
from domain.session.state import Changes, Session
from domain.values import Identity, JsonObject, Part, Role

__all__ = ["AddMessage", "ReviseMessage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMessage(Command):
    """Add to the transcript."""

    message_id: Identity[str]
    role: Role
    parts: tuple[Part, ...]
    author: str | None = None
    implicit: bool = False
    meta: JsonObject | None = None


_message_added = maker(MessageAdded)


@decides(AddMessage, refuses=(*INACTIVE, MessageExists, ToolCallOpen))
def add(session: Session, command: AddMessage) -> list[SessionEvent]:
    """Add a message; its id is new in this session.

    What a tool says are results, and never those of calls that are open in the running turn.
    """
    require_active(session)
    require_message(command.message_id, command.parts)
    require_name(command.author, "author")
    require_new_message(session, command.message_id)
    if command.role == "tool":
        require_results(session, command.parts)
    return [
        _message_added(
            message_id=command.message_id,
            role=command.role,
            parts=command.parts,
            author=command.author,
            implicit=command.implicit,
            meta=command.meta,
        )
    ]


def require_results(session: Session, parts: Sequence[Part]) -> None:
    """Refuse what is no result, and results of calls that are open in the running turn."""
    if any(part.get("type") != "tool_result" for part in parts):
        raise Invalid("the parts of role tool are all of type tool_result", field="parts")
    running = session.turns.running
    for call in results_in(parts):
        if running is not None and call in running.open_calls:
            raise ToolCallOpen(None, tool_call_id=call, turn_id=running.turn_id)


def results_in(parts: Sequence[Part]) -> list[str]:
    """Return the ids of the calls whose results are among the parts."""
    return [str(part.get("tool_call_id")) for part in parts if part.get("type") == "tool_result"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseMessage(Command):
    """Replace what an entry of the transcript says.

    `found_at` is its sequence, where the caller has found it there: the state knows no ids of tool
    calls, nor of what an agent said without one.
    """

    message_id: Identity[str]
    parts: tuple[Part, ...] | None = None
    input: Any = None
    found_at: int | None = None


@decides(ReviseMessage, refuses=(MessageNotFound,))
def revise(session: Session, command: ReviseMessage) -> list[SessionEvent]:
    """Replace what an entry of this very session says, whoever said it."""
    require_present(session)
    require_revision(command.message_id, command.parts, command.input)
    if command.found_at is None:
        require_known_message(session, command.message_id)
    return [MessageRevised(message_id=command.message_id, parts=command.parts, input=command.input)]


def require_revision(message_id: str, parts: Sequence[Part] | None, call_input: Any) -> None:
    """Refuse a revision without a proper id, or one that changes nothing.

    Args:
        message_id: Of the entry.
        parts: What it says from now on; None leaves it.
        call_input: What a tool call was called with from now on; None leaves it.
    """
    require_id(message_id, "message_id")
    if parts is not None or call_input is None:
        require_parts(parts or (), "parts")


def require_message(message_id: str, parts: Sequence[Part], within: str = "") -> None:
    """Refuse a message without a proper id or without content.

    Args:
        message_id: Its id.
        parts: What it says.
        within: What to call the place where both stand, such as `input.`.
    """
    require_id(message_id, f"{within}message_id")
    require_parts(parts, f"{within}parts")


def require_new_message(session: Session, message_id: str) -> None:
    """Refuse an id that another message of this session has, or one that waits to be said."""
    require_free_message(session, message_id)
    if message_id in session.said:
        raise MessageExists(None, message_id=message_id)


def require_free_message(session: Session, message_id: str) -> None:
    """Refuse an id that somebody else than the agent has given to a message."""
    if message_id in session.messages or message_id in session.inputs.message_ids:
        raise MessageExists(None, message_id=message_id)


def require_known_message(session: Session, message_id: str) -> None:
    """Refuse an id that nobody has given to a message of this session."""
    if message_id not in session.messages and message_id not in session.said:
        raise MessageNotFound(None, message_id=message_id)


@evolves(MessageAdded)
def _added(session: Session, event: MessageAdded, recorded: Recorded) -> Changes:
    changes: Changes = {"messages": session.messages.put(event.message_id, recorded.sequence)}
    if event.role == "tool":
        unanswered = session.turns.unanswered
        for call in results_in(event.parts):
            unanswered = unanswered.drop(call)
        changes["turns"] = replace(session.turns, unanswered=unanswered)
    return changes


@evolves(MessageRevised)
def _revised(_: Session, __: MessageRevised, ___: Recorded) -> Changes:
    # No rule reads what a message says.
    return {}
