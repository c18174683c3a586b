"""What others have recorded in a session, in the words of google-adk."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.adk.content import url_safe
from api.http.outgoing.responses import from_json
from application.ports.log.events import StoredEvent
from domain.session.events import (
    AgentMessage,
    AgentThought,
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

SHOWN = frozenset(
    (
        *("agent.message", "agent.thought", "input.steered", "message.added", "state.patched"),
        *("tool.called", "tool.returned", "turn.failed", "turn.started"),
    )
)
"""The types of events that google-adk has a word for."""


def adk_event_of(
    stored: StoredEvent, recorded: Recorded, names: dict[str, str]
) -> dict[str, Any] | None:
    """Return an event of the log as google-adk would say it; None for what it has no word for.

    Args:
        stored: Of the log.
        recorded: What it says.
        names: Those of tools by their calls so far; a call puts its own there.
    """
    if isinstance(recorded.event, ToolCalled):
        names[recorded.event.tool_call_id] = recorded.event.name
    said = _said(recorded.event, names)
    if said is None:
        return None
    head: dict[str, Any] = from_json(stored.record)
    actions: dict[str, Any] = {
        "stateDelta": {},
        "artifactDelta": {},
        "requestedAuthConfigs": {},
        "requestedToolConfirmations": {},
    }
    document: dict[str, Any] = {
        **said,
        "invocationId": recorded.turn_id or "",
        "author": said.get("author", "agent"),
        "actions": actions | said.get("actions", {}),
        "nodeInfo": {"path": ""},
        "id": head["id"],
        "timestamp": recorded.at.timestamp(),
    }
    return document


def _said(event: object, names: Mapping[str, str]) -> dict[str, Any] | None:
    match event:
        case TurnStarted() | InputSteered():
            return {"content": _content("user", event.parts), "author": "user"}
        case MessageAdded():
            role = "user" if event.role == "user" else "model"
            author = "user" if event.role == "user" else event.author or event.role
            return {"content": _content(role, event.parts), "author": author}
        case AgentMessage() | AgentThought():
            return {"content": _content("model", event.parts)}
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
            gone = dict.fromkeys(event.delete)
            return {"author": "user", "actions": {"stateDelta": {**event.set, **gone}}}
        case TurnFailed():
            return {
                "errorCode": event.failure.kind,
                "errorMessage": event.failure.summary or event.failure.kind,
            }
        case _:
            return None


def _content(role: str, parts: Sequence[Part]) -> dict[str, Any]:
    return {"parts": [_part(one) for one in parts], "role": role}


def _part(part: Part) -> dict[str, Any]:
    match part.get("type"):
        case "text":
            return {"text": part["text"]}
        case "reasoning":
            return {"text": part["text"], "thought": True}
        case "image" | "file" if part.get("data"):
            return {"inlineData": _named(part, data=url_safe(str(part["data"])))}
        case "image" | "file":
            return {"fileData": _named(part, fileUri=part.get("url"))}
        case "tool_call":
            return _call(part["tool_call_id"], part["name"], part.get("input"))
        case "tool_result":
            return _response(part["tool_call_id"], "tool", part.get("output"))
        case _:
            # Its name for people, and the rest where clients of google-adk keep what they get.
            return {"text": "", "partMetadata": {"cairn_part": dict(part)}}


def _named(part: Part, **more: Any) -> dict[str, Any]:
    told = {**more, "mimeType": part.get("media_type"), "displayName": part.get("name")}
    return {key: value for key, value in told.items() if value is not None}


def _call(call_id: str, name: str, value: Any) -> dict[str, Any]:
    return {"functionCall": {"id": call_id, "args": _object(value, "input"), "name": name}}


def _response(call_id: str, name: str, value: Any) -> dict[str, Any]:
    answer = {"id": call_id, "name": name, "response": _object(value, "result")}
    return {"functionResponse": answer}


def _object(value: Any, key: str) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value  # pyright: ignore[reportUnknownVariableType]
    return {} if value is None else {key: value}
