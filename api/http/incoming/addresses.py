"""Sessions that a request names by what their maker calls them: `ext:` and the external id.

Wherever a request names a session, the id of that session is put in the place of such a name before
anything else looks at it: in the path, in parameters of the query and in fields of the body.
"""

import re
from collections.abc import Awaitable
from functools import cache
from typing import Any, cast, get_args
from uuid import UUID

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from api.http.incoming.requests import HttpRequest, name_of
from application.use_cases.session.sessions import id_of
from domain.errors import SessionNotFound
from domain.principal import Principal
from domain.values import MAX_EXTERNAL_ID

_BY_NAME = "ext:"
_TEXT = re.compile(rf"[^\x00-\x1f\x7f]{{1,{MAX_EXTERNAL_ID}}}")
MOST_NAMED = 10_000
"""The most sessions that one list names; a longer list is refused, and none of them looked up."""

ADDRESS_SCHEMA = {
    "anyOf": [
        {"type": "string", "format": "uuid"},
        {
            "type": "string",
            "pattern": r"^ext:[^\x00-\x1f\x7f]+$",
            "maxLength": len(_BY_NAME) + MAX_EXTERNAL_ID,
        },
    ]
}
"""What names a session that is there: its id, or `ext:` and its external id."""


class NamesSession:
    """An annotation of a UUID in a query or a body: the session may be named by `ext:` too."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> Any:
        """Return the schema."""
        return dict(ADDRESS_SCHEMA)


def resolve_session(request: HttpRequest, principal: Principal) -> Awaitable[None] | None:
    """Put the id of a session in the place of its external id in a path.

    Args:
        request: What is asked.
        principal: Who asks; one that sees a single app means the session of that app.

    Returns:
        What is to be awaited until that is done; None where the path has no external id.

    Raises:
        SessionNotFound: No session has the external id.
        AmbiguousName: Sessions of several apps have it.
    """
    named: dict[str, str] = request.scope["path_params"]
    if not named.get("session_id", "").startswith(_BY_NAME):
        return None
    return _resolve(request, principal)


async def _resolve(request: HttpRequest, principal: Principal) -> None:
    external_id = name_of(request, "session_id").removeprefix(_BY_NAME)
    if not _TEXT.fullmatch(external_id):
        raise SessionNotFound("an external id is 1 to 255 characters, none of them a control one")
    request.path_params["session_id"] = str(await _id_called(request, principal, external_id))


@cache
def names_sessions(model: type[BaseModel]) -> bool:
    """Return whether fields of a model name sessions.

    Args:
        model: Of a query or a body.
    """
    return bool(_fields_of(model))


async def with_ids(request: HttpRequest, model: type[BaseModel], value: Any) -> Any:
    """Return what was given for a model, with ids in the place of external ids.

    A name that nobody has becomes an id that nobody has, so that both are answered alike. What is
    no name at all stays, for the model to refuse.

    Args:
        request: What is asked.
        model: Whose fields may name sessions.
        value: The query or the decoded body.

    Raises:
        AmbiguousName: Sessions of several apps have an external id.
    """
    if not isinstance(value, dict):
        return value
    given = cast("dict[str, Any]", value)
    found: dict[str, Any] = {}
    for field in given.keys() & _fields_of(model):
        named = given[field]
        if not isinstance(named, list):
            found[field] = await _with_id(request, named)
        elif len(names := cast("list[object]", named)) <= MOST_NAMED:
            found[field] = [await _with_id(request, name) for name in names]
    return {**given, **found}


async def _with_id(request: HttpRequest, named: object) -> object:
    if not (isinstance(named, str) and named.startswith(_BY_NAME)):
        return named
    external_id = named.removeprefix(_BY_NAME)
    if not _TEXT.fullmatch(external_id):
        return named
    try:
        found = await _id_called(request, request.scope["cairn_principal"], external_id)
    except SessionNotFound:
        found = id_of("", external_id)
    return str(found)


async def _id_called(request: HttpRequest, principal: Principal, external_id: str) -> UUID:
    if principal.app is not None:
        return id_of(principal.app, external_id)
    found: UUID = await request.scope["cairn"].queries.called(external_id)
    return found


@cache
def _fields_of(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(
        field.alias or name
        for name, field in model.model_fields.items()
        if any(map(_is_marked, (field.annotation, *field.metadata)))
    )


def _is_marked(annotation: Any) -> bool:
    return isinstance(annotation, NamesSession) or any(map(_is_marked, get_args(annotation)))
