"""The OpenAPI document of the ADK door, made from its routes and from what they read."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.adk.wire import (
    CreateSession,
    Event,
    RewindSession,
    RunAgent,
    SaveArtifact,
    UpdateMemory,
    UpdateSession,
)
from api.http.routing import Route
from api.version import VERSION

_PARAMETER = re.compile(r"{(\w+):\w+}")
_REF = "#/components/schemas/{model}"
_STATE = {"type": "object", "description": "keys of the state"}
_BODIES: Mapping[tuple[str, str], type[BaseModel] | dict[str, Any]] = {
    ("POST", "/sessions"): CreateSession,
    ("POST", "/sessions/{name}"): _STATE,
    ("PATCH", "/sessions/{name}"): UpdateSession,
    ("POST", "/sessions/{name}/rewind"): RewindSession,
    ("POST", "/sessions/{name}/artifacts"): SaveArtifact,
    ("PATCH", "/memory"): UpdateMemory,
    ("POST", "/run"): RunAgent,
    ("POST", "/run_sse"): RunAgent,
    ("POST", "/sessions/{name}/events"): {
        "type": "object",
        "required": ["event"],
        "properties": {
            "event": {"$ref": _REF.format(model="Event")},
            "known": {"type": "integer", "minimum": 0},
        },
    },
}
_QUERIES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("GET", "/sessions/{name}"): {"num_recent_events": "integer", "after": "number"},
    ("GET", "/sessions/{name}/artifacts/{artifact}"): {"version": "integer"},
    ("GET", "/list-apps"): {"detailed": "boolean"},
}
_MODELS: Sequence[type[BaseModel]] = (
    CreateSession,
    Event,
    RewindSession,
    RunAgent,
    SaveArtifact,
    UpdateMemory,
    UpdateSession,
)
_DETAIL = {
    "type": "object",
    "required": ["detail"],
    "properties": {"detail": {"type": ["string", "array"]}},
}


@cache
def document(routes: tuple[Route, ...]) -> dict[str, Any]:
    """Return the document.

    Args:
        routes: Of the door.
    """
    _, schemas = models_json_schema(
        [(model, "validation") for model in _MODELS], by_alias=True, ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cairn: the ADK door", "version": VERSION},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _operation(route: Route, path: str) -> dict[str, Any]:
    end = path.removeprefix("/api")
    tail = end.partition("/users/{user}")[2] or end
    names = _PARAMETER.findall(route.path)
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    parameters += [
        {"name": name, "in": "query", "schema": {"type": kind}}
        for name, kind in _QUERIES.get((route.method, tail), {}).items()
    ]
    media = "text/event-stream" if path.endswith("/run_sse") else "application/json"
    operation: dict[str, Any] = {
        "operationId": _operation_id(route.method, path),
        "summary": (route.handler.__doc__ or "").strip().split("\n")[0],
        "parameters": parameters,
        "responses": {
            "200": {"description": "Done.", "content": {media: {"schema": {}}}},
            "default": {
                "description": "What is wrong.",
                "content": {"application/json": {"schema": _DETAIL}},
            },
        },
        "security": [] if route.right is None else [{"bearer": []}, {"password": []}],
    }
    body = _BODIES.get((route.method, tail))
    if body is not None:
        schema = body if isinstance(body, dict) else {"$ref": _REF.format(model=body.__name__)}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def _operation_id(method: str, path: str) -> str:
    return "_".join([method.lower(), *re.findall(r"[\w-]+", path)])
