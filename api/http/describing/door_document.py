"""The OpenAPI document of a foreign door: made from its routes, in the shapes of its clients."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.http.describing.route_docs import Schema, summary_of
from api.http.routing import Route
from api.version import VERSION

_PARAMETER = re.compile(r"{(\w+):\w+}")
REFERENCE = "#/components/schemas/{model}"
TEXT: Schema = {"type": "string"}
BEARER_OR_PASSWORD: Mapping[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "password": {"type": "http", "scheme": "basic"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a route reads and answers.

    Args:
        queries: The schema of each parameter of the query.
        status: Of its success.
        answer: The schema of that; None has no body.
        media_type: Of that.
        body: The schema of what it takes; None takes nothing.
    """

    queries: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    status: str = "200"
    answer: Schema | None = field(default_factory=dict[str, Any])
    media_type: str = "application/json"
    body: Schema | None = None


def door_document(
    name: str,
    routes: Sequence[Route],
    operation_of: Callable[[str, str], Operation],
    *,
    schemas: Mapping[str, Any],
    refusal: Schema,
    ways_in: Mapping[str, Schema] = BEARER_OR_PASSWORD,
    all_at_once: bool = False,
) -> dict[str, Any]:
    """Return the document of a door.

    Args:
        name: Of the door, as people call it.
        routes: Of the door.
        operation_of: Tells, from a method and a path, what that route reads and answers.
        schemas: What is referred to, by name.
        refusal: The schema of every answer but success.
        ways_in: How a request says who asks.
        all_at_once: A request needs all of these, not one of them.
    """
    needed: list[dict[str, list[str]]] = [{way: []} for way in ways_in]
    if all_at_once:
        needed = [{way: [] for way in ways_in}]
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        described = _operation(route, path, operation_of(route.method, path), refusal)
        described["security"] = [] if route.right is None and not all_at_once else needed
        paths.setdefault(path, {})[route.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Cairn: the {name} door", "version": VERSION},
        "paths": paths,
        "components": {"schemas": dict(schemas), "securitySchemes": dict(ways_in)},
    }


def schemas_of(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Return the schemas of what a door takes, by name, with all that they refer to.

    Args:
        models: The bodies.
    """
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], by_alias=True, ref_template=REFERENCE
    )
    defined: dict[str, Any] = schemas["$defs"]
    return defined


def reference_to(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema that refers to a model."""
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _operation(route: Route, path: str, told: Operation, refusal: Schema) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if told.answer is not None:
        done["content"] = {told.media_type: {"schema": told.answer}}
    operation: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *re.findall(r"[\w-]+", path)]),
        "summary": summary_of(route),
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": TEXT}
                for name in _PARAMETER.findall(route.path)
            ),
            *(
                {"name": name, "in": "query", "schema": schema}
                for name, schema in told.queries.items()
            ),
        ],
        "responses": {
            told.status: done,
            "default": {
                "description": "What is wrong.",
                "content": {"application/json": {"schema": refusal}},
            },
        },
    }
    if told.body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": told.body}}}
    return operation
