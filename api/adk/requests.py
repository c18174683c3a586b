"""Reading requests as google-adk's server does, and answering errors in the shape of FastAPI."""

import json
import math
import re
from typing import Any, TypeVar, cast

from litestar.response.base import ASGIResponse
from pydantic import BaseModel, ValidationError

from api.http.incoming.bodies import read_body
from api.http.incoming.json_body import MAX_DEPTH, decode
from api.http.incoming.requests import HttpRequest, header
from api.http.outgoing.foreign_errors import foreign_error
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import Reply, etag, to_json
from application.errors import IdempotencyKeyReused
from domain.errors import Erased, SessionExists, SessionIsDeleted, SessionNotFound

_M = TypeVar("_M", bound=BaseModel)
_NO_OBJECT = "Input should be a valid dictionary or object to extract fields from"
_NUMBER = re.compile(r"[-+.0-9eE]+", re.ASCII)
_LONE = re.compile(r"[\ud800-\udfff]")
MAX_NAME = 200
"""Characters of an app, a user and a session: as long as names may be in lists."""


class Refusal(Exception):
    """A request that this door refuses.

    Args:
        status: Of the answer.
        detail: A sentence, or a list of what is wrong where.
    """

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(str(detail))
        self.status = status
        self.detail = detail


def fault(kind: str, at: list[int | str], message: str, **context: str) -> Refusal:
    """Return the refusal of a value.

    What was sent is not repeated, as FastAPI does it: it may be a secret.

    Args:
        kind: What pydantic calls it, or would.
        at: Where it stands.
        message: What is wrong.
        **context: More of it.
    """
    told: dict[str, Any] = {"type": kind, "loc": at, "msg": message}
    return Refusal(422, [{**told, "ctx": context} if context else told])


async def json_of(request: HttpRequest) -> Any:
    """Return the body as a JSON value; None when there is none.

    Args:
        request: Whose body.

    Raises:
        Refusal: 422, it is no JSON, or does not say that it is.
    """
    raw = await read_body(request)
    if not raw:
        return None
    media_type = (header(request, b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        # Also what keeps a web page from sending commands to a server on its reader's machine.
        raise fault("model_attributes_type", ["body"], _NO_OBJECT)
    try:
        return decode(raw)
    except Problem as problem:
        return _decoded_leniently(raw, problem.detail)


async def needed_json_of(request: HttpRequest) -> Any:
    """Return the body as a JSON value.

    Args:
        request: Whose body.

    Raises:
        Refusal: 422, there is none, or it is no JSON.
    """
    if not await read_body(request):
        raise fault("missing", ["body"], "Field required")
    return await json_of(request)


def _decoded_leniently(raw: bytes, why: str) -> Any:
    """Return what Python takes for JSON: clients write numbers that are none, which become null."""
    try:
        value = json.loads(
            raw.decode("utf-8-sig"), parse_constant=lambda _: None, parse_float=_finite
        )
    except UnicodeDecodeError:
        raise Refusal(400, "There was an error parsing the body") from None
    except json.JSONDecodeError as error:
        raise fault("json_invalid", ["body", error.pos], "JSON decode error", error=why) from None
    except (ValueError, RecursionError):
        raise fault("json_invalid", ["body"], "JSON decode error", error=why) from None
    if _is_too_deep(value):
        raise fault("json_invalid", ["body"], f"it is nested deeper than {MAX_DEPTH} levels")
    if _LONE.search(json.dumps(value, ensure_ascii=False)):
        raise fault("json_invalid", ["body"], "it has half of a surrogate pair, which no text has")
    return value


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _is_too_deep(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += cast("dict[str, Any]", one).values()
            elif isinstance(one, list):
                below += one
        level = below
    return bool(level)


def parsed(model: type[_M], value: Any, *, at: tuple[str, ...] = ("body",)) -> _M:
    """Return a wire model made of JSON.

    Args:
        model: What it must be.
        value: A JSON value.
        at: Where it stands, for the refusal.

    Raises:
        Refusal: 422, with every field that is not right.
    """
    if not isinstance(value, dict):
        raise fault("model_attributes_type", list(at), _NO_OBJECT)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Refusal(422, [{**one, "loc": [*at, *one["loc"]]} for one in found[:50]]) from None


def number_of(request: HttpRequest, name: str, kind: type[int] | type[float]) -> int | float | None:
    """Return a number of the query; None when it is absent.

    Args:
        request: Whose query.
        name: Of the parameter; others are passed over.
        kind: Whole or not.

    Raises:
        Refusal: 422, it is none, or smaller than 0.
    """
    given = request.query_params.getall(name, [])
    if not given:
        return None
    try:
        if not _NUMBER.fullmatch(given[-1]):
            raise ValueError
        number = kind(given[-1])
        if not math.isfinite(number) or (kind is int and number < 0):
            raise ValueError
    except ValueError:
        must = "it must be a number" if kind is float else "it must be a whole number, 0 or more"
        raise fault(f"{kind.__name__}_parsing", ["query", name], must) from None
    return number


def require_name(value: str, what: str) -> str:
    """Return a name without blanks around it.

    Args:
        value: Of a session, an app or a user.
        what: Which of them, for the refusal.

    Raises:
        Refusal: 422, clients could not address it, or lists not show it.
    """
    name = value.strip()
    wrong = None
    if not name:
        wrong = "is empty"
    elif len(name) > MAX_NAME:
        wrong = f"has {len(name)} characters; at most {MAX_NAME}"
    elif any(ord(one) < 0x20 or ord(one) == 0x7F for one in name):
        wrong = "has control characters"
    elif name in (".", "..") or (what == "session id" and "/" in name):
        wrong = "cannot stand in a path: it has a slash, or is a dot or two"
    if wrong is not None:
        raise Refusal(422, f"The {what} {wrong}.")
    return name


def reply(
    body: bytes, *, sequence: int | None = None, replayed: bool = False, status: int = 200
) -> Reply:
    """Return an answer in JSON.

    Args:
        body: The JSON.
        sequence: Of the session that it tells of, for its ETag.
        replayed: Whether it was done by an earlier request.
        status: The HTTP status.
    """
    headers = {} if sequence is None else {"ETag": etag(sequence)}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return Reply(body, status=status, headers=headers)


def answer_error(error: Exception, request_id: str) -> ASGIResponse:
    """Return the answer to a request that raised: `{"detail": ...}`, as FastAPI has it.

    Args:
        error: What went wrong.
        request_id: Of the request; it stands in the headers and in the log.
    """
    headers: dict[str, str] = {}
    match error:
        case Refusal():
            status, detail = error.status, error.detail
        case SessionNotFound() | SessionIsDeleted() | Erased():
            # A run finds its session when it begins, and not any more a moment later.
            status, detail = 404, "Session not found"
        case SessionExists():
            status, detail = 409, f"Session already exists: {error.facts.get('name', '')}"
        case IdempotencyKeyReused():
            status, detail = 409, "Another event has this id already, or another request this key"
        case _:
            status, detail, headers = foreign_error(error, request_id)
    return Reply(to_json({"detail": detail}), status=status, headers=headers)
