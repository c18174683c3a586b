"""A request: its scope, its headers and what its path names."""

import re
from functools import lru_cache
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.datastructures import MultiDict
from litestar.types import Receive, Scope

from api.http.outgoing.problems import Problem
from application.ports.access.seen_signatures import SignedRequest
from domain.checks import require_name
from domain.errors import Invalid, SessionNotFound


class HttpRequest:
    """A request as a door hands it to its routes; that of Litestar does more, and costs more.

    Args:
        scope: As ASGI has it, with what `api/http/around/middleware.py` put into it.
        receive: Gives its body.
    """

    __slots__ = ("receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        # `cast` is a call, and this is made for each request.
        fields: Any = scope
        self.scope: dict[str, Any] = fields
        self.receive = receive

    @property
    def method(self) -> str:
        """The method, in capitals."""
        method: str = self.scope["method"]
        return method

    @property
    def path_params(self) -> dict[str, str]:
        """What stands in the places of its path, as the router has found."""
        named: dict[str, str] = self.scope["path_params"]
        return named

    @property
    def query_params(self) -> MultiDict[str]:
        """What its query says."""
        asked: Any = self.scope
        return Request[Any, Any, Any](asked).query_params


SIGNED = "cairn_signed"
"""Where a door keeps what a request is known by, when its signature lets it in only once."""

SLASH_IN_A_NAME = "\udc2f"
"""Stands for the slash of an id on its way through the router; no text of a client has it."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_PRINTABLE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def signed_by(request: HttpRequest) -> SignedRequest | None:
    """Return what a request is known by that is let in once; None for all others.

    Args:
        request: Which.
    """
    found: SignedRequest | None = request.scope.get(SIGNED)
    return found


def header(request: HttpRequest, name: bytes) -> str | None:
    """Return a header, None when absent.

    Args:
        request: Whose header.
        name: In lower case.
    """
    value: bytes | None = request.scope["cairn_headers"].get(name)
    return None if value is None else value.decode("latin-1")


def header_text(request: HttpRequest, name: bytes) -> str | None:
    """Return a header that goes into the log.

    Raises:
        Problem: 400, it is not 1 to 200 printable ASCII characters.
    """
    value = header(request, name)
    if value is None:
        return None
    if len(value) > 200 or not _PRINTABLE.fullmatch(value):
        raise Problem(
            "malformed_header", f"{name.decode()} must be 1 to 200 printable ASCII characters"
        )
    return value


def name_of(request: HttpRequest, parameter: str) -> str:
    """Return an id that the path names.

    Args:
        request: Whose path.
        parameter: Such as `turn_id`.
    """
    name: str = request.path_params[parameter]
    return name.replace(SLASH_IN_A_NAME, "/")


def read_name_of(request: HttpRequest, parameter: str) -> str:
    """Return a name that the path of a read has: there is no body in which to name its fault.

    Args:
        request: Whose path.
        parameter: Such as `app`.

    Raises:
        Problem: 400, nothing can have this name.
    """
    name = name_of(request, parameter)
    try:
        require_name(name, parameter)
    except Invalid as error:
        raise Problem("invalid_parameter", error.detail, field=parameter) from None
    return name


def session_id_of(request: HttpRequest) -> UUID:
    """Return the session that the path names.

    Raises:
        SessionNotFound: It is not even a UUID.
    """
    return _session_called(request.scope["path_params"]["session_id"])


# One object for one session is found in dicts by itself, and not by a comparison in Python.
@lru_cache(4096)
def _session_called(text: str) -> UUID:
    found = uuid_in(text)
    if found is None:
        raise SessionNotFound("a session id is a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")
    return found


def uuid_in(text: str) -> UUID | None:
    """Return the id that a text is; None where it is none, or written in another way.

    Args:
        text: Hexadecimal in groups of 8, 4, 4, 4 and 12.
    """
    return UUID(text) if _UUID.fullmatch(text) else None
