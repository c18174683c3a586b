"""The query of a request, declared once for each route.

A model says what a route takes: `with_query` reads a request by it and hands it to the handler, an
unknown name is refused, and the parameters of the OpenAPI document are made of it.
"""

from collections.abc import Awaitable, Callable
from functools import cache, wraps
from typing import Annotated, Any, ClassVar, TypeVar

from litestar.response.base import ASGIResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.http.incoming.addresses import names_sessions, with_ids
from api.http.incoming.query_values import BadValue, text, whole_number
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.problems import Problem

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_EVENTS = 1000
"""Of a page of events, which ends sooner when it is full by bytes."""


class Query(BaseModel):
    """What a route takes in its query: nothing, unless fields are added."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    prefixes: ClassVar[tuple[str, ...]] = ()
    """Fields that take all parameters that begin with their name and a dot."""

    marks_of: ClassVar[tuple[str, ...]] = ()
    """Parameters that are true or false, and go into the field `marks` by their names."""


_Q = TypeVar("_Q", bound=Query)
Handler = Callable[[HttpRequest], Awaitable[ASGIResponse]]
_MODELS: dict[Handler, type[Query]] = {}

Limit = Annotated[int, whole_number(1, MAX_LIMIT), Field(description="the most that is wanted")]


class PageQuery(Query):
    """Which page of a list is asked for."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Annotated[
        str | None, text(2000), Field(description="`next_cursor` of the page before")
    ] = None


def with_query(
    model: type[_Q],
) -> Callable[[Callable[[HttpRequest, _Q], Awaitable[ASGIResponse]]], Handler]:
    """Declare the query of a route; its handler takes the request and the query.

    Args:
        model: What the query must be.
    """

    def declare(handler: Callable[[HttpRequest, _Q], Awaitable[ASGIResponse]]) -> Handler:
        async def with_sessions(request: HttpRequest) -> ASGIResponse:
            named = await with_ids(request, model, _values(request, model))
            return await handler(request, _validated(model, named))

        @wraps(handler)
        def with_its_query(request: HttpRequest) -> Awaitable[ASGIResponse]:
            if request.scope["query_string"] and names_sessions(model):
                return with_sessions(request)
            return handler(request, query_of(request, model))

        _MODELS[with_its_query] = model
        return with_its_query

    return declare


def without_query(handler: Handler) -> Handler:
    """Refuse every query, unless the handler has declared one."""
    if handler in _MODELS:
        return handler

    @wraps(handler)
    def with_no_query(request: HttpRequest) -> Awaitable[ASGIResponse]:
        if request.scope["query_string"]:
            query_of(request, Query)
        return handler(request)

    _MODELS[with_no_query] = Query
    return with_no_query


def model_of(handler: Handler) -> type[Query]:
    """Return what a handler takes in its query."""
    return _MODELS.get(handler, Query)


def query_of(request: HttpRequest, model: type[_Q]) -> _Q:
    """Return the query of a request.

    Args:
        request: Whose query.
        model: What it must be.

    Raises:
        Problem: 400, a name is not known, or a value makes no sense.
    """
    if not request.scope["query_string"]:
        left_out: _Q = _left_out(model)
        return left_out
    return _validated(model, _values(request, model))


# Most requests have no query, and what is made of that never changes.
@cache
def _left_out(model: type[_Q]) -> _Q:
    return _validated(model, {})


def _validated(model: type[_Q], values: dict[str, Any]) -> _Q:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _refusal(error) from None


def given_of(request: HttpRequest) -> dict[str, str]:
    """Return the query as it was given; what was given several times, with commas."""
    pairs = request.query_params
    return {name: ",".join(pairs.getall(name)) for name in pairs}


def _values(request: HttpRequest, model: type[Query]) -> dict[str, Any]:
    pairs = request.query_params
    known = {field.alias or name for name, field in model.model_fields.items()}
    known.difference_update((*model.prefixes, *(("marks",) if model.marks_of else ())))
    values: dict[str, Any] = {}
    for name in sorted(pairs):
        prefix, dot, rest = name.partition(".")
        given = pairs.getall(name)
        if name in known:
            values[name] = given if len(given) > 1 else given[0]
        elif len(given) > 1 and (dot or name in model.marks_of):
            raise _bad(name, "it is given more than once")
        elif dot and prefix in model.prefixes:
            values.setdefault(prefix, {})[rest] = given[0]
        elif name in model.marks_of:
            values.setdefault("marks", {})[name] = given[0]
        else:
            raise Problem("invalid_parameter", f"unknown parameter {name!r}", field=name)
    return values


def _refusal(error: ValidationError) -> Problem:
    first = error.errors(include_url=False, include_input=False)[0]
    cause = first.get("ctx", {}).get("error")
    name = str(first["loc"][0]) if first["loc"] else ""
    if isinstance(cause, BadValue) and cause.name is not None:
        name = cause.name
    return _bad(name, str(cause or first["msg"]))


def _bad(name: str, why: str) -> Problem:
    return Problem("invalid_parameter", f"{name}: {why}", field=name)


def parameters_of(model: type[Query]) -> list[dict[str, Any]]:
    """Return the parameters of a query for the OpenAPI document.

    Args:
        model: What the query must be.
    """
    described: dict[str, Any] = dict(model.model_json_schema().get("properties", {}))
    if model.marks_of:
        described |= described.pop("marks")["properties"]
    return [_parameter(name, dict(schema)) for name, schema in described.items()]


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    schema.pop("title", None)
    if schema.get("default", ...) in (None, False, [], 0.0):
        del schema["default"]
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": schema.pop("description"),
        "schema": schema,
    }
