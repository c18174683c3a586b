"""What a principal may ask of a route: first what it can see, then what its rights allow.

A session, an app or a user that the principal cannot see is 404, as if it did not exist. What it
sees but may not do is 403, with the right that is missing.
"""

from collections.abc import Awaitable

from litestar.exceptions import NotFoundException

from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.http.outgoing.problems import Problem
from api.http.routing import Route
from domain.principal import Principal, Right

_TICKET = b"ticket="


def take_ticket(request: HttpRequest) -> str | None:
    """Return the ticket in the query of a read, and take it out, so that no link repeats it.

    Args:
        request: Whose query.
    """
    scope = request.scope
    query: bytes = scope["query_string"]
    if _TICKET not in query or scope["method"] != "GET":
        return None
    parts = query.split(b"&")
    tickets = [part for part in parts if part.startswith(_TICKET)]
    scope["query_string"] = b"&".join(part for part in parts if part not in tickets)
    return tickets[0][len(_TICKET) :].decode("latin-1") if tickets else None


def principal_of(request: HttpRequest) -> Principal:
    """Return who asks, as the door has found."""
    principal: Principal = request.scope["cairn_principal"]
    return principal


def authorize(request: HttpRequest, route: Route, principal: Principal) -> Awaitable[None] | None:
    """Refuse what is not there for a principal, and what it may not do.

    Args:
        request: What is asked.
        route: What would answer it.
        principal: Who asks.

    Returns:
        What is to be awaited before it is let through; None when it is.

    Raises:
        NotFoundException: It is not there for this principal.
        SessionNotFound: The same, of a session.
        Problem: 403, a right is missing.
    """
    if route.right is None:
        return None
    if principal.sees_all:
        require_right(principal, route.right)
        return None
    return _authorize_in_part(request, route, principal, route.right)


async def _authorize_in_part(
    request: HttpRequest, route: Route, principal: Principal, right: Right
) -> None:
    await _require_there(request, route, principal)
    require_right(principal, right)


def require_right(principal: Principal, right: Right) -> None:
    """Refuse a principal that lacks a right.

    Args:
        principal: Who asks.
        right: What is needed.

    Raises:
        Problem: 403.
    """
    if right not in principal.rights:
        raise Problem("forbidden", f"this token does not allow `{right}`", right=right)


async def _require_there(request: HttpRequest, route: Route, principal: Principal) -> None:
    if route.whole_store:
        raise Problem(
            "forbidden", "this tells of the whole store, and this token is for a part of it"
        )
    named: dict[str, str] = request.path_params
    if "session_id" in named:
        await request.scope["cairn"].sight.require(principal, session_id_of(request))
        return
    if "app" not in named:
        return
    user = name_of(request, "user") if "user" in named else None
    if not principal.sees(name_of(request, "app"), user):
        raise NotFoundException
    if user is None and route.right != "read" and not principal.shares:
        raise Problem(
            "forbidden",
            "this is shared by all users of the app; this token is for one of them, and does not"
            " allow `share`",
            right="share",
        )


def narrowed(
    request: HttpRequest, app: str | None, user: str | None
) -> tuple[str | None, str | None]:
    """Return the app and user that a list is asked for, as far as whoever asks sees them.

    Args:
        request: Who asks.
        app: As the query has it; None is all of them.
        user: The same.
    """
    return principal_of(request).narrowed(app, user)


def owner_of_token(request: HttpRequest) -> dict[str, str]:
    """Return the `app` and the `user` that the token is for, where it is for one alone."""
    principal = principal_of(request)
    bound = {"app": principal.app, "user": principal.user}
    return {name: value for name, value in bound.items() if value is not None}


def require_owner(request: HttpRequest, app: str, user: str) -> None:
    """Refuse to make a session that whoever asks would not see.

    Args:
        request: Who asks.
        app: Of the session to be made.
        user: The same.

    Raises:
        Problem: 403, the token is for another app or user.
    """
    principal = principal_of(request)
    if not principal.sees(app, user):
        told = {"app": principal.app, "user": principal.user}
        facts = {name: value for name, value in told.items() if value is not None}
        raise Problem("forbidden", "this token is for another app or user", **facts)
