"""The OpenAPI document of the agentapi door, made from its routes and from what they read."""

import re
from functools import cache
from typing import Any

from api.agentapi.session_settings import SessionSettings
from api.http.routing import Route
from api.version import VERSION
from domain.request_signature import SIGNATURE, TIMESTAMP

_PARAMETER = re.compile(r"{(\w+):\w+}")
_REF = "#/components/schemas/{model}"
_TEXT = {"type": "string"}
_INFO = {
    "type": "object",
    "required": ["id", "user_id", "status", "created_at"],
    "properties": {
        "id": _TEXT,
        "user_id": _TEXT,
        "status": {
            "type": "string",
            "enum": ["starting", "active", "running", "unhealthy", "stopped", "error", "timeout"],
            "description": "`active` is ready, `running` has a turn.",
        },
        "created_at": {"type": "string", "format": "date-time"},
    },
}
_CREATED = {"type": "object", "required": ["session_id"], "properties": {"session_id": _TEXT}}
_LISTED = {
    "type": "object",
    "required": ["sessions"],
    "properties": {"sessions": {"type": "array", "items": _INFO}},
}
_MESSAGE = {"type": "object", "required": ["message"], "properties": {"message": _TEXT}}
_FILTERS = {
    "user_id": _TEXT,
    "scope": _TEXT,
    "team_id": _TEXT,
    "status": _TEXT,
    "limit": {"type": "integer", "minimum": 1, "maximum": 10_000},
    "cursor": _TEXT,
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
    settings = SessionSettings.model_json_schema(ref_template=_REF)
    schemas: dict[str, Any] = {**settings.pop("$defs"), "SessionSettings": settings}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cairn: the agentapi door", "version": VERSION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "signature": {"type": "apiKey", "in": "header", "name": SIGNATURE},
                "timestamp": {"type": "apiKey", "in": "header", "name": TIMESTAMP},
            },
        },
    }


def _operation(route: Route, path: str) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _TEXT}
        for name in _PARAMETER.findall(route.path)
    ]
    if (route.method, path) == ("GET", "/api/v1/sessions"):
        parameters += [
            {"name": name, "in": "query", "schema": schema} for name, schema in _FILTERS.items()
        ]
    status, schema = _ANSWERS.get((route.method, path), ("200", {}))
    done: dict[str, Any] = {"description": "Done."}
    if schema is not None:
        done["content"] = {"application/json": {"schema": schema}}
    operation: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *re.findall(r"\w+", path)]),
        "summary": (route.handler.__doc__ or "").strip().split("\n")[0],
        "parameters": parameters,
        "responses": {
            status: done,
            "default": {
                "description": "What is wrong.",
                "content": {"application/json": {"schema": _MESSAGE}},
            },
        },
        "security": [{"signature": [], "timestamp": []}],
    }
    if route.method == "POST":
        body = {"$ref": _REF.format(model="SessionSettings")}
        operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return operation
