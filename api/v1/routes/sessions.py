"""Sessions: create, list, read, delete and wait for them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, get_args
from uuid import UUID

from litestar.response.base import ASGIResponse

from api.http import cursors
from api.http.authorization import narrowed, require_owner
from api.http.preconditions import is_current
from api.http.problems import Problem
from api.http.requests import AnyRequest, Parameters, body_of, header, session_id_of
from api.http.responses import (
    Reply,
    array_json,
    etag,
    json_response,
    location,
    next_link,
    not_modified,
    outcome_response,
    to_json,
)
from api.http.route_docs import (
    AT,
    AT_PROBLEMS,
    CURSOR,
    LIMIT,
    WAIT,
    Describes,
    Parameter,
    choice,
    choices,
    moment,
)
from api.http.routing import delete, get, post
from api.services import caller_of, perform, services_of, use_cases_of
from api.v1.documents.health import lease_document, leased_session
from api.v1.documents.sessions import snapshot_json
from api.v1.schemas.answers import Done, Snapshot
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.session_shape import (
    LeasedSessionAnswer,
    SessionAnswer,
    SessionPage,
    SessionStatus,
)
from api.v1.schemas.sessions import CreateSessionBody
from application.ports.session_rows import SessionFilter, SessionOrder, SortKey
from application.reads.health import Checkup, Standing
from application.reads.queries import PastSession
from application.use_cases.sessions import WantedMessage
from domain.badges import Badge
from domain.session.commands import CreateSession, DeleteSession
from domain.session.state import Status
from domain.values import MAX_EXTERNAL_ID, Owner, rfc3339

_NAMED = ("app", "user", "workspace", "team", "scope", "agent", "type", "tag")
_RANGES = (
    "created_after",
    "created_before",
    "updated_after",
    "updated_before",
    "active_after",
    "active_before",
)
_RELATIVES = ("parent", "root", "forked_from")
_FILTERS = (
    *(*_NAMED, *_RANGES, *_RELATIVES),
    *("status", "badge", "starred", "roots", "external_id", "text", "id_prefix", "metadata."),
)
_STATUSES = tuple(status for status in get_args(Status) if status != "deleted")
_UUID = {"type": "string", "format": "uuid"}
_ID_PREFIX = {"type": "string", "pattern": "^[0-9a-fA-F-]{1,36}$", "examples": ["01890a5d-ac96"]}
_EXTERNAL_ID = {"type": "string", "minLength": 1, "maxLength": MAX_EXTERNAL_ID}
_METADATA = {
    "type": "object",
    "propertyNames": {"pattern": "^metadata\\.", "maxLength": 500},
    "additionalProperties": {"type": "string", "maxLength": 500},
    "examples": [{"metadata.ticket": "4711"}],
}
_BADGES = get_args(Badge)
_SORTS = tuple(sign + key for key in get_args(SortKey) for sign in ("", "-"))
_FLAGS = ("true", "false")
_WITH_HEALTH = choice("include_health", "add how it is, and have that decide the badge", *_FLAGS)


@post("/v1/sessions", right="write")
@Describes(
    "Sessions",
    body=CreateSessionBody,
    answers={201: SessionAnswer, 200: SessionAnswer},
    problems=("session_exists", "invalid_runtime_override"),
)
async def create_session(request: AnyRequest) -> ASGIResponse:
    """Begin a session."""
    body = await body_of(request, CreateSessionBody)
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
        ttl_seconds=body.ttl_seconds,
    )
    messages = [
        WantedMessage(one.role, tuple(one.parts), one.id, one.author) for one in body.messages
    ]
    outcome = await use_cases_of(request).sessions.create(
        await caller_of(request), wanted, messages, session_id=body.id
    )
    return outcome_response(
        outcome,
        status=201 if outcome.changed else 200,
        made=location(outcome.session_id),
    )


@get("/v1/sessions", right="read")
@Describes(
    "Sessions",
    answers={200: SessionPage},
    problems=("invalid_cursor",),
    parameters=(
        *(Parameter(name, f"only those of this {name}") for name in _NAMED),
        choices("status", "only those in one of these states", *_STATUSES),
        choices("badge", "only those that are well, or not, in one of these ways", *_BADGES),
        Parameter("parent", "only the children of this session", _UUID),
        Parameter("root", "only those whose first ancestor is this session", _UUID),
        Parameter("forked_from", "only the forks of this session", _UUID),
        choice(
            "roots", "only those that no other has spawned, or only those that one has", *_FLAGS
        ),
        choice("starred", "only those that are marked, or are not", "true", "false"),
        Parameter("external_id", "only those that their maker calls so", _EXTERNAL_ID),
        Parameter("metadata", "`metadata.KEY=TEXT`: only those whose metadata says so", _METADATA),
        Parameter("text", "only those with this in their title"),
        Parameter("id_prefix", "only those whose id begins with this", _ID_PREFIX),
        *(moment(name, f"only those {name.replace('_', ' ')} this time") for name in _RANGES),
        choice("attachable", "only those that somebody may attach to now, or may not", *_FLAGS),
        _WITH_HEALTH,
        choice("sort", "`-` is descending; `-last_activity_at` when absent", *_SORTS),
        LIMIT,
        CURSOR,
    ),
    linked=True,
)
async def list_sessions(request: AnyRequest) -> ASGIResponse:
    """List sessions, the last said first unless asked otherwise."""
    parameters = Parameters(
        request,
        (*_FILTERS, "attachable", "include_health", "sort", "limit", "cursor"),
        many=("status", "badge"),
    )
    first_id, last_id = parameters.uuids_from("id_prefix")
    app, user = narrowed(request, parameters.text("app"), parameters.text("user"))
    where = SessionFilter(
        app=app,
        user=user,
        workspace=parameters.text("workspace"),
        team=parameters.text("team"),
        scope=parameters.text("scope"),
        agent=parameters.text("agent"),
        status=parameters.some_of("status", _STATUSES),
        type=parameters.text("type"),
        tag=parameters.text("tag"),
        starred=parameters.flag("starred"),
        roots=parameters.flag("roots"),
        external_id=parameters.text("external_id", most=MAX_EXTERNAL_ID),
        facets=parameters.under("metadata."),
        text=parameters.text("text"),
        created_after=parameters.moment("created_after"),
        created_before=parameters.moment("created_before"),
        updated_after=parameters.moment("updated_after"),
        updated_before=parameters.moment("updated_before"),
        active_after=parameters.moment("active_after"),
        active_before=parameters.moment("active_before"),
        badge=parameters.some_of("badge", _BADGES),
        parent=parameters.uuid("parent"),
        root=parameters.uuid("root"),
        forked_from=parameters.uuid("forked_from"),
        first_id=first_id,
        last_id=last_id,
    )
    return await session_page(request, parameters, where, _order(parameters), path="/v1/sessions")


async def session_page(
    request: AnyRequest,
    parameters: Parameters,
    where: SessionFilter,
    order: SessionOrder,
    *,
    path: str,
) -> Reply:
    """Return a page of a list of sessions.

    Args:
        request: Who asks.
        parameters: With `limit` and `cursor`, maybe `attachable` and `include_health`.
        where: Which sessions.
        order: In which order.
        path: Of the list, for the link to the next page.
    """
    services = services_of(request)
    checkups = services.checkups
    limit = parameters.limit()
    attachable = parameters.flag("attachable")
    more = () if attachable is None else (f"attachable {attachable}",)
    badge = where.badge if parameters.flag("include_health") else None
    if badge is not None:
        more = (*more, "badge by health")
    key = cursors.list_key(services.store.identity, where, order, *more)
    given = parameters.text("cursor", most=2000)
    after = cursors.decode(given, key) if given else None

    def wanted(one: Checkup | Standing) -> bool:
        return attachable is None or one.attachable == attachable

    def well(one: Checkup) -> bool:
        return wanted(one) and (badge is None or one.badge in badge)

    chosen = None if attachable is None else wanted
    if parameters.flag("include_health"):
        if badge is not None and "hung" in badge:
            # Of those that are stale the log does not know.
            where = replace(where, badge=None)
        looked_for = chosen if badge is None else well
        full = await checkups.search(where, order, after, limit, checkups.of, looked_for)
        shown, last = [leased_session(one.standing, one) for one in full.found], full.last
    else:
        page = await checkups.search(where, order, after, limit, checkups.standing, chosen)
        shown, last = [leased_session(one) for one in page.found], page.last
    following = cursors.encode(last, order, key) if last else None
    body = b'{"sessions":%s,"next_cursor":%s}' % (array_json(shown), to_json(following))
    headers: dict[str, str] = {}
    if following is not None:
        headers = next_link(request, path, parameters.pairs(), cursor=following)
    return json_response(body, headers=headers)


def _order(parameters: Parameters) -> SessionOrder:
    sort = parameters.one_of("sort", _SORTS) or "-last_activity_at"
    key = next(key for key in get_args(SortKey) if key == sort.removeprefix("-"))
    return SessionOrder(key, descending=sort.startswith("-"))


@get("/v1/sessions/{session_id:str}", right="read")
@Describes(
    "Sessions",
    answers={200: LeasedSessionAnswer},
    problems=AT_PROBLEMS,
    parameters=(_WITH_HEALTH, AT),
    conditional=True,
)
async def get_session(request: AnyRequest) -> ASGIResponse:
    """Read what lists show of one session; who drives it and its health do not move the ETag."""
    services = services_of(request)
    parameters = Parameters(request, ("include_health", "at"))
    with_health, at = parameters.flag("include_health"), parameters.sequence_or_moment("at")
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


def _past_reply(request: AnyRequest, past: PastSession) -> Reply:
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
@Describes("Sessions", body=EmptyBody, answers={200: Done})
async def delete_session(request: AnyRequest) -> ASGIResponse:
    """Set the tombstone; the log stays."""
    await body_of(request, EmptyBody)
    return outcome_response(await perform(request, DeleteSession()))


@get("/v1/sessions/{session_id:str}/status", right="read")
@Describes(
    "Sessions",
    answers={200: SessionStatus},
    problems=AT_PROBLEMS,
    parameters=(WAIT, AT),
    conditional=True,
)
async def get_status(request: AnyRequest) -> ASGIResponse:
    """Read the light status; with `wait`, when it has changed or time is up."""
    services = services_of(request)
    parameters = Parameters(request, ("wait", "at"))
    session_id = session_id_of(request)
    seconds, at = parameters.wait(), parameters.sequence_or_moment("at")
    if at is not None:
        if seconds:
            raise Problem("invalid_parameter", "the past does not change: wait or at", field="at")
        past = await services.queries.session_at(session_id, at)
        if is_current(request, past.session.sequence):
            return not_modified(past.session.sequence)
        document = past.document
        agent = document["agent"]
        return _status_reply(
            session_id,
            past.session.sequence,
            {
                "status": past.session.status,
                "badge": document["badge"],
                "title": document["title"],
                "agent": None if agent is None else agent["name"],
                "usage": document["usage"],
                "num_messages": document["num_messages"],
            },
            position=past.position,
            updated_at=past.updated_at,
        )
    known = None
    if header(request, b"if-none-match") is not None:
        known = partial(is_current, request)
    seen = await services.waits.changed(session_id, seconds, known)
    row = seen.session
    if known is not None and not seen.met and known(row.sequence):
        return not_modified(row.sequence)
    usage = {
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cost": row.cost,
    }
    return _status_reply(
        session_id,
        row.sequence,
        {
            "status": row.status,
            "badge": seen.badge,
            "title": row.title,
            "agent": row.agent,
            "usage": usage,
            "num_messages": row.activity.num_messages,
        },
        position=row.position,
        updated_at=row.updated_at,
    )


def _status_reply(
    session_id: UUID,
    sequence: int,
    told: Mapping[str, Any],
    *,
    position: int,
    updated_at: datetime,
) -> Reply:
    document = {
        "session_id": session_id,
        **told,
        "sequence": sequence,
        "position": position,
        "updated_at": rfc3339(updated_at),
    }
    return json_response(to_json(document), headers={"ETag": etag(sequence)})


@get("/v1/sessions/{session_id:str}/snapshot", right="read")
@Describes(
    "Sessions",
    answers={200: Snapshot},
    problems=AT_PROBLEMS,
    parameters=(AT,),
    conditional=True,
)
async def get_snapshot(request: AnyRequest) -> ASGIResponse:
    """Read all of a session at one sequence, now or in the past."""
    services = services_of(request)
    at = Parameters(request, ("at",)).sequence_or_moment("at")
    session_id = session_id_of(request)
    if at is None and header(request, b"if-none-match") is not None:
        row = await services.queries.session(session_id)
        # While a turn runs, what is being written in it changes without an event.
        if row.turn_id is None and is_current(request, row.sequence):
            return not_modified(row.sequence)
    snapshot = await services.queries.snapshot(session_id, at)
    turn = snapshot.session.turns.running
    written = (
        await services.partials.at(session_id, snapshot.sequence, turn.turn_id)
        if at is None and turn is not None
        else []
    )
    body = snapshot_json(services, snapshot, written)
    return json_response(body, headers={"ETag": etag(snapshot.sequence)})
