"""The native door: the HTTP API, its documents and what operators ask."""

import hmac
from typing import cast

from api.doors import Door
from api.http.problems import Problem, answer_error
from api.http.requests import AnyRequest, header, scope_of
from api.v1.route_table import ROUTES
from api.v1.services import Services
from domain.principal import Principal

_OPEN_PATHS = frozenset(route.path for route in ROUTES if route.right is None)
_PREFLIGHT = b"access-control-request-method"
_ANONYMOUS, _BEARER = Principal(actor="anonymous"), Principal(actor="bearer")


def native_door(token: str | None) -> Door:
    """Return the native door.

    Args:
        token: The bearer token of a file, which allows everything; None is that there is none.
            Then everybody may do everything, until the first access token is made.
    """
    wanted = None if token is None else token.encode()

    async def authenticate(request: AnyRequest) -> Principal:
        scope = scope_of(request)
        known = cast("Services", scope["cairn"]).known_tokens
        scheme, _, shown = (header(request, b"authorization") or "").partition(" ")
        if scheme.lower() == "bearer":
            given = shown.strip()
            if wanted is not None and hmac.compare_digest(given.encode("latin-1"), wanted):
                return _BEARER
            principal = await known.principal(given)
            if principal is not None:
                return principal
        if wanted is None and not known.are_asked_for:
            return _ANONYMOUS
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
