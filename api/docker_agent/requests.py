"""Reading requests as docker-agent's server does, and answering errors in the shape of Echo."""

import re
from collections.abc import Mapping
from typing import Any

from litestar.response.base import ASGIResponse

from api.http.incoming.requests import HttpRequest
from api.http.outgoing.foreign_errors import foreign_error
from api.http.outgoing.responses import Reply, etag, to_json
from application.errors import IdempotencyKeyReused
from domain.errors import (
    Erased,
    ModelSwitchingUnsupported,
    QueueFull,
    SessionIsDeleted,
    SessionNotFound,
)

LONGEST = 300.0
"""Seconds that a request may wait, whatever it asks for."""

_SECONDS: Mapping[str, float] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_STEP = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_MOST_LETTERS = 64
_OF_A_BODY = frozenset({415, 422})


class Refusal(Exception):
    """A request that this door refuses.

    Args:
        status: Of the answer.
        message: What was wrong, what to do.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def seconds_of(request: HttpRequest, name: str, usual: float | None = None) -> float | None:
    """Return a duration of the query in seconds, at most five minutes.

    Args:
        request: Whose query.
        name: Of the parameter, written as Go does it: `500ms`, `10s`, `1m30s`.
        usual: What it is when it is absent.

    Raises:
        Refusal: 400, it is none.
    """
    given = request.query_params.getall(name, [])
    if not given or not given[0]:
        return usual
    text = given[0]
    steps = list(_STEP.finditer(text[:_MOST_LETTERS]))
    if text == "0":
        return 0.0
    if not steps or "".join(step[0] for step in steps) != text:
        raise Refusal(400, f"invalid {name}: write a duration such as 500ms, 10s or 2m")
    return min(sum(float(step[1]) * _SECONDS[step[2]] for step in steps), LONGEST)


def reply(
    document: Any,
    *,
    status: int = 200,
    sequence: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Return an answer in JSON.

    Args:
        document: What it says.
        status: The HTTP status.
        sequence: Of the session that it tells of, for its ETag.
        headers: Others.
    """
    named = dict(headers or {})
    if sequence is not None:
        named["ETag"] = etag(sequence)
    return Reply(to_json(document), status=status, headers=named)


def answer_error(error: Exception, request_id: str) -> ASGIResponse:
    """Return the answer to a request that raised: `{"message": ...}`, as Echo has it.

    Args:
        error: What went wrong.
        request_id: Of the request; it stands in the headers and in the log.
    """
    headers: dict[str, str] = {}
    match error:
        case Refusal():
            status, message = error.status, error.message
        case SessionNotFound() | SessionIsDeleted() | Erased():
            status, message = 404, "session not found"
        case ModelSwitchingUnsupported():
            status, message = 422, error.detail
        case IdempotencyKeyReused():
            status, message = 409, error.detail
        case QueueFull():
            status, message, headers = 429, error.detail, {"Retry-After": "1"}
        case _:
            status, message, headers = foreign_error(error, request_id)
            # A body that cannot be used is 400 there, whatever is wrong with it.
            status = 400 if status in _OF_A_BODY else status
    return Reply(to_json({"message": message}), status=status, headers=headers)
