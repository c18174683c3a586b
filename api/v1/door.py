"""The native door: the HTTP API, its documents and what operators ask."""

import hmac

from api.doors import Door, Principal
from api.http.problems import Problem, answer_error
from api.http.requests import AnyRequest, header, scope_of
from api.v1.route_table import ROUTES

_OPEN_PATHS = frozenset({"/", "/health", "/ready", "/version"})
_PREFLIGHT = b"access-control-request-method"
_ANONYMOUS, _BEARER = Principal("anonymous"), Principal("bearer")


def native_door(token: str | None) -> Door:
    """Return the native door.

    Args:
        token: The bearer token that is asked for; None asks for none.
    """
    wanted = None if token is None else token.encode()

    async def authenticate(request: AnyRequest) -> Principal:
        if wanted is None:
            return _ANONYMOUS
        scheme, _, given = (header(request, b"authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("latin-1"), wanted
        ):
            return _BEARER
        scope = scope_of(request)
        is_preflight = scope["method"] == "OPTIONS" and _PREFLIGHT in scope["cairn_headers"]
        if is_preflight or scope["path"] in _OPEN_PATHS:
            return _ANONYMOUS
        raise Problem("unauthorized", "send the header `Authorization: Bearer <token>`")

    return Door(
        "native",
        "",
        routes=tuple(ROUTES),
        authenticate=authenticate,
        answer_error=answer_error,
        origin="http",
    )
