"""Children and forks: spawn, fork, and who comes from whom."""

from functools import partial
from uuid import UUID

from litestar.response.base import ASGIResponse

from api.http.around.limits import counted_session
from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.preconditions import is_current
from api.http.incoming.query import PageQuery, with_query
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.outgoing.responses import (
    etag,
    json_response,
    location,
    not_modified,
    outcome_response,
    to_json,
)
from api.http.routing import get, post
from api.services import caller_of, services_of, use_cases_of
from api.v1.routes.session.session_lists import session_page
from api.v1.schemas.session.lineage import Ancestry, ForkBody, SpawnBody, Spawned
from api.v1.schemas.session.session_shape import SessionAnswer, SessionPage
from application.ports.session.listing import SessionFilter, SessionOrder
from domain.session.commands import CreateSession, SpawnSession
from domain.values import Owner


@post("/v1/sessions/{session_id:str}/spawn", right="write")
@Describes(
    "Lineage",
    body=SpawnBody,
    answers={201: Spawned, 200: Spawned},
    asks=(SpawnSession,),
)
async def spawn_session(request: HttpRequest) -> ASGIResponse:
    """Begin a child session, in one transaction with its parent's word of it."""
    body = await body_of(request, SpawnBody)
    spawn = partial(
        use_cases_of(request).children.spawn,
        await caller_of(request),
        session_id_of(request),
        agent=body.agent.to_domain(),
        ttl_seconds=body.ttl_seconds,
        child_id=body.id,
        role=body.role,
        auto_stop=body.auto_stop,
        grants=body.grants.to_domain() if body.grants else None,
        workspace=body.workspace,
        title=body.title,
        permissions=body.permissions.to_domain() if body.permissions else None,
        limits=body.limits.to_domain() if body.limits else None,
        metadata=body.metadata,
        allow_stopped_parent=body.allow_stopped_parent,
    )
    outcome = await counted_session(request, spawn)
    made = UUID(str(outcome.answer["session"]["id"]))
    return outcome_response(outcome, status=201 if outcome.changed else 200, made=location(made))


@post("/v1/sessions/{session_id:str}/fork", right="write")
@Describes(
    "Lineage",
    body=ForkBody,
    answers={201: SessionAnswer, 200: SessionAnswer},
    asks=(CreateSession,),
    problems=("cursor_ahead", "message_not_found"),
)
async def fork_session(request: HttpRequest) -> ASGIResponse:
    """Begin a session with what another one said and knew after one of its events."""
    body = await body_of(request, ForkBody)
    fork = partial(
        use_cases_of(request).forks.fork,
        await caller_of(request),
        session_id_of(request),
        _different(body),
        at=body.at,
        message_id=body.message_id,
        fork_id=body.id,
    )
    outcome = await counted_session(request, fork)
    return outcome_response(
        outcome, status=201 if outcome.changed else 200, made=location(outcome.session_id)
    )


def _different(body: ForkBody) -> CreateSession:
    """Return the command that begins the fork, as far as the body says."""
    return CreateSession(
        owner=Owner(app="", user=""),
        title=body.title,
        tags=tuple(body.tags),
        agent=body.agent.to_domain() if body.agent else None,
        metadata=body.metadata,
        permissions=body.permissions.to_domain() if body.permissions else None,
        limits=body.limits.to_domain() if body.limits else None,
        starting=body.starting,
        ttl_seconds=body.ttl_seconds,
    )


@get("/v1/sessions/{session_id:str}/children", right="read")
@Describes(
    "Lineage",
    answers={200: SessionPage},
    problems=("invalid_cursor",),
    linked=True,
)
@with_query(PageQuery)
async def list_children(request: HttpRequest, query: PageQuery) -> ASGIResponse:
    """List the sessions that this one spawned, the oldest first."""
    session_id = session_id_of(request)
    await services_of(request).queries.session(session_id)
    where = SessionFilter(parent=session_id)
    order = SessionOrder("created_at", descending=False)
    return await session_page(request, query, where, order, path=location(session_id, "children"))


@get("/v1/sessions/{session_id:str}/ancestry", right="read")
@Describes("Lineage", answers={200: Ancestry}, conditional=True)
async def get_ancestry(request: HttpRequest) -> ASGIResponse:
    """Read which session spawned this one, which spawned that, and so on."""
    services, session_id = services_of(request), session_id_of(request)
    row = await services.queries.session(session_id)
    if is_current(request, row.sequence):
        return not_modified(row.sequence)
    document = {
        "ancestors": await services.use_cases.children.ancestry(session_id),
        "sequence": row.sequence,
    }
    return json_response(to_json(document), headers={"ETag": etag(row.sequence)})
