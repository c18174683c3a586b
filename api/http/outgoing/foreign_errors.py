"""What doors with an error body of their own say of a request that raised."""

import logging
from typing import NamedTuple

from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from api.http.outgoing.problems import problem_of, retry_after, status_of
from api.http.outgoing.responses import etag

_logger = logging.getLogger("cairn.http")


class ForeignError(NamedTuple):
    """An error as a door tells it in its own shape.

    Args:
        status: The HTTP status.
        detail: One sentence.
        headers: Of the answer.
    """

    status: int
    detail: str
    headers: dict[str, str]


def foreign_error(error: Exception, request_id: str, *, challenge: bool = True) -> ForeignError:
    """Return what is said of an error that a door has no words of its own for.

    Args:
        error: What went wrong.
        request_id: Of the request, for the log.
        challenge: Whether a refused request is told that a bearer token lets it in.
    """
    if isinstance(error, NotFoundException):
        return ForeignError(404, "Not Found", {})
    allowed: dict[str, str] = {}
    if isinstance(error, HTTPException):
        allowed = {k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"}
    if isinstance(error, MethodNotAllowedException):
        return ForeignError(405, "Method Not Allowed", allowed)
    problem = problem_of(error)
    status = status_of(problem.code, error)
    headers = retry_after(problem.code, problem.facts)
    if status == 500:
        _logger.error("request %s failed", request_id, exc_info=error)
        return ForeignError(status, "Internal Server Error", headers)
    if problem.code == "stale_sequence":
        headers["ETag"] = etag(problem.facts["head"])
    if status == 401 and challenge:
        headers["WWW-Authenticate"] = 'Bearer realm="cairn"'
    return ForeignError(status, problem.detail, {**headers, **allowed})
