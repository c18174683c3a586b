"""The sessions of a session manager: begun, listed, read and deleted."""

from functools import partial

from litestar.response.base import ASGIResponse

from api.agentapi.listing import page_of
from api.agentapi.requests import Refusal, json_of, reply
from api.agentapi.session_settings import settings_of
from api.agentapi.sessions import (
    require_visible,
    row_of,
    session_info,
    visible_route,
    wanted_session,
)
from api.agentapi.signing import done_once, signed_for
from api.http.around.authorization import require_owner
from api.http.around.limits import counted_session, take_session
from api.http.incoming.bodies import read_body
from api.http.incoming.requests import HttpRequest, name_of, signed_by
from api.http.outgoing.responses import Reply, next_link
from api.http.routing import delete, get, post
from api.services import caller_of, services_of
from application.ports.managers.session_routes import SessionRoute
from application.use_cases.managers.forwarded_sessions import Wanted
from domain.errors import Erased, Invalid, SessionNotFound, TooLarge
from domain.session.commands import DeleteSession

SESSIONS = "/api/v1/sessions"
_SESSION = SESSIONS + "/{name:path}"
UNREACHABLE = "X-Session-Managers-Unreachable"
"""Names the session managers whose sessions are missing in a list, each with the reason."""


@post(SESSIONS, right="write")
async def create_session(request: HttpRequest) -> ASGIResponse:
    """Begin a session with settings, which are kept sealed."""
    return await done_once(request, _created(request))


async def _created(request: HttpRequest) -> ASGIResponse:
    sent = await json_of(request)
    settings = settings_of(sent)
    services = services_of(request)
    app = services.settings.session_manager_app
    require_owner(request, app, settings.session.user_id)
    payload = await read_body(request)
    forwarded = services.session_managing.forwarded
    # What another server signs begins here, and goes no further.
    asked = settings.params.manager_id
    manager = forwarded.choose(asked) if signed_for(request) is None else None
    if manager is not None:
        session = settings.session
        whose = (app, session.user_id, session.scope or "user", session.team_id or None)
        # A manager that says nothing may have begun it all the same.
        await take_session(request)
        public_id = await forwarded.create(Wanted(manager, *whose), payload)
        return reply({"session_id": str(public_id)}, status=201)
    # Its signature is kept with the payload, which comes before the session.
    caller = (await caller_of(request))._replace(expected=None, key=None, signed=None)
    wanted = wanted_session(settings, sent, app, services.store.clock.new_id())
    create = services.session_managing.provisioned.create
    begin = partial(create, caller, wanted, payload.decode(), signed_by(request))
    try:
        outcome = await counted_session(request, begin)
    except TooLarge:
        raise
    except Invalid as refused:
        raise Refusal(400, f"invalid request body: {refused.detail}") from None
    return reply({"session_id": str(outcome.session_id)}, status=201)


@get(SESSIONS, right="read")
async def list_sessions(request: HttpRequest) -> ASGIResponse:
    """Return sessions by user, scope, team and status, the newest first."""
    page = await page_of(request)
    headers = {} if page.cursor is None else next_link(request, SESSIONS, cursor=page.cursor)
    if page.unreachable:
        told = (f"{name};reason={why}" for name, why in page.unreachable.items())
        headers[UNREACHABLE] = ", ".join(told)
    return reply({"sessions": page.sessions}, headers=headers)


@get(_SESSION, right="read")
async def get_session(request: HttpRequest) -> ASGIResponse:
    """Return what is told of a session."""
    route = await _route_of(request)
    if route is not None:
        return reply(await services_of(request).session_managing.forwarded.get(route))
    row = await row_of(request)
    return reply(session_info(row), sequence=row.sequence)


@delete(_SESSION, right="write")
async def delete_session(request: HttpRequest) -> ASGIResponse:
    """Delete a session, and what was sealed of it."""
    return await done_once(request, _deleted(request))


async def _deleted(request: HttpRequest) -> ASGIResponse:
    services = services_of(request)
    caller = (await caller_of(request))._replace(key=None)
    try:
        route = await _route_of(request)
        if route is not None:
            await services.session_managing.forwarded.delete(route)
            return Reply(b"", status=204)
        session_id = await require_visible(request)
        outcome = await services.use_cases.do(caller, session_id, DeleteSession())
        if not outcome.changed:
            raise SessionNotFound
    except (SessionNotFound, Erased):
        raise Refusal(404, f"session not found: {name_of(request, 'name')[:200]}") from None
    return Reply(b"", status=204)


async def _route_of(request: HttpRequest) -> SessionRoute | None:
    if signed_for(request) is not None:
        return None
    return await visible_route(request)


ROUTES = (create_session, list_sessions, get_session, delete_session)
