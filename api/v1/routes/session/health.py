"""How sessions are and who drives them: attach, detach, signs of life, health, and waiting."""

from datetime import timedelta
from typing import Annotated

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.around.authorization import narrowed
from api.http.describing.route_docs import Describes
from api.http.incoming import cursors
from api.http.incoming.bodies import body_of
from api.http.incoming.query import PageQuery, Query, with_query
from api.http.incoming.query_values import one_of, some_of
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.outgoing.long_polls import while_there
from api.http.outgoing.responses import (
    etag,
    json_response,
    location,
    next_link,
    outcome_response,
    to_json,
)
from api.http.routing import get, post
from api.services import caller_of, services_of, use_cases_of
from api.v1.documents.health import health_entry, lease_document
from api.v1.schemas.base import Done
from api.v1.schemas.queries import Flag, Session, Text, Wait
from api.v1.schemas.session.health import (
    AttachBody,
    Attached,
    DetachBody,
    HealthEntry,
    HealthPage,
    PresenceBody,
    Present,
    Waited,
)
from application.ports.session.listing import SessionFilter, SessionOrder
from application.reads.health import Checkup
from application.reads.streams.wait_for import Condition
from domain.health import Health, HealthState
from domain.session.commands import AcquireAttachment, ReleaseAttachment, ReportHealth
from domain.values import rfc3339

_PATH = "/v1/health/sessions"


@post("/v1/sessions/{session_id:str}/attach", right="write")
@Describes(
    "Health",
    body=AttachBody,
    answers={201: Attached, 200: Attached},
    asks=(AcquireAttachment,),
    problems=("lease_held", "lease_not_held"),
)
async def attach_session(request: HttpRequest) -> ASGIResponse:
    """Take the lease on a session, or with `lease_id` renew it."""
    body = await body_of(request, AttachBody)
    attachments, caller = use_cases_of(request).attachments, await caller_of(request)
    session_id, ttl = session_id_of(request), timedelta(seconds=body.ttl_seconds)
    if body.lease_id is not None:
        renewed = await attachments.renew(caller, session_id, body.holder, body.lease_id, ttl)
        return outcome_response(renewed)
    attached = await attachments.attach(caller, session_id, body.holder, ttl)
    return outcome_response(attached, status=201, made=location(attached.session_id, "health"))


@post("/v1/sessions/{session_id:str}/detach", right="write")
@Describes("Health", body=DetachBody, answers={200: Done}, asks=(ReleaseAttachment,))
async def detach_session(request: HttpRequest) -> ASGIResponse:
    """Let go of a session."""
    body = await body_of(request, DetachBody)
    attachments, caller = use_cases_of(request).attachments, await caller_of(request)
    detached = await attachments.detach(caller, session_id_of(request), body.lease_id)
    return outcome_response(detached)


@post("/v1/sessions/{session_id:str}/presence", right="write")
@Describes("Health", body=PresenceBody, answers={200: Present}, asks=(ReportHealth,))
async def report_presence(request: HttpRequest) -> ASGIResponse:
    """Give a sign of life of a session that has not stopped."""
    body = await body_of(request, PresenceBody)
    report = await use_cases_of(request).presence.report(
        await caller_of(request),
        session_id_of(request),
        body.reporter,
        body.process,
        body.detail,
    )
    document = {
        "session_id": report.sign.session_id,
        "reporter": report.sign.reporter,
        "process": report.sign.process,
        "presence_at": rfc3339(report.sign.presence_at),
        "sequence": report.sequence,
        "position": report.position,
    }
    return json_response(to_json(document), headers={"ETag": etag(report.sequence)})


@get("/v1/sessions/{session_id:str}/health", right="read")
@Describes("Health", answers={200: HealthEntry})
async def get_session_health(request: HttpRequest) -> ASGIResponse:
    """Read how a session is; reading it writes nothing."""
    services = services_of(request)
    session = await services.queries.session(session_id_of(request))
    (checkup,) = await services.checkups.of([session])
    return json_response(to_json(health_entry(checkup)))


class HealthQuery(PageQuery):
    """Which sessions."""

    app: Annotated[Text, Field(description="only those of this app")] = None
    user: Annotated[Text, Field(description="only those of this user")] = None
    workspace: Annotated[Text, Field(description="only those of this workspace")] = None
    agent: Annotated[Text, Field(description="only those that this agent answers in")] = None
    session: Annotated[Session, Field(description="only this one")] = None
    state: Annotated[
        tuple[str, ...] | None,
        some_of(HealthState),
        Field(description="only those in one of these states of health"),
    ] = None
    health: Annotated[
        tuple[str, ...] | None, some_of(Health), Field(description="only those that are so")
    ] = None
    eligible: Annotated[Flag, Field(description="only those that may be woken, or may not")] = None


@get(_PATH, right="read")
@Describes(
    "Health",
    answers={200: HealthPage},
    problems=("invalid_cursor",),
    linked=True,
)
@with_query(HealthQuery)
async def list_session_health(request: HttpRequest, query: HealthQuery) -> ASGIResponse:
    """List how sessions are, newest change first."""
    services = services_of(request)
    state, health, eligible = query.state, query.health, query.eligible

    def wanted(checkup: Checkup) -> bool:
        row = checkup.health
        return (
            (state is None or row.state in state)
            and (health is None or row.health in health)
            and (eligible is None or row.eligible_for_wake == eligible)
        )

    app, user = narrowed(request, query.app, query.user)
    where = SessionFilter(
        app=app,
        user=user,
        workspace=query.workspace,
        agent=query.agent,
        first_id=query.session,
        last_id=query.session,
        # Only what is stopped is dead: the others need not be looked at.
        status=("stopped",) if state == ("stopped",) or health == ("dead",) else None,
    )
    order = SessionOrder()
    key = cursors.list_key(
        services.store.identity, where, order, "health", f"{state} {health} {eligible}"
    )
    after = cursors.decode(query.cursor, key) if query.cursor else None
    page = await services.checkups.search(
        where, order, after, query.limit, services.checkups.of, wanted
    )
    following = cursors.encode(page.last, order, key) if page.last else None
    headers: dict[str, str] = {}
    if following is not None:
        headers = next_link(request, _PATH, cursor=following)
    document = {"sessions": [*map(health_entry, page.found)], "next_cursor": following}
    return json_response(to_json(document), headers=headers)


class WaitQuery(Query):
    """What to wait for, and how long."""

    aim: Annotated[
        Condition,
        one_of(Condition),
        Field(alias="for", description="what to wait for; `ready` when absent"),
    ] = "ready"
    wait: Wait = 0.0


@get("/v1/sessions/{session_id:str}/wait", right="read")
@Describes(
    "Health",
    answers={200: Waited},
    etag=True,
)
@with_query(WaitQuery)
async def wait_for_session(request: HttpRequest, query: WaitQuery) -> ASGIResponse:
    """Answer when a session is ready, attached or stopped, or when time is up."""
    session_id = session_id_of(request)
    waiting = services_of(request).waits.until(session_id, query.aim, query.wait)
    seen = await while_there(request, query.wait, waiting)
    session = seen.session
    document = {
        "session_id": session_id,
        "for": query.aim,
        "met": seen.met,
        "status": session.status,
        "badge": seen.badge,
        **lease_document(session.lease),
        "sequence": session.sequence,
        "position": session.position,
        "updated_at": rfc3339(session.updated_at),
    }
    return json_response(to_json(document), headers={"ETag": etag(session.sequence)})
