"""The OpenAPI document of the agentapi door, made from its routes and from what they read."""

from functools import cache
from typing import Any

from api.agentapi.session_settings import SessionSettings
from api.http.describing.door_document import (
    TEXT,
    Operation,
    door_document,
    reference_to,
    schemas_of,
)
from api.http.routing import Route
from domain.request_signature import SIGNATURE, TIMESTAMP

_INFO = {
    "type": "object",
    "required": ["id", "user_id", "status", "created_at"],
    "properties": {
        "id": TEXT,
        "user_id": TEXT,
        "status": {
            "type": "string",
            "enum": ["starting", "active", "running", "unhealthy", "stopped", "error", "timeout"],
            "description": "`active` is ready, `running` has a turn.",
        },
        "created_at": {"type": "string", "format": "date-time"},
    },
}
_CREATED = {"type": "object", "required": ["session_id"], "properties": {"session_id": TEXT}}
_LISTED = {
    "type": "object",
    "required": ["sessions"],
    "properties": {"sessions": {"type": "array", "items": _INFO}},
}
_MESSAGE = {"type": "object", "required": ["message"], "properties": {"message": TEXT}}
_FILTERS = {
    "user_id": TEXT,
    "scope": TEXT,
    "team_id": TEXT,
    "status": TEXT,
    "created_until": {
        "type": "string",
        "format": "date-time",
        "description": "Sessions that began at this time or earlier.",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": 10_000},
    "cursor": TEXT,
}
_ANSWERS: dict[tuple[str, str], tuple[str, dict[str, Any] | None]] = {
    ("POST", "/api/v1/sessions"): ("201", _CREATED),
    ("GET", "/api/v1/sessions"): ("200", _LISTED),
    ("GET", "/api/v1/sessions/{name}"): ("200", _INFO),
    ("DELETE", "/api/v1/sessions/{name}"): ("204", None),
}


@cache
def document(routes: tuple[Route, ...]) -> dict[str, Any]:
    """Return the document.

    Args:
        routes: Of the door.
    """
    return door_document(
        "agentapi",
        routes,
        _operation,
        schemas=schemas_of([SessionSettings]),
        refusal=_MESSAGE,
        ways_in={
            "signature": {"type": "apiKey", "in": "header", "name": SIGNATURE},
            "timestamp": {"type": "apiKey", "in": "header", "name": TIMESTAMP},
        },
        all_at_once=True,
    )


def _operation(method: str, path: str) -> Operation:
    status, answer = _ANSWERS.get((method, path), ("200", {}))
    return Operation(
        queries=_FILTERS if (method, path) == ("GET", "/api/v1/sessions") else {},
        status=status,
        answer=answer,
        body=reference_to(SessionSettings) if method == "POST" else None,
    )
