"""Who asks, by a token or a ticket: the way into every door that has no other."""

import base64
import binascii
import hmac
from collections.abc import Collection

from api.doors import Authenticate
from api.http.around.authorization import take_ticket
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.problems import Problem
from api.services import Services
from application.errors import Unauthorized
from domain.principal import ANYBODY, Principal

_PREFLIGHT = b"access-control-request-method"
_SPACE = " \t"
ANONYMOUS, _BEARER = Principal(actor=ANYBODY), Principal(actor="bearer")
"""Who shows no token, where that is enough; and who shows the one of the file."""


def by_token(
    token: str | None, open_paths: Collection[str], *, as_password: bool = False
) -> Authenticate:
    """Return what tells who asks by an access token, or by a ticket.

    Args:
        token: The bearer token of a file, which allows everything; None is that there is none.
            Then everybody may do everything, until the first access token is made.
        open_paths: Paths that everybody may ask for.
        as_password: A token is taken as the password of `Authorization: Basic` too, for clients
            that can be given a URL and no header.
    """
    wanted = None if token is None else token.encode()

    async def authenticate(request: HttpRequest) -> Principal:
        scope = request.scope
        services: Services = scope["cairn"]
        authentication = services.authentication
        ticket = take_ticket(request) if scope["query_string"] else None
        shown: bytes | None = scope["cairn_headers"].get(b"authorization")
        given = None if shown is None else _token_in(shown, as_password=as_password)
        if given is not None:
            if wanted is not None and hmac.compare_digest(given.encode("latin-1"), wanted):
                return _BEARER
            principal = await authentication.of_bearer(given)
            if principal is not None:
                return principal
        if ticket is not None:
            return await authentication.of_ticket(ticket, scope["path"])
        if wanted is None and not authentication.is_asked_for:
            return ANONYMOUS
        is_preflight = scope["method"] == "OPTIONS" and _PREFLIGHT in scope["cairn_headers"]
        if is_preflight or scope["path"] in open_paths:
            return ANONYMOUS
        if given:
            raise Unauthorized("this token is wrong, was revoked, or has run out")
        raise Problem("unauthorized", "send the header `Authorization: Bearer <token>`")

    return authenticate


def _token_in(authorization: bytes, *, as_password: bool) -> str | None:
    """Return the token that a request shows, as text of bytes; None when it shows none."""
    scheme, _, shown = authorization.decode("latin-1").partition(" ")
    match scheme.lower():
        case "bearer":
            return shown.strip(_SPACE)
        case "basic" if as_password:
            try:
                named = base64.b64decode(shown.strip(_SPACE), validate=True).decode("latin-1")
            except (binascii.Error, ValueError):
                return None
            return named.partition(":")[2]
        case _:
            return None
