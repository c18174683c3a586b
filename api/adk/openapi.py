"""The OpenAPI document of the ADK door, made from its routes and from what they read."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from api.adk.wire import (
    CreateSession,
    Event,
    RewindSession,
    RunAgent,
    SaveArtifact,
    UpdateMemory,
    UpdateSession,
)
from api.http.describing.door_document import Operation, door_document, reference_to, schemas_of
from api.http.routing import Route

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
            "event": reference_to(Event),
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
    return door_document("ADK", routes, _operation, schemas=schemas_of(_MODELS), refusal=_DETAIL)


def _operation(method: str, path: str) -> Operation:
    end = path.removeprefix("/api")
    tail = end.partition("/users/{user}")[2] or end
    body = _BODIES.get((method, tail))
    return Operation(
        queries={name: {"type": kind} for name, kind in _QUERIES.get((method, tail), {}).items()},
        media_type="text/event-stream" if path.endswith("/run_sse") else "application/json",
        body=reference_to(body) if isinstance(body, type) else body,
    )
