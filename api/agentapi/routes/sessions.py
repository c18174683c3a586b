"""The sessions of a session manager: begun, listed, read and deleted."""

from litestar.response.base import ASGIResponse

from api.agentapi.requests import Refusal, json_of, query_of, reply
from api.agentapi.session_settings import settings_of
from api.agentapi.sessions import (
    NATIVE_STATUSES,
    row_of,
    session_info,
    status_of,
    wanted_session,
)
from api.http.around.authorization import narrowed, require_owner
from api.http.around.limits import take
from api.http.incoming import cursors
from api.http.incoming.bodies import read_body
from api.http.incoming.requests import AnyRequest, name_of
from api.http.outgoing.responses import Reply, next_link
from api.http.routing import delete, get, post
from api.services import caller_of, services_of
from application.ports.session_rows import After, ListedSession, SessionFilter, SessionOrder
from domain.errors import Invalid, SessionNotFound, TooLarge

SESSIONS = "/api/v1/sessions"
_SESSION = SESSIONS + "/{name:path}"
_PARAMETERS = frozenset({"user_id", "scope", "team_id", "status", "limit", "cursor"})
_NEWEST_FIRST = SessionOrder(by="created_at")
_MOST = 10_000
_PAGE = 500


@post(SESSIONS, right="write")
async def create_session(request: AnyRequest) -> ASGIResponse:
    """Begin a session with settings, which are kept sealed."""
    sent = await json_of(request)
    settings = settings_of(sent)
    services = services_of(request)
    app = services.settings.session_manager_app
    require_owner(request, app, settings.session.user_id)
    await take(request, "sessions")
    caller = (await caller_of(request))._replace(expected=None, key=None)
    wanted = wanted_session(settings, sent, app, services.store.clock.new_id())
    payload = (await read_body(request)).decode()
    try:
        outcome = await services.provisioned_sessions.create(caller, wanted, payload)
    except TooLarge:
        raise
    except Invalid as refused:
        raise Refusal(400, f"invalid request body: {refused.detail}") from None
    return reply({"session_id": str(outcome.session_id)}, status=201)


@get(SESSIONS, right="read")
async def list_sessions(request: AnyRequest) -> ASGIResponse:
    """Return sessions by user, scope, team and status, the newest first."""
    query = query_of(request, _PARAMETERS)
    rows, following = await _listed(request, query)
    headers = {} if following is None else next_link(request, SESSIONS, cursor=following)
    return reply({"sessions": [session_info(row) for row in rows]}, headers=headers)


async def _listed(
    request: AnyRequest, query: dict[str, str]
) -> tuple[list[ListedSession], str | None]:
    """Return the sessions that a query asks for, and where the next page begins."""
    services = services_of(request)
    most = _limit(query)
    status = query.get("status", "").lower()
    app, user = narrowed(request, services.settings.session_manager_app, query.get("user_id"))
    where = SessionFilter(
        app=app,
        user=user,
        scope=query.get("scope"),
        team=query.get("team_id"),
        status=NATIVE_STATUSES.get(status) if status else None,
    )
    if status and where.status is None:
        return [], None
    key = cursors.list_key(services.store.identity, where, _NEWEST_FIRST, status)
    after = cursors.decode(query["cursor"], key) if "cursor" in query else None
    rows: list[ListedSession] = []
    while True:
        page = await services.queries.sessions(where, _NEWEST_FIRST, after, _PAGE)
        for row in page:
            if status and status_of(row) != status:
                continue
            if len(rows) == most:
                return rows, cursors.encode(rows[-1], _NEWEST_FIRST, key)
            rows.append(row)
        if len(page) < _PAGE:
            return rows, None
        after = After(page[-1].created_at, page[-1].session_id)


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", str(_MOST))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MOST:
        raise Refusal(400, f"invalid query: limit must be 1 to {_MOST}")
    return int(text)


@get(_SESSION, right="read")
async def get_session(request: AnyRequest) -> ASGIResponse:
    """Return what is told of a session."""
    row = await row_of(request)
    return reply(session_info(row), sequence=row.sequence)


@delete(_SESSION, right="write")
async def delete_session(request: AnyRequest) -> ASGIResponse:
    """Delete a session, and what was sealed of it."""
    services = services_of(request)
    caller = (await caller_of(request))._replace(key=None)
    try:
        row = await row_of(request)
        await services.provisioned_sessions.delete(caller, row.session_id)
    except SessionNotFound:
        raise Refusal(404, f"session not found: {name_of(request, 'name')[:200]}") from None
    return Reply(b"", status=204)


ROUTES = (create_session, list_sessions, get_session, delete_session)
