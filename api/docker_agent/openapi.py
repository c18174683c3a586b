"""The OpenAPI document of the docker-agent door, made from its routes and from what they read."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

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
from api.http.routing import Route
from api.version import VERSION

_PARAMETER = re.compile(r"{(\w+):\w+}")
_REF = "#/components/schemas/{model}"
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
_TEXT: Mapping[str, str] = {"type": "string"}
_DURATION = {"type": "string", "examples": ["500ms", "10s", "2m"]}
_QUERIES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "GET /ready": {"wait": _DURATION},
    "GET /api/ready": {"timeout": _DURATION},
    "GET /api/sessions": {
        "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
        "cursor": _TEXT,
        "active": {"type": "boolean"},
    },
    f"DELETE {_ONE}": {"wait": {"type": "boolean"}, "timeout": _DURATION},
    f"GET {_ONE}/status": {"wait": _DURATION},
    f"GET {_ONE}/events": {
        "since": {"type": "integer", "minimum": 0},
        "deltas": {"type": "boolean"},
    },
    "POST /api/mcp-oauth/callback": {"state": _TEXT, "code": _TEXT, "error": _TEXT},
}
_MESSAGE = {"type": "object", "required": ["message"], "properties": {"message": _TEXT}}


@cache
def document(routes: tuple[Route, ...]) -> dict[str, Any]:
    """Return the document.

    Args:
        routes: Of the door.
    """
    models = {one.__name__: one for one in _BODIES.values()}
    _, bodies = models_json_schema(
        [(one, "validation") for one in models.values()], by_alias=True, ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cairn: the docker-agent door", "version": VERSION},
        "paths": paths,
        "components": {
            "schemas": {**bodies["$defs"], **SCHEMAS},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _operation(route: Route, path: str) -> dict[str, Any]:
    name = f"{route.method} {path}"
    parameters: list[dict[str, Any]] = [
        {"name": one, "in": "path", "required": True, "schema": _TEXT}
        for one in _PARAMETER.findall(route.path)
    ]
    parameters += [
        {"name": one, "in": "query", "schema": schema}
        for one, schema in _QUERIES.get(name, {}).items()
    ]
    status, schema = ANSWERS.get(name, ("200", {}))
    media = "text/event-stream" if schema is EVENTS else "application/json"
    operation: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *re.findall(r"\w+", path)]),
        "summary": (route.handler.__doc__ or "").strip().split("\n")[0],
        "parameters": parameters,
        "responses": {
            status: {"description": "Done.", "content": {media: {"schema": schema}}},
            "default": {
                "description": "What is wrong.",
                "content": {"application/json": {"schema": _MESSAGE}},
            },
        },
        "security": [] if route.right is None else [{"bearer": []}, {"password": []}],
    }
    body = _BODIES.get(name)
    if body is not None:
        given = {"$ref": _REF.format(model=body.__name__)}
        operation["requestBody"] = {"content": {"application/json": {"schema": given}}}
    return operation
