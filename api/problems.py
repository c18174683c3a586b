"""Problem details (RFC 9457): the one table from stable codes to HTTP statuses."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from application.errors import ApplicationError
from domain.errors import Conflict, DomainError, Invalid, NotFound

_logger = logging.getLogger("cairn.http")

PROBLEM_JSON = "application/problem+json"
TYPE_BASE = "urn:cairn:problem:"

_STATUS: Mapping[str, int] = {
    "malformed_request": 400,
    "malformed_json": 400,
    "malformed_header": 400,
    "invalid_parameter": 400,
    "invalid_cursor": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "cursor_ahead": 409,
    "version_conflict": 409,
    "idempotency_key_in_flight": 409,
    "stale_sequence": 412,
    "body_too_large": 413,
    "record_too_large": 413,
    "unsupported_media_type": 415,
    "invalid": 422,
    "idempotency_key_reused": 422,
    "limit_reached": 429,
    "busy": 429,
    "internal_error": 500,
    "store_unavailable": 503,
    "outcome_unknown": 503,
    "not_ready": 503,
}
"""Codes of the domain that are not named here go by their branch of its tree."""

_RETRY_AFTER: Mapping[str, int] = {
    "idempotency_key_in_flight": 1,
    "busy": 1,
    "limit_reached": 5,
    "store_unavailable": 2,
    "outcome_unknown": 2,
    "not_ready": 2,
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
}


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
        case DomainError() | ApplicationError():
            return Problem(error.code, error.detail, **error.facts)
        case RecursionError():
            return Problem("malformed_json", "the JSON is nested too deeply")
        case HTTPException():
            code = _CODE_OF_STATUS.get(error.status_code, "internal_error")
            detail = str(error.detail) if error.status_code < 500 else ""
            return Problem(code, detail or HTTPStatus(error.status_code).phrase)
        case _:
            return Problem("internal_error", "something went wrong here; the log has the details")


def status_of(code: str, error: Exception | None = None) -> int:
    """Return the HTTP status of a code.

    Args:
        code: Of a problem.
        error: What it came from: the branch of the domain's tree decides for its leaves.
    """
    if code in _STATUS:
        return _STATUS[code]
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, Conflict):
        return 409
    if isinstance(error, Invalid):
        return 422
    return 500


def document(problem: Problem, status: int, request_id: str) -> dict[str, Any]:
    """Return the JSON object of a problem."""
    return {
        "type": TYPE_BASE + problem.code.replace("_", "-"),
        "title": problem.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
        **problem.facts,
    }


def respond(error: Exception, request_id: str) -> Response[bytes]:
    """Return the answer for an error."""
    problem = problem_of(error)
    status = status_of(problem.code, error)
    facts = problem.facts
    headers: dict[str, str] = {}
    if problem.code in _RETRY_AFTER:
        headers["Retry-After"] = str(_RETRY_AFTER[problem.code])
    if problem.code == "stale_sequence":
        facts["current_etag"] = f'"{facts["head"]}"'
        headers["ETag"] = facts["current_etag"]
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="cairn"'
    if isinstance(error, HTTPException) and error.headers:
        headers |= {name: value for name, value in error.headers.items() if name.lower() == "allow"}
    body = msgspec.json.encode(document(problem, status, request_id))
    return Response(body, status_code=status, media_type=PROBLEM_JSON, headers=headers)


def handle_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a request whose handler raised."""
    if status_of(problem_of(error).code, error) == 500:
        _logger.error("request failed", exc_info=error)
    return respond(error, str(cast("dict[str, Any]", request.scope).get("cairn_request_id", "")))
