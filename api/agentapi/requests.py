"""Reading requests as agentapi-proxy does, and answering errors in its shape."""

import re
from typing import Any
from urllib.parse import unquote_plus

from litestar.response.base import ASGIResponse

from api.http.incoming.bodies import read_body
from api.http.incoming.json_body import decode, require_plain_json
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.foreign_errors import foreign_error
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import Reply, etag, to_json
from application.errors import ReceivedBefore
from application.ports.managers.session_managers import ManagerUnreachable
from application.use_cases.managers.forwarded_sessions import ManagerRefused
from domain.errors import SessionNotFound
from domain.request_signature import SIGNATURE, TIMESTAMP

SIGNED_HEADERS = (SIGNATURE.lower().encode(), TIMESTAMP.lower().encode())
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})|;")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Refusal(Exception):
    """A request that this door refuses.

    Args:
        status: Of the answer.
        message: One sentence.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


async def json_of(request: HttpRequest) -> Any:
    """Return the body as a JSON value; None when there is none.

    Args:
        request: Whose body.

    Raises:
        Refusal: 400, it is no JSON, or does not say that it is.
    """
    raw = await read_body(request)
    if not raw:
        return None
    try:
        require_plain_json(request.scope["cairn_headers"])
        return decode(raw)
    except Problem as problem:
        code = "code=415, message=" if problem.code == "unsupported_media_type" else ""
        raise Refusal(400, f"invalid request body: {code}{problem.detail}") from None


def query_of(request: HttpRequest, names: frozenset[str]) -> dict[str, str]:
    """Return the parameters of a query that are not empty; of one that is repeated, the first.

    Args:
        request: Whose query.
        names: Those there are.

    Raises:
        Refusal: 400, it is malformed, or has another parameter: a filter that is passed over would
            show what nobody asked for.
    """
    raw: bytes = request.scope["query_string"]
    if _BAD_ESCAPE.search(raw):
        raise Refusal(400, "invalid query: it has a semicolon, or a percent sign that escapes none")
    found: dict[str, str] = {}
    for part in filter(None, raw.decode("latin-1").split("&")):
        name, _, value = (unquote_plus(one) for one in part.partition("="))
        if name not in names:
            raise Refusal(400, f"invalid query: unknown parameter {name[:100]!r}")
        if _CONTROL.search(value):
            raise Refusal(400, f"invalid query: {name} has a control character")
        found.setdefault(name, value)
    return {name: value for name, value in found.items() if value}


def reply(
    value: Any, *, status: int = 200, headers: dict[str, str] | None = None, sequence: int = 0
) -> Reply:
    """Return an answer in JSON.

    Args:
        value: What it says.
        status: The HTTP status.
        headers: Of the answer.
        sequence: Of the session that it tells of, for its ETag; 0 is none.
    """
    tagged = {"ETag": etag(sequence)} if sequence else {}
    return Reply(to_json(value) + b"\n", status=status, headers={**(headers or {}), **tagged})


def answer_error(error: Exception, request_id: str) -> ASGIResponse:
    """Return the answer to a request that raised: `{"message": ...}`.

    Args:
        error: What went wrong.
        request_id: Of the request; it stands in the headers and in the log.
    """
    headers: dict[str, str] = {}
    match error:
        case Refusal() | ManagerRefused():
            status, message = error.status, error.message
        case ReceivedBefore():
            status, message = 401, "this request was received already; sign it anew"
        case ManagerUnreachable():
            status, message = 503 if error.reason == "not-configured" else 502, str(error)
        case SessionNotFound():
            status, message = 404, "session not found"
        case _:
            status, message, headers = foreign_error(error, request_id, challenge=False)
    return reply({"message": message}, status=status, headers=headers)
