"""Sessions: begun, listed, read and deleted."""

from litestar.response.base import ASGIResponse

from api.docker_agent.creating import creation_of, overrides_of
from api.docker_agent.listing import page_of_sessions
from api.docker_agent.requests import Refusal, reply, seconds_of
from api.docker_agent.shapes.sessions import (
    agent_of,
    detail,
    export,
    messages_in,
    row_document,
    snapshot_document,
    whole_document,
)
from api.docker_agent.shapes.wire import CreateSession
from api.http.around.authorization import require_owner
from api.http.around.limits import counted_session
from api.http.incoming.bodies import body_of
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.outgoing.long_polls import while_there
from api.http.routing import delete, get, post
from api.services import caller_of, perform, services_of
from domain.errors import SessionNotFound
from domain.session.commands import DeleteSession
from domain.values import rfc3339

SESSION = "/api/sessions/{session_id:str}"
_USUAL = 10.0


@get("/api/sessions", right="read")
async def list_sessions(request: HttpRequest) -> ASGIResponse:
    """List sessions, the newest first; `limit` and `cursor` read them in pages."""
    rows, headers = await page_of_sessions(request)
    return reply([row_document(row) for row in rows], headers=headers)


@post("/api/sessions", right="write")
async def create_session(request: HttpRequest) -> ASGIResponse:
    """Begin a session from a template."""
    body = await body_of(request, CreateSession)
    command, overrides = creation_of(request, body), overrides_of(body)
    require_owner(request, command.owner.app, command.owner.user)
    caller, services = await caller_of(request), services_of(request)
    create = services.use_cases.sessions.create
    outcome = await counted_session(request, lambda: create(caller, command))
    plainly = caller._replace(expected=None, key=None)
    for override in overrides:
        await services.use_cases.do(plainly, outcome.session_id, override)
    session = (await services.repository.load(outcome.session_id)).session
    created_at = session.lifecycle.created_at
    began = "" if created_at is None else rfc3339(created_at)
    document = whole_document(outcome.session_id, session, began)
    return reply(document, sequence=session.sequence)


@get(SESSION, right="read")
async def get_session(request: HttpRequest) -> ASGIResponse:
    """Read a session with its messages."""
    snapshot = await services_of(request).queries.snapshot(session_id_of(request))
    document = detail(snapshot, messages_in(snapshot))
    return reply(document, sequence=snapshot.sequence)


@get(SESSION + "/status", right="read")
async def get_status(request: HttpRequest) -> ASGIResponse:
    """Read how a session is; with `wait` as soon as somebody drives it."""
    services, session_id = services_of(request), session_id_of(request)
    wait = seconds_of(request, "wait")
    row = await services.queries.session(session_id)
    if wait is not None:
        waiting = services.waits.until(session_id, "attached", wait)
        seen = await while_there(request, wait, waiting)
        if not seen.met:
            raise Refusal(503, "no runtime has attached to this session in time")
        row = seen.session
    session = (await services.repository.load(session_id)).session
    agent = agent_of(session)
    document = {
        "id": str(session_id),
        "title": session.description.title or "",
        "streaming": session.turns.running is not None,
        **({"agent": agent} if agent else {}),
        "input_tokens": session.totals.input_tokens,
        "output_tokens": session.totals.output_tokens,
        "num_messages": session.spoken.messages,
        "attached": row.lease is not None,
    }
    return reply(document, sequence=session.sequence)


@get(SESSION + "/snapshot", right="read")
async def get_snapshot(request: HttpRequest) -> ASGIResponse:
    """Read all of a session at one sequence, from which its events go on."""
    services = services_of(request)
    snapshot = await services.queries.snapshot(session_id_of(request))
    document = await snapshot_document(services, snapshot)
    return reply(document, sequence=snapshot.sequence)


@get(SESSION + "/recovery", right="read")
async def export_for_recovery(request: HttpRequest) -> ASGIResponse:
    """Export one session with its rules, from its log."""
    snapshot = await services_of(request).queries.snapshot(session_id_of(request))
    return reply(export(snapshot, whole=True), sequence=snapshot.sequence)


@delete(SESSION, right="write")
async def delete_session(request: HttpRequest) -> ASGIResponse:
    """Delete a session; its turn is ended in the same append, so nothing is left to wait for."""
    if request.query_params.get("wait", "") not in ("", "true", "false", "1", "0"):
        raise Refusal(400, "wait must be true or false")
    seconds_of(request, "timeout", _USUAL)
    outcome = await perform(request, DeleteSession())
    if not outcome.changed and not outcome.replayed:
        raise SessionNotFound
    return reply({"message": "session deleted"})


ROUTES = (
    list_sessions,
    create_session,
    get_session,
    get_status,
    get_snapshot,
    export_for_recovery,
    delete_session,
)
