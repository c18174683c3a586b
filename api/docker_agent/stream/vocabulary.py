"""From the events of a log to those of docker-agent v1.81: the words, without time and agent.

What docker-agent has a word for and we have not is reported by a driver as a `runtime.event` of
the kind `docker-agent`, and told as it came.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from api.docker_agent.shapes.messages import call_document, output_text, reasoning_of
from api.docker_agent.shapes.parts import content_of, text_in, text_of
from api.docker_agent.shapes.questions import confirmation, elicitation
from api.docker_agent.stream.reported import reported_word
from api.docker_agent.stream.session_words import about_session
from domain.session.events import (
    AgentMessage,
    AgentThought,
    ElicitationAnswered,
    ElicitationRequested,
    InputSteered,
    MessageAdded,
    PermissionDecided,
    PermissionRequested,
    RuntimeEvent,
    SessionEvent,
    ToolCalled,
    ToolProgressed,
    ToolReturned,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
    UsageReported,
)
from domain.session.state import Session

KIND = "docker-agent"
"""The kind of the events that a driver reports in the words of docker-agent."""

_ERROR_CODES = frozenset(
    (
        *("model_error", "rate_limited", "context_exceeded", "request_too_large"),
        *("media_too_large", "tool_failed", "hook_blocked", "loop_detected"),
    )
)
_MOST = 2**63
"""A count is less: clients read it as an int64."""

_STOP_REASONS = ("error", "canceled", "hook_blocked", "loop_detected")
_CONFIRMED = {"allow_once": "approve", "allow_always": "approve-session"}
_GRANTED = {"session": "approve-session", "tool": "approve-tool"}

Words = list[dict[str, Any]]


def words_for(session_id: UUID, before: Session, event: SessionEvent, after: Session) -> Words:
    """Return what docker-agent says for an event; nothing for what it has no word for.

    Args:
        session_id: Of which session.
        before: Its state before the event.
        event: What happened.
        after: Its state after it.
    """
    told = _said(str(session_id), before, event)
    if after.totals is not before.totals and _used(before) != _used(after):
        usage = _usage(str(session_id), event, after)
        # A turn is over when its last word is said.
        told[:] = [usage, *told] if isinstance(event, TurnCompleted) else [*told, usage]
    return told


def _used(session: Session) -> tuple[int, int, float | None]:
    totals = session.totals
    return totals.input_tokens, totals.output_tokens, totals.cost


def _said(session: str, before: Session, event: SessionEvent) -> Words:
    match event:
        case TurnStarted():
            stream = {"type": "stream_started", "session_id": session}
            return [*_user_message(session, event), stream]
        case InputSteered():
            return _user_message(session, event)
        case TurnCompleted() | TurnFailed() | TurnCancelled():
            return _turn_ended(session, before, event)
        case AgentMessage() | AgentThought() | MessageAdded():
            return _message(session, event)
        case ToolCalled() | ToolProgressed() | ToolReturned():
            return _tool(session, before, event)
        case (
            PermissionRequested()
            | PermissionDecided()
            | ElicitationRequested()
            | ElicitationAnswered()
        ):
            return _interaction(before, event)
        case RuntimeEvent(kind=kind, problem=None) if kind == KIND:
            reported = reported_word(event.data)
            return [] if reported is None else [reported]
        case _:
            return about_session(session, before, event)


def _user_message(session: str, event: TurnStarted | InputSteered) -> Words:
    said = content_of(session, event.parts)
    many = {"multi_content": said["multi_content"]} if "multi_content" in said else {}
    return [
        {
            "type": "user_message",
            "message": said["content"],
            **many,
            "session_id": session,
            # Their place among messages that others flatten otherwise is not known.
            "session_position": -1,
        }
    ]


def _turn_ended(
    session: str, before: Session, event: TurnCompleted | TurnFailed | TurnCancelled
) -> Words:
    stopped = {"type": "stream_stopped", "session_id": session}
    match event:
        case TurnCompleted(stop_reason="max_iterations"):
            most = before.lifecycle.limits.iterations or 0
            reached = {"type": "max_iterations_reached", "max_iterations": most}
            return [reached, {**stopped, "reason": "normal"}]
        case TurnCompleted(stop_reason=reason):
            return [{**stopped, "reason": reason if reason in _STOP_REASONS else "normal"}]
        case TurnFailed(failure=failure):
            error = {"type": "error", "error": failure.summary or failure.kind}
            if failure.kind in _ERROR_CODES:
                error["code"] = failure.kind
            special = failure.kind in ("hook_blocked", "loop_detected")
            return [error, {**stopped, "reason": failure.kind if special else "error"}]
        case TurnCancelled():
            return [{**stopped, "reason": "canceled"}]


def _message(session: str, event: AgentMessage | AgentThought | MessageAdded) -> Words:
    added = {"type": "message_added", "session_id": session}
    match event:
        case AgentMessage():
            text, thought = text_of(event.parts), _reasoning_in(event)
            said: Words = []
            if thought:
                said.append(_choice("agent_choice_reasoning", thought, session))
            if text:
                said.append(_choice("agent_choice", text, session))
            return [*said, added]
        case AgentThought():
            thought = reasoning_of(event.parts)
            return [_choice("agent_choice_reasoning", thought, session)] if thought else []
        case MessageAdded():
            return [added]


def _reasoning_in(event: AgentMessage) -> str:
    return reasoning_of([one for one in event.parts if one.get("type") == "reasoning"])


def _choice(kind: str, content: str, session: str) -> dict[str, Any]:
    return {"type": kind, "content": content, "session_id": session}


def _tool(
    session: str, before: Session, event: ToolCalled | ToolProgressed | ToolReturned
) -> Words:
    turn, call_id = before.turns.running, event.tool_call_id
    # Where its turn has ended, its result comes in a later one.
    called = (turn and turn.open_calls.get(call_id)) or before.turns.unanswered.get(call_id)
    returned = turn.closed_calls.get(call_id, "") if turn else ""
    definition = {"name": called.name if called else returned}
    match event:
        case ToolCalled():
            call = call_document(call_id, event.name, event.input)
            return [
                {"type": "tool_call", "tool_call": call, "tool_definition": {"name": event.name}}
            ]
        case ToolProgressed():
            output = output_text(event.content) or event.title or ""
            return [
                {
                    "type": "tool_call_output",
                    "tool_call_id": call_id,
                    "tool_definition": definition,
                    "output": output,
                }
            ]
        case ToolReturned():
            is_done = event.status == "completed"
            text = output_text(event.output) or ("" if is_done else event.status)
            result = {"output": text} if is_done else {"output": text, "isError": True}
            response = {
                "type": "tool_call_response",
                "tool_call_id": call_id,
                "tool_definition": definition,
                "response": text,
                "result": result,
            }
            return [response, {"type": "message_added", "session_id": session}]


def _interaction(
    before: Session,
    event: PermissionRequested | PermissionDecided | ElicitationRequested | ElicitationAnswered,
) -> Words:
    match event:
        case PermissionRequested():
            named = event.tool_call_id, event.tool, event.arguments
            return [confirmation(before, event.request_id, *named)]
        case PermissionDecided(decision=decision, grant=grant):
            said = _CONFIRMED.get(decision, "reject")
            said = said if said == "reject" else _GRANTED.get(grant or "", said)
        case ElicitationRequested():
            asked = event.message, event.schema, event.url, event.meta
            return [elicitation(event.request_id, *asked)]
        case ElicitationAnswered(action=action):
            said = action if action in ("accept", "decline") else "cancel"
    return [{"type": "authorization_event", "confirmation": said, "request_id": event.request_id}]


def _usage(session: str, event: SessionEvent, after: Session) -> dict[str, Any]:
    totals = after.totals
    usage: dict[str, Any] = {
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "context_length": 0,
        "context_limit": 0,
        "cost": totals.cost or 0,
    }
    if isinstance(event, UsageReported):
        meta = event.meta or {}
        for name in ("context_length", "context_limit"):
            usage[name] = _count_in(meta, name)
        usage["last_message"] = {
            "input_tokens": event.input_tokens or 0,
            "output_tokens": event.output_tokens or 0,
            "cached_input_tokens": event.cached_tokens or 0,
            "cached_write_tokens": 0,
            "reasoning_tokens": event.reasoning_tokens or 0,
            "Cost": event.cost or 0,
            "Model": text_in(meta, "model"),
        }
    return {"type": "token_usage", "session_id": session, "usage": usage}


def _count_in(meta: Mapping[str, Any], name: str) -> int:
    value: Any = meta.get(name)
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return int(value) if is_count and 0 <= value < _MOST else 0
