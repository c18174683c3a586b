"""The OpenAPI document, made of what routes say about themselves and of the wire models.

Litestar could generate one, but its handlers here read raw requests and write stored bytes, so it
would know neither. Component schemas come from pydantic: what validates is what is documented.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from api.http.describing.components import REFERENCE, components
from api.http.describing.examples import Example, example_of
from api.http.describing.glossary import description_of_path
from api.http.describing.route_docs import (
    COMMAND_HEADERS,
    IF_NONE_MATCH,
    REQUEST_ID,
    Describes,
    Header,
    Schema,
    description_of,
    summary_of,
)
from api.http.incoming.addresses import ADDRESS_SCHEMA, names_sessions
from api.http.incoming.query import model_of, parameters_of
from api.http.outgoing.problems import PROBLEM_JSON, statuses
from api.http.routing import Route
from api.v1.schemas.answers import Problem
from api.v1.schemas.base import NAME_PATTERN
from api.version import VERSION

Json = dict[str, Any]

_ABOUT = """Cairn keeps the sessions of AI agents as an append-only log of events.

Read a snapshot, then follow `events?since=<its sequence>`: nothing is missed, nothing comes twice.
Every refusal is a problem document with a stable `code`. Clients must let unknown fields of
answers and unknown types of events pass."""

_ALWAYS = (
    "malformed_request",
    "unauthorized",
    "cross_site",
    "host_not_allowed",
    "internal_error",
    "issuer_unavailable",
)
_READS = ("store_unavailable", "overloaded", "rate_limited")
_OF_A_SESSION = ("session_not_found", "ambiguous_name", "erased")
_WRITES = (
    "malformed_json",
    "malformed_header",
    "invalid_parameter",
    "body_too_large",
    "unsupported_media_type",
    "invalid",
    "store_unavailable",
    "outcome_unknown",
    "not_ready",
    "overloaded",
    "rate_limited",
)
_COMMANDS = (
    *_WRITES,
    "record_too_large",
    "state_too_large",
    "stale_sequence",
    "hook_denied",
    "hook_failed",
    "idempotency_key_reused",
    "idempotency_key_in_flight",
    "busy",
    "log_damaged",
)
_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": NAME_PATTERN}
_PATH: Mapping[str, Json] = {
    "session_id": ADDRESS_SCHEMA,
    "webhook_id": {"type": "string", "format": "uuid"},
    "number": {"type": "integer", "minimum": 1, "maximum": 2**31},
    "asset": {"type": "string", "enum": ["docs.css", "docs.js"]},
}
_CHANGES = ("session_deleted", "session_held")

_HEADERS: Json = {
    "X-Request-Id": {"schema": {"type": "string"}, "description": "the id of the request"},
    "ETag": {
        "schema": {"type": "string", "pattern": r'^"([0-9]+|sha256:[0-9a-f]{64})"$'},
        "description": "the sequence of the session; of a blob its name",
    },
    "Location": {
        "schema": {"type": "string", "format": "uri-reference"},
        "description": "where what was made can be read",
    },
    "Link": {
        "schema": {"type": "string"},
        "description": '`<...>; rel="next"`: the page after this one, when there is one',
    },
    "Idempotent-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "this is the answer of an earlier request with the same Idempotency-Key",
    },
    "Retry-After": {"schema": {"type": "integer"}, "description": "seconds"},
    "Allow": {"schema": {"type": "string"}, "description": "the methods there are"},
    "WWW-Authenticate": {"schema": {"type": "string"}},
}


def document(handlers: Iterable[Route], *, token: bool = False) -> Json:
    """Return the OpenAPI document of some routes.

    Args:
        handlers: The routes, in the order in which they are shown.
        token: A bearer token is needed.

    Raises:
        LookupError: A route does not describe itself.
    """
    return _document(tuple(handlers), token)


@cache
def _document(handlers: tuple[Route, ...], token: bool) -> Json:
    described = [(handler, description_of(handler)) for handler in handlers]
    paths: dict[str, Json] = {}
    topics: dict[str, None] = {}
    for handler, description in described:
        topics[description.topic] = None
        operations = paths.setdefault(re.sub(r":\w+}", "}", handler.path), {})
        operations[handler.method.lower()] = _operation(handler, description)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Cairn",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": topic} for topic in topics],
        "security": [{"bearer": []}] if token else [],
        "paths": paths,
        "components": {
            "schemas": components(description for _, description in described),
            "headers": _HEADERS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(handler: Route, told: Describes) -> Json:
    path = handler.path
    write = handler.method != "GET"
    command = write and told.of_sessions
    example = example_of(handler.handler.__name__)
    operation: Json = {
        "operationId": handler.handler.__name__,
        "tags": [told.topic],
        "summary": summary_of(handler),
        "parameters": [
            *(_path_parameter(name, told) for name in re.findall(r"{(\w+):\w+}", path)),
            *parameters_of(model_of(handler.handler)),
            *map(_header, told.headers),
            *map(_header, COMMAND_HEADERS if command else ()),
            *([_header(IF_NONE_MATCH)] if told.conditional else []),
            _header(REQUEST_ID),
        ],
        "responses": {},
    }
    if told.body is not None:
        operation["requestBody"] = {
            "required": _needed(told.body),
            "content": {
                "application/json": {
                    "schema": _ref(told.body),
                    **({} if example.body is None else {"example": example.body}),
                }
            },
        }
    if told.takes:
        file = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(told.takes, file)}
    for status in told.answers:
        operation["responses"][str(status)] = _answer(handler, told, status, command=command)
    if told.conditional:
        operation["responses"]["304"] = {
            "description": "The client has what is current.",
            "headers": _headers("ETag"),
        }
    codes = [*told.refusals(), *_ALWAYS]
    if path.startswith("/v1/"):
        codes += _COMMANDS if command else _WRITES if write else _READS
        if "{session_id" in path:
            codes += _OF_A_SESSION + (_CHANGES if command else ())
        if not write:
            codes.append("invalid_parameter")
    if names_sessions(model_of(handler.handler)) or (told.body and names_sessions(told.body)):
        codes.append("ambiguous_name")
    operation["responses"] |= _refusals(codes, example)
    return operation


_EMPTY = 204


def _needed(body: type[BaseModel]) -> bool:
    return any(field.is_required() for field in body.model_fields.values())


def _answer(handler: Route, told: Describes, status: int, *, command: bool) -> Json:
    model = told.answers[status]
    names: list[str] = []
    if command or told.conditional or told.etag:
        names.append("ETag")
    if command:
        names.append("Idempotent-Replayed")
    if status in (201, 202):
        names.append("Location")
    if told.linked:
        names.append("Link")
    forms = {} if status == _EMPTY else {told.media_type: model, **told.other_forms}
    example = example_of(handler.handler.__name__)
    content = {
        name: {"schema": _schema(form), **example.shown(status, name)}
        for name, form in forms.items()
    }
    said = " ".join(((model and model.__doc__) or summary_of(handler)).split())
    answer: Json = {"description": said, "headers": _headers(*names)}
    return {**answer, "content": content} if content else answer


def _schema(form: type[BaseModel] | Schema | None) -> Json:
    if form is None:
        return {"type": "string"}
    return _ref(form) if isinstance(form, type) else dict(form)


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}


def _path_parameter(name: str, told: Describes) -> Json:
    schema = told.of_path.get(name) or _PATH.get(name, _NAME)
    described: Json = {"name": name, "in": "path", "required": True, "schema": schema}
    return {**described, **description_of_path(name)}


def _header(one: Header) -> Json:
    return {
        "name": one.name,
        "in": "header",
        "required": False,
        "description": one.description,
        "schema": dict(one.schema),
    }


def _refusals(codes: Iterable[str], example: Example) -> Json:
    table = statuses()
    by_status: dict[int, set[str]] = {}
    for code in codes:
        by_status.setdefault(table[code], set()).add(code)
    return {
        str(status): {
            "description": ", ".join(f"`{code}`" for code in sorted(by_status[status])),
            "headers": _headers(*_REFUSAL_HEADERS.get(status, ())),
            "content": {
                PROBLEM_JSON: {"schema": _ref(Problem), **example.shown(status, PROBLEM_JSON)}
            },
            "x-codes": sorted(by_status[status]),
        }
        for status in sorted(by_status)
    }


_REFUSAL_HEADERS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    412: ("ETag",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
