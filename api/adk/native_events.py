"""What others have recorded in a session, in the words of google-adk."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.adk.content import url_safe
from api.http.outgoing.responses import from_json
from application.ports.log.events import StoredEvent
from application.use_cases.turn import foreign_events
from domain.session.events import (
    AgentMessage,
    AgentThought,
    ConversationCleared,
    ConversationRewound,
    InputSteered,
    MessageAdded,
    Recorded,
    StatePatched,
    ToolCalled,
    ToolReturned,
    TurnFailed,
    TurnStarted,
)
from domain.values import Part

SHOWN = frozenset(foreign_events.SHOWN) - {"runtime.event"}
"""The types of events that google-adk has a word for."""


def adk_event_of(
    stored: StoredEvent, recorded: Recorded, names: dict[str, str], back_to: str | None = None
) -> dict[str, Any] | None:
    """Return an event of the log as google-adk would say it; None for what it has no word for.

    Args:
        stored: Of the log.
        recorded: What it says.
        names: Those of tools by their calls so far; a call puts its own there.
        back_to: The first invocation that it takes away, if it goes back.
    """
    if isinstance(recorded.event, ToolCalled):
        names[recorded.event.tool_call_id] = recorded.event.name
    said = _said(recorded.event, names, back_to)
    return None if said is None else whole_event(stored, recorded, said)


def whole_event(stored: StoredEvent, recorded: Recorded, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event of google-adk that says something.

    Args:
        stored: Of the log.
        recorded: What it says.
        said: The same in the words of google-adk.
    """
    head: dict[str, Any] = from_json(stored.record)
    actions: dict[str, Any] = {
        "stateDelta": {},
        "artifactDelta": {},
        "requestedAuthConfigs": {},
        "requestedToolConfirmations": {},
    }
    return {
        **said,
        # Outside of turns each is one of its own, so that going back can name it.
        "invocationId": recorded.turn_id or head["id"],
        "author": said.get("author", "agent"),
        "actions": actions | said.get("actions", {}),
        "nodeInfo": {"path": ""},
        "id": head["id"],
        "timestamp": recorded.at.timestamp(),
    }


def closing_of(call: Mapping[str, Any], author: str, status: str) -> dict[str, Any]:
    """Return what google-adk says of a call that its turn ended without an answer to.

    Args:
        call: The `functionCall` of a part.
        author: Who called.
        status: How the call ended.
    """
    answer = _response(call["id"], call.get("name") or "tool", {"error": status})
    return {"content": {"parts": [answer], "role": "user"}, "author": author}


def _said(event: object, names: Mapping[str, str], back_to: str | None) -> dict[str, Any] | None:
    match event:
        case TurnStarted() | InputSteered():
            return {"content": _content("user", event.parts, names), "author": "user"}
        case MessageAdded():
            role = "user" if event.role == "user" else "model"
            author = "user" if event.role == "user" else event.author or event.role
            return {"content": _content(role, event.parts, names), "author": author}
        case AgentMessage() | AgentThought():
            return {"content": _content("model", event.parts, names)}
        case ToolCalled():
            call = _call(event.tool_call_id, event.name, event.input)
            return {"content": {"parts": [call], "role": "model"}, "longRunningToolIds": []}
        case ToolReturned():
            name = names.get(event.tool_call_id, "tool")
            ended = event.status == "completed" or event.output is not None
            output = event.output if ended else {"error": event.status}
            response = _response(event.tool_call_id, name, output)
            return {"content": {"parts": [response], "role": "user"}}
        case StatePatched():
            return {"author": "user", "actions": {"stateDelta": _delta(event)}}
        case ConversationCleared():
            return {"author": "user", "actions": _going_back(back_to)}
        case ConversationRewound():
            actions = {"stateDelta": _delta(event), **_going_back(back_to)}
            return {"author": "user", "actions": actions}
        case TurnFailed():
            return {
                "errorCode": event.failure.kind,
                "errorMessage": event.failure.summary or event.failure.kind,
            }
        case _:
            return None


def _delta(event: StatePatched | ConversationRewound) -> dict[str, Any]:
    return {**event.set, **dict.fromkeys(event.delete)}


def _going_back(to: str | None) -> dict[str, Any]:
    return {} if to is None else {"rewindBeforeInvocationId": to}


def _content(role: str, parts: Sequence[Part], names: Mapping[str, str]) -> dict[str, Any]:
    return {"parts": [_part(one, names) for one in parts], "role": role}


def _part(part: Part, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a part as google-adk has it; its models refuse a field of another type."""
    match part:
        case {"type": "text", "text": str(text)}:
            return {"text": text}
        case {"type": "reasoning", "text": str(text)}:
            return {"text": text, "thought": True}
        case {"type": "image" | "file", "data": str(data)} if data:
            return {"inlineData": _named(part, data=url_safe(data))}
        case {"type": "image" | "file", "url": str(url)}:
            return {"fileData": _named(part, fileUri=url)}
        case {"type": "image" | "file", "blob": str(blob)}:
            return {"fileData": _named(part, fileUri=blob)}
        case {"type": "tool_call", "tool_call_id": str(call), "name": str(name)}:
            return _call(call, name, part.get("input"))
        case {"type": "tool_result", "tool_call_id": str(call)}:
            return _response(call, names.get(call, "tool"), part.get("output"))
        case _:
            # Its name for people, and the rest where clients of google-adk keep what they get.
            return {"text": "", "partMetadata": {"cairn_part": dict(part)}}


def _named(part: Part, **more: str) -> dict[str, Any]:
    told = {**more, "mimeType": part.get("media_type"), "displayName": part.get("name")}
    return {key: value for key, value in told.items() if isinstance(value, str)}


def _call(call_id: str, name: str, value: Any) -> dict[str, Any]:
    return {"functionCall": {"id": call_id, "args": _object(value, "input"), "name": name}}


def _response(call_id: str, name: str, value: Any) -> dict[str, Any]:
    answer = {"id": call_id, "name": name, "response": _object(value, "result")}
    return {"functionResponse": answer}


def _object(value: Any, key: str) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value  # pyright: ignore[reportUnknownVariableType]
    return {} if value is None else {key: value}
