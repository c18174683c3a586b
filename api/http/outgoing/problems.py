"""Problem details (RFC 9457): the one table from stable codes to HTTP statuses."""

import logging
from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

import msgspec
from litestar.exceptions import HTTPException
from litestar.response.base import ASGIResponse

from api.http.outgoing.rate_limits import rate_limit_fields
from api.http.outgoing.responses import Reply, etag
from domain.errors import (
    AtLimit,
    CairnError,
    Conflict,
    Damaged,
    Denied,
    Gone,
    Invalid,
    Malformed,
    NotFound,
    Stale,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

_logger = logging.getLogger("cairn.http")

PROBLEM_JSON = "application/problem+json"
TYPE_BASE = "urn:cairn:problem:"

_STATUS_OF_DOOR: Mapping[str, int] = {
    "malformed_request": 400,
    "malformed_json": 400,
    "malformed_header": 400,
    "invalid_parameter": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "cross_site": 403,
    "host_not_allowed": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
    "invalid": 422,
    "internal_error": 500,
    "not_implemented": 501,
    "not_ready": 503,
}
"""What the doors themselves say."""

_STATUS_OF_BRANCH: Mapping[type[CairnError], int] = {
    Malformed: 400,
    Unauthenticated: 401,
    Denied: 403,
    NotFound: 404,
    Gone: 410,
    Conflict: 409,
    Stale: 412,
    TooLarge: 413,
    Invalid: 422,
    AtLimit: 429,
    Damaged: 500,
    Unavailable: 503,
}
"""What the program says goes by its branch; `Overtaken` has none, for it is never an answer."""

_RETRY_AFTER: Mapping[str, int] = {
    "idempotency_key_in_flight": 1,
    "busy": 1,
    "limit_reached": 5,
    "queue_full": 5,
    "too_many_tickets": 5,
    "issuer_unavailable": 5,
    "store_unavailable": 2,
    "outcome_unknown": 2,
    "not_ready": 2,
    "overloaded": 1,
    "hook_failed": 2,
}

_CODE_OF_STATUS: Mapping[int, str] = {
    400: "malformed_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
    501: "not_implemented",
}


_DETAIL_OF_CODE: Mapping[str, str] = {
    "not_found": "there is no such path; /docs lists those there are",
    "method_not_allowed": "this path does not take this method; see the header Allow",
    "not_implemented": "no path takes this method",
}
_UNFORESEEN = "something went wrong here; the log has the details"


class Problem(Exception):
    """A request that a door refuses.

    Args:
        code: A word of the table.
        detail: One sentence: what was wrong, what to do.
        **facts: What helps to go on; JSON values.
    """

    def __init__(self, code: str, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.facts = facts


def problem_of(error: Exception) -> Problem:
    """Return what a client is told of an error; nothing internal of one that is unforeseen."""
    match error:
        case Problem():
            return error
        case Invalid() if "field" in error.facts and "errors" not in error.facts:
            named = {"field": error.facts["field"], "message": error.detail, "code": error.code}
            return Problem(error.code, error.detail, errors=[named], **error.facts)
        case CairnError():
            return Problem(error.code, error.detail, **error.facts)
        case RecursionError():
            return Problem("malformed_json", "the JSON is nested too deeply")
        case HTTPException():
            code = _CODE_OF_STATUS.get(error.status_code, "internal_error")
            detail = str(error.detail) if error.status_code < 500 else _UNFORESEEN
            return Problem(code, _DETAIL_OF_CODE.get(code, detail))
        case _:
            return Problem("internal_error", _UNFORESEEN)


def status_of(code: str, error: Exception | None = None) -> int:
    """Return the HTTP status of a code.

    Args:
        code: Of a problem.
        error: What it came from.
    """
    of_branch = status_of_branch(type(error)) if isinstance(error, CairnError) else None
    return of_branch or _STATUS_OF_DOOR.get(code, 500)


def status_of_branch(cls: type[CairnError]) -> int | None:
    """Return the HTTP status of a kind of error; None when its branch has none.

    Args:
        cls: Its class.
    """
    found = (_STATUS_OF_BRANCH[one] for one in cls.__mro__ if one in _STATUS_OF_BRANCH)
    return next(found, None)


def statuses() -> Mapping[str, int]:
    """Return the HTTP status of every code that a client can meet."""
    table = dict(_STATUS_OF_DOOR)
    waiting: list[type[CairnError]] = [CairnError]
    while waiting:
        branch = waiting.pop()
        leaves = branch.__subclasses__()
        waiting += leaves
        status = status_of_branch(branch)
        if not leaves and status is not None:
            table[branch.code] = status
    return table


def document(problem: Problem, status: int, request_id: str) -> dict[str, Any]:
    """Return the JSON object of a problem."""
    return {
        # First, so that a fact that has the name of a member does not take its place.
        **problem.facts,
        "type": TYPE_BASE + problem.code.replace("_", "-"),
        "title": problem.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
    }


def retry_after(code: str, facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the header that says when to try again; none where that is of no use.

    Args:
        code: Of a problem.
        facts: Of the same; `retry_after_seconds` is more exact than the table.
    """
    if "retry_after_seconds" in facts:
        return {"Retry-After": str(max(1, ceil(facts["retry_after_seconds"])))}
    return {"Retry-After": str(_RETRY_AFTER[code])} if code in _RETRY_AFTER else {}


class Told(NamedTuple):
    """What every door says of a request that raised, each in its own shape.

    Args:
        problem: What went wrong.
        status: The HTTP status.
        headers: Of the answer.
    """

    problem: Problem
    status: int
    headers: dict[str, str]


def told_of(error: Exception, request_id: str) -> Told:
    """Return what is said of an error; one that is unforeseen goes to the log.

    Args:
        error: What went wrong.
        request_id: Of the request, for the log.
    """
    problem = problem_of(error)
    status = status_of(problem.code, error)
    if status == 500:
        _logger.error("request %s failed", request_id, exc_info=error)
    headers = retry_after(problem.code, problem.facts)
    if problem.code in ("stale_scope", "stale_sequence"):
        headers["ETag"] = etag(problem.facts["head"])
    if problem.code == "rate_limited":
        limit = problem.facts
        seconds = limit["retry_after_seconds"]
        headers |= rate_limit_fields(limit["limit"], most=limit["most"], left=0, seconds=seconds)
    if status == 401 or "right" in problem.facts:
        headers["WWW-Authenticate"] = _challenge(error, problem.facts.get("right"))
    if isinstance(error, HTTPException) and error.headers:
        headers |= {name: value for name, value in error.headers.items() if name.lower() == "allow"}
    return Told(problem, status, headers)


def _challenge(error: Exception, right: str | None) -> str:
    """Return what a client is to do about its token (RFC 6750, section 3)."""
    challenge = 'Bearer realm="cairn"'
    if right is not None:
        return f'{challenge}, error="insufficient_scope", scope="cairn:{right}"'
    if isinstance(error, Unauthenticated):
        return f'{challenge}, error="invalid_token"'
    # Who has shown no token is told of no error.
    return challenge


def answer_error(error: Exception, request_id: str) -> ASGIResponse:
    """Return the answer to a request that raised."""
    problem, status, headers = told_of(error, request_id)
    if "ETag" in headers:
        problem.facts["current_etag"] = headers["ETag"]
    if status == 416:
        headers["Content-Range"] = f"bytes */{problem.facts['size']}"
    body = msgspec.json.encode(document(problem, status, request_id))
    return Reply(body, status=status, media_type=PROBLEM_JSON, headers=headers)
