"""The AsyncAPI document of the two streams, from the same models as the OpenAPI document."""

from collections.abc import Iterable
from typing import Any, cast

from api.http.describing.openapi import Json, document
from api.http.routing import Route
from api.v1.schemas.events import RECORDS

_OURS: dict[str, tuple[str, Json]] = {
    "caught-up": ("all that was there has been sent; what follows is live", {"up_to_date": True}),
    "ping": ("nothing happened for a while; the id moves the cursor under filters", {"at": ""}),
    "session.closed": ("the session was deleted: the end", {}),
    "stream.closing": ("the server ends this stream: connect again", {"reason": ""}),
}
_PLACE: Json = {
    "type": "object",
    "properties": {
        "session_id": {"type": "string", "format": "uuid"},
        "turn_id": {"type": "string"},
        "partial": {"const": True},
    },
    "required": ["session_id", "turn_id", "partial"],
}


def streams(handlers: Iterable[Route]) -> Json:
    """Return the AsyncAPI document.

    Args:
        handlers: All routes; only their components are used.

    Raises:
        LookupError: A route does not describe itself.
    """
    described = document(handlers)
    messages: Json = {
        name: {
            "name": name,
            "contentType": "application/json",
            "summary": " ".join((record.__doc__ or "").split()),
            "payload": {"$ref": f"#/components/schemas/{record.__name__}"},
        }
        for name, record in RECORDS.items()
    }
    for name, (summary, example) in _OURS.items():
        head = {} if name == "stream.closing" else {"head": {"type": "integer", "minimum": 0}}
        fields: Json = {**head, **{key: _schema_like(value) for key, value in example.items()}}
        messages[name] = {
            "name": name,
            "summary": summary,
            "payload": {"type": "object", "properties": fields, "required": list(fields)},
        }
    messages["partial"] = {
        "name": "partial",
        "summary": "text of a message that is being written, from `offset` on: no id",
        "payload": {"allOf": [{"$ref": "#/components/schemas/PartialMessage"}, _PLACE]},
    }
    messages["error"] = {
        "name": "error",
        "summary": "a problem in the middle of a stream, and its end",
        "payload": {"$ref": "#/components/schemas/Problem"},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            **described["info"],
            "title": "Cairn streams",
            "license": {"name": described["info"]["license"]["name"]},
        },
        "defaultContentType": "application/json",
        "channels": {
            "session": _channel("/v1/sessions/{session_id}/events", messages),
            "feed": _channel("/v1/events", messages),
        },
        "operations": {
            name: {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
            for name in ("session", "feed")
        },
        "components": {
            "messages": messages,
            "schemas": _without_discriminators(described["components"]["schemas"]),
        },
    }


def _without_discriminators(schema: object) -> Any:
    """Return a schema as AsyncAPI has it, where the constants of a union tell its members apart."""
    if isinstance(schema, list):
        items = cast("list[object]", schema)
        return [_without_discriminators(one) for one in items]
    if isinstance(schema, dict):
        fields = cast("Json", schema)
        return {
            name: _without_discriminators(value)
            for name, value in fields.items()
            if not (name == "discriminator" and "propertyName" in value)
        }
    return schema


def _schema_like(value: Any) -> Json:
    return {"type": "boolean"} if isinstance(value, bool) else {"type": "string"}


def _channel(address: str, messages: Json) -> Json:
    channel: Json = {
        "address": address,
        "description": "server-sent events: GET with `Accept: text/event-stream`",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }
    if "{" in address:
        channel["parameters"] = {"session_id": {"description": "the session"}}
    return channel
