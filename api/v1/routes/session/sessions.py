"""One session: create, read and delete it."""

from litestar.response.base import ASGIResponse

from api.http.around.authorization import owner_of_token, require_owner
from api.http.around.limits import counted_session
from api.http.describing.route_docs import (
    AT_PROBLEMS,
    Describes,
)
from api.http.incoming.bodies import body_of
from api.http.incoming.preconditions import is_current
from api.http.incoming.query import Query, with_query
from api.http.incoming.requests import HttpRequest, header, session_id_of
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import (
    Reply,
    etag,
    json_response,
    location,
    not_modified,
    outcome_response,
    to_json,
)
from api.http.routing import delete, get, post
from api.services import caller_of, perform, services_of, use_cases_of
from api.v1.documents.health import lease_document, leased_session
from api.v1.documents.sessions import snapshot_json
from api.v1.schemas.base import Done
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.queries import At, AtQuery
from api.v1.schemas.session.session_queries import WithHealth
from api.v1.schemas.session.session_shape import (
    LeasedSessionAnswer,
    SessionAnswer,
)
from api.v1.schemas.session.sessions import CreateSessionBody
from api.v1.schemas.session.snapshot import Snapshot
from application.reads.query_results import PastSession
from application.use_cases.session.sessions import WantedMessage
from domain.session.commands import CreateSession, DeleteSession
from domain.values import Owner, rfc3339


@post("/v1/sessions", right="write")
@Describes(
    "Sessions",
    body=CreateSessionBody,
    answers={201: SessionAnswer, 200: SessionAnswer},
    asks=(CreateSession,),
    problems=("blob_missing",),
)
async def create_session(request: HttpRequest) -> ASGIResponse:
    """Begin a session."""
    body = await body_of(request, CreateSessionBody, defaults=owner_of_token(request))
    require_owner(request, body.app, body.user)
    wanted = CreateSession(
        owner=Owner(
            app=body.app,
            user=body.user,
            workspace=body.workspace,
            team=body.team,
            scope=body.scope,
        ),
        external_id=body.external_id,
        title=body.title,
        tags=tuple(body.tags),
        agent=body.agent.to_domain() if body.agent else None,
        state=body.state,
        metadata=body.metadata,
        type=body.type,
        starting=body.starting,
        permissions=body.permissions.to_domain() if body.permissions else None,
        grants=body.grants.to_domain() if body.grants else None,
        limits=body.limits.to_domain() if body.limits else None,
        tool_approval=body.tool_approval,
        ttl_seconds=body.ttl_seconds,
    )
    messages = [
        WantedMessage(one.role, tuple(one.parts), one.id, one.author, one.meta)
        for one in body.messages
    ]
    caller, create = await caller_of(request), use_cases_of(request).sessions.create
    outcome = await counted_session(
        request, lambda: create(caller, wanted, messages, session_id=body.id)
    )
    return outcome_response(
        outcome,
        status=201 if outcome.changed else 200,
        made=location(outcome.session_id),
    )


class SessionQuery(Query):
    """When, and whether with its health."""

    include_health: WithHealth = None
    at: At = None


@get("/v1/sessions/{session_id:str}", right="read")
@Describes(
    "Sessions",
    answers={200: LeasedSessionAnswer},
    problems=AT_PROBLEMS,
    conditional=True,
)
@with_query(SessionQuery)
async def get_session(request: HttpRequest, query: SessionQuery) -> ASGIResponse:
    """Read what lists show of one session; who drives it and its health do not move the ETag."""
    services = services_of(request)
    with_health, at = query.include_health, query.at
    if at is not None:
        if with_health:
            raise Problem("invalid_parameter", "health is known of now only", field="at")
        return _past_reply(request, await services.queries.session_at(session_id_of(request), at))
    row = await services.queries.session(session_id_of(request))
    if with_health:
        (checkup,) = await services.checkups.of([row])
        shown = leased_session(checkup.standing, checkup)
    elif is_current(request, row.sequence):
        return not_modified(row.sequence)
    else:
        (standing,) = await services.checkups.standing([row])
        shown = leased_session(standing)
    body = b'{"session":%s,"sequence":%d,"position":%d}' % (
        shown,
        row.sequence,
        row.position,
    )
    return json_response(body, headers={"ETag": etag(row.sequence)})


def _past_reply(request: HttpRequest, past: PastSession) -> Reply:
    sequence = past.session.sequence
    if is_current(request, sequence):
        return not_modified(sequence)
    numbers = {"sequence": sequence, "position": past.position}
    # Who held a lease then is not known any more, and nobody attaches to the past.
    shown = {
        **past.document,
        **numbers,
        "updated_at": rfc3339(past.updated_at),
        **lease_document(None),
        "attachable": False,
    }
    return json_response(to_json({"session": shown, **numbers}), headers={"ETag": etag(sequence)})


@delete("/v1/sessions/{session_id:str}", right="write")
@Describes("Sessions", body=EmptyBody, answers={200: Done}, asks=(DeleteSession,))
async def delete_session(request: HttpRequest) -> ASGIResponse:
    """Set the tombstone; the log stays."""
    await body_of(request, EmptyBody)
    return outcome_response(await perform(request, DeleteSession()))


@get("/v1/sessions/{session_id:str}/snapshot", right="read")
@Describes(
    "Sessions",
    answers={200: Snapshot},
    problems=AT_PROBLEMS,
    conditional=True,
)
@with_query(AtQuery)
async def get_snapshot(request: HttpRequest, query: AtQuery) -> ASGIResponse:
    """Read all of a session at one sequence, now or in the past."""
    services = services_of(request)
    at, session_id = query.at, session_id_of(request)
    if at is None and header(request, b"if-none-match") is not None:
        row = await services.queries.session(session_id)
        # While a turn runs, what is being written in it changes without an event.
        if row.turn_id is None and is_current(request, row.sequence):
            return not_modified(row.sequence)
    # It may be large: what nobody will be sent is not made.
    services.readers.require_room()
    snapshot = await services.queries.snapshot(session_id, at)
    turn = snapshot.session.turns.running
    written = (
        await services.partials.at(session_id, snapshot.sequence, turn.turn_id)
        if at is None and turn is not None
        else []
    )
    body = await snapshot_json(services, session_id, snapshot, written)
    return json_response(body, headers={"ETag": etag(snapshot.sequence)})
