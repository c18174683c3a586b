"""What is below the id of a session, `/<id>/...`: its native routes, here or where it is kept."""

from collections.abc import Awaitable, Iterable
from dataclasses import replace
from typing import Any

from litestar.response.base import ASGIResponse

from api.agentapi.requests import Refusal
from api.agentapi.reverse_proxy import handed_on, headers_to_send, target_at_manager
from api.agentapi.sessions import require_visible, row_of, visible_route
from api.agentapi.signing import done_once, for_the_first, signed_for
from api.http.around.authorization import authorize, principal_of, require_right
from api.http.incoming.bodies import read_body
from api.http.incoming.requests import HttpRequest, header
from api.http.routing import Route, Router
from api.services import services_of
from application.ports.managers.session_routes import SessionRoute
from application.projections.listed_document import listed_document
from domain.errors import SessionNotFound
from domain.principal import Right

_PATH = "/{name:str}/{rest:path}"
_NATIVE = "/v1/sessions"
_BY_ONE_APPEND = frozenset(
    f"{method} {_NATIVE}/{{session_id:str}}/{path}"
    for method, path in (
        ("POST", "messages"),
        ("PATCH", "messages/{message_id:str}"),
        ("POST", "turns"),
        ("POST", "turns/{turn_id:str}/complete"),
        ("POST", "turns/{turn_id:str}/fail"),
        ("POST", "turns/{turn_id:str}/cancel"),
        ("POST", "inputs"),
        ("PATCH", "state"),
        ("POST", "stop"),
        ("POST", "usage"),
    )
)
"""Native routes that change things by one append only: it keeps the signature, too."""
_RIGHTS: dict[str, Right] = {
    "GET": "read",
    "POST": "write",
    "PUT": "write",
    "PATCH": "write",
    "DELETE": "write",
}


def session_paths(native: Iterable[Route]) -> tuple[Route, ...]:
    """Return the routes below the ids of sessions.

    Args:
        native: Those of the native door; the ones of a session are found here too.
    """
    router = Router([one for one in native if one.path.startswith(_NATIVE + "/{session_id:str}/")])

    async def answer(request: HttpRequest) -> ASGIResponse:
        """Answer what the native route of a session does, or what its manager does."""
        route = await _route_of(request)
        return await (_here(request, router) if route is None else _there(request, route))

    return tuple(Route(method, _PATH, answer, right=right) for method, right in _RIGHTS.items())


async def _route_of(request: HttpRequest) -> SessionRoute | None:
    forwarded = services_of(request).session_managing.forwarded
    if signed_for(request) is not None or not forwarded.managers.names:
        return None  # what another server signs is here, and goes no further
    return await visible_route(request)


async def _here(request: HttpRequest, router: Router) -> ASGIResponse:
    scope = request.scope
    path = _NATIVE + scope["path"]
    # The names of this path are still needed to tell whose session it is.
    found = {**scope, "path": path}
    route = router.find(found)
    theirs = _require_theirs(request)
    if f"{route.method} {route.path}" in _BY_ONE_APPEND:
        return await done_once(request, _native(request, route, found, theirs))
    # Signed, it must be the first of its kind; that is asked beside whose session it is.
    return await _native(request, route, found, for_the_first(request, theirs))


async def _native(
    request: HttpRequest, route: Route, found: dict[str, Any], theirs: Awaitable[None]
) -> ASGIResponse:
    await theirs
    scope, principal = request.scope, principal_of(request)
    scope["path"], scope["path_params"] = found["path"], found["path_params"]
    scope["cairn_route"] = route.path
    allowing = authorize(request, route, principal)
    if allowing is not None:
        await allowing
    return await route.answer(request)


async def _require_theirs(request: HttpRequest) -> None:
    """Refuse a session of another app, or one that is neither the user's nor their team's."""
    on_behalf = signed_for(request)
    if on_behalf is None or on_behalf.team is None:
        await require_visible(request)
        return
    row = await row_of(request)
    if row.user != on_behalf.user:
        document = listed_document(row, services_of(request).store.codec.from_json)
        if document.get("scope") != "team" or document.get("team") != on_behalf.team:
            raise SessionNotFound
    # What else other users have is not there for whoever asks.
    request.scope["cairn_principal"] = replace(principal_of(request), user=row.user)


async def _there(request: HttpRequest, route: SessionRoute) -> ASGIResponse:
    services, principal = services_of(request), principal_of(request)
    if "text/event-stream" in (header(request, b"accept") or ""):
        require_right(principal, "stream")
    if header(request, b"upgrade") is not None:
        raise Refusal(501, "connections that change their protocol are not forwarded")
    answer = await services.session_managing.forwarded.managers.open(
        route.manager,
        request.method,
        target_at_manager(request, route.remote_id),
        await read_body(request),
        headers_to_send(request, principal.user or route.user, route.team),
    )
    return await handed_on(answer, services, request.scope["cairn_request_id"], principal)
