"""The OpenAPI document of the docker-agent door, made from its routes and from what they read."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from api.docker_agent.shapes.answers import ANSWERS, EVENTS, SCHEMAS
from api.docker_agent.shapes.wire import (
    AddSummary,
    BatchOfSessions,
    ChangeMessage,
    CreateSession,
    Elicitation,
    Resume,
    RunAgent,
    SendMessages,
    UpdatePermissions,
    UpdateStarred,
    UpdateTitle,
    UpdateTokens,
)
from api.http.describing.door_document import (
    TEXT,
    Operation,
    door_document,
    reference_to,
    schemas_of,
)
from api.http.routing import Route

_ONE = "/api/sessions/{session_id}"
_BODIES: Mapping[str, type[BaseModel]] = {
    "POST /api/sessions": CreateSession,
    "POST /api/sessions/batch/delete": BatchOfSessions,
    "POST /api/sessions/batch/export": BatchOfSessions,
    f"POST {_ONE}/agent/{{agent}}": RunAgent,
    f"POST {_ONE}/agent/{{agent}}/{{agent_name}}": RunAgent,
    f"POST {_ONE}/steer": SendMessages,
    f"POST {_ONE}/followup": SendMessages,
    f"POST {_ONE}/resume": Resume,
    f"POST {_ONE}/elicitation": Elicitation,
    f"POST {_ONE}/messages": ChangeMessage,
    f"PATCH {_ONE}/messages/{{message_id}}": ChangeMessage,
    f"POST {_ONE}/summaries": AddSummary,
    f"PATCH {_ONE}/title": UpdateTitle,
    f"PATCH {_ONE}/permissions": UpdatePermissions,
    f"PATCH {_ONE}/tokens": UpdateTokens,
    f"PATCH {_ONE}/starred": UpdateStarred,
}
_DURATION = {"type": "string", "examples": ["500ms", "10s", "2m"]}
_QUERIES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "GET /ready": {"wait": _DURATION},
    "GET /api/ready": {"timeout": _DURATION},
    "GET /api/sessions": {
        "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
        "cursor": TEXT,
        "active": {"type": "boolean"},
    },
    f"DELETE {_ONE}": {"wait": {"type": "boolean"}, "timeout": _DURATION},
    f"GET {_ONE}/status": {"wait": _DURATION},
    f"GET {_ONE}/events": {
        "since": {"type": "integer", "minimum": 0},
        "deltas": {"type": "boolean"},
    },
    "POST /api/mcp-oauth/callback": {"state": TEXT, "code": TEXT, "error": TEXT},
}
_MESSAGE = {"type": "object", "required": ["message"], "properties": {"message": TEXT}}


@cache
def document(routes: tuple[Route, ...]) -> dict[str, Any]:
    """Return the document.

    Args:
        routes: Of the door.
    """
    bodies = schemas_of(list(dict.fromkeys(_BODIES.values())))
    return door_document(
        "docker-agent", routes, _operation, schemas={**bodies, **SCHEMAS}, refusal=_MESSAGE
    )


def _operation(method: str, path: str) -> Operation:
    name = f"{method} {path}"
    status, answer = ANSWERS.get(name, ("200", {}))
    body = _BODIES.get(name)
    return Operation(
        queries=_QUERIES.get(name, {}),
        status=status,
        answer=answer,
        media_type="text/event-stream" if answer is EVENTS else "application/json",
        body=None if body is None else reference_to(body),
    )
