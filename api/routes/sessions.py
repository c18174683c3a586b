"""Sessions: create, list, read, describe, delete, stop and resume."""

from typing import Any, get_args
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.response.base import ASGIResponse

from api import cursors
from api.describe import AT, CURSOR, LIMIT, WAIT, Describes, Parameter, choice, moment
from api.requests import (
    NIL,
    AnyRequest,
    Parameters,
    body_of,
    header,
    is_current,
    session_id_of,
)
from api.responses import (
    array_json,
    etag,
    json_response,
    location,
    next_link,
    not_modified,
    outcome_response,
    session_json,
    to_json,
)
from api.schemas.answers import (
    Done,
    SessionAnswer,
    SessionPage,
    SessionStatus,
    Snapshot,
    StatusDone,
)
from api.schemas.commands import (
    CreateSessionBody,
    DescribeSessionBody,
    EmptyBody,
    StopSessionBody,
)
from api.services import Services, handle, services_of
from application.listing import session_document
from application.ports import SessionFilter, SessionOrder, SortKey
from domain.session.commands import (
    CreateSession,
    DeleteSession,
    DescribeSession,
    FirstMessage,
    ResumeSession,
    StopSession,
)
from domain.session.state import Session, Status
from domain.values import Failure, Owner, rfc3339

_NAMED = ("app", "user", "workspace", "team", "scope", "agent", "type", "tag")
_RANGES = ("created_after", "created_before", "updated_after", "updated_before")
_FILTERS = (*_NAMED, *_RANGES, "status", "starred", "text")
_STATUSES = tuple(status for status in get_args(Status) if status != "deleted")
_SORTS = tuple(sign + key for key in get_args(SortKey) for sign in ("", "-"))


@post("/v1/sessions")
@Describes(
    "Sessions",
    body=CreateSessionBody,
    answers={201: SessionAnswer, 200: SessionAnswer},
    problems=("session_exists",),
)
async def create_session(request: AnyRequest) -> ASGIResponse:
    """Begin a session."""
    services = services_of(request)
    body = await body_of(request, CreateSessionBody)
    session_id = body.id or services.clock.new_id()
    command = CreateSession(
        owner=Owner(
            app=body.app,
            user=body.user,
            workspace=body.workspace,
            team=body.team,
            scope=body.scope,
        ),
        title=body.title,
        tags=tuple(body.tags),
        agent=body.agent.to_domain() if body.agent else None,
        state=body.state,
        metadata=body.metadata,
        messages=tuple(
            FirstMessage(
                message_id=message.id or services.new_name(),
                role=message.role,
                parts=tuple(message.parts),
                author=message.author,
            )
            for message in body.messages
        ),
    )

    def answer(session: Session) -> dict[str, Any]:
        document = session_document(session_id, session)
        document["sequence"] = session.sequence
        document["updated_at"] = document["created_at"]
        return {"session": document}

    outcome = await handle(
        request, command, session_id=session_id, idempotency_scope=NIL, answer=answer
    )
    return outcome_response(
        outcome,
        status=201 if outcome.changed else 200,
        made=location(outcome.session_id),
    )


@get("/v1/sessions")
@Describes(
    "Sessions",
    answers={200: SessionPage},
    problems=("invalid_cursor",),
    parameters=(
        *(Parameter(name, f"only those of this {name}") for name in _NAMED),
        choice("status", "only those in this state", *_STATUSES),
        choice("starred", "only those that are marked, or are not", "true", "false"),
        Parameter("text", "only those with this in their title"),
        *(moment(name, f"only those {name.replace('_', ' ')} this time") for name in _RANGES),
        choice("sort", "`-` is descending; `-updated_at` when absent", *_SORTS),
        LIMIT,
        CURSOR,
    ),
    linked=True,
)
async def list_sessions(request: AnyRequest) -> ASGIResponse:
    """List sessions, newest change first unless asked otherwise."""
    services = services_of(request)
    parameters = Parameters(request, (*_FILTERS, "sort", "limit", "cursor"))
    where = SessionFilter(
        app=parameters.text("app"),
        user=parameters.text("user"),
        workspace=parameters.text("workspace"),
        team=parameters.text("team"),
        scope=parameters.text("scope"),
        agent=parameters.text("agent"),
        status=parameters.one_of("status", _STATUSES),
        type=parameters.text("type"),
        tag=parameters.text("tag"),
        starred=parameters.flag("starred"),
        text=parameters.text("text"),
        created_after=parameters.moment("created_after"),
        created_before=parameters.moment("created_before"),
        updated_after=parameters.moment("updated_after"),
        updated_before=parameters.moment("updated_before"),
    )
    order = _order(parameters)
    limit = parameters.limit()
    key = cursors.list_key(services.store.identity, where, order)
    given = parameters.text("cursor", most=2000)
    after = cursors.decode(given, key) if given else None
    rows = await services.queries.sessions(where, order, after, limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    following = cursors.encode(rows[-1], order, key) if more else None
    body = b'{"sessions":%s,"next_cursor":%s}' % (
        array_json([session_json(row) for row in rows]),
        to_json(following),
    )
    headers: dict[str, str] = {}
    if following is not None:
        headers = next_link("/v1/sessions", parameters.pairs(), cursor=following)
    return json_response(body, headers=headers)


def _order(parameters: Parameters) -> SessionOrder:
    sort = parameters.one_of("sort", _SORTS) or "-updated_at"
    key = next(key for key in get_args(SortKey) if key == sort.removeprefix("-"))
    return SessionOrder(key, descending=sort.startswith("-"))


@get("/v1/sessions/{session_id:str}")
@Describes("Sessions", answers={200: SessionAnswer}, conditional=True)
async def get_session(request: AnyRequest) -> ASGIResponse:
    """Read what lists show of one session."""
    Parameters(request, ())
    row = await services_of(request).queries.session(session_id_of(request))
    if is_current(request, row.sequence):
        return not_modified(row.sequence)
    body = b'{"session":%s,"sequence":%d,"position":%d}' % (
        session_json(row),
        row.sequence,
        row.position,
    )
    return json_response(body, headers={"ETag": etag(row.sequence)})


@patch("/v1/sessions/{session_id:str}")
@Describes("Sessions", body=DescribeSessionBody, answers={200: Done})
async def describe_session(request: AnyRequest) -> ASGIResponse:
    """Change the title, the mark or the tags."""
    body = await body_of(request, DescribeSessionBody)
    command = DescribeSession(
        fields=frozenset(body.model_fields_set),
        title=body.title,
        starred=body.starred,
        tags=tuple(body.tags),
    )
    return outcome_response(await handle(request, command))


@delete("/v1/sessions/{session_id:str}", status_code=200)
@Describes("Sessions", body=EmptyBody, answers={200: Done})
async def delete_session(request: AnyRequest) -> ASGIResponse:
    """Set the tombstone; the log stays."""
    await body_of(request, EmptyBody)
    return outcome_response(await handle(request, DeleteSession()))


@post("/v1/sessions/{session_id:str}/stop")
@Describes("Sessions", body=StopSessionBody, answers={200: StatusDone})
async def stop_session(request: AnyRequest) -> ASGIResponse:
    """End the activation, with its running turn; the first cause stands."""
    body = await body_of(request, StopSessionBody)
    failure = body.failure
    command = StopSession(
        cause=body.cause,
        detail=body.detail,
        failure=Failure(kind=failure.kind, summary=failure.summary) if failure else None,
    )
    return outcome_response(await handle(request, command, answer=_status_answer))


@post("/v1/sessions/{session_id:str}/resume")
@Describes("Sessions", body=EmptyBody, answers={200: StatusDone})
async def resume_session(request: AnyRequest) -> ASGIResponse:
    """Make a stopped session active again."""
    await body_of(request, EmptyBody)
    return outcome_response(await handle(request, ResumeSession(), answer=_status_answer))


def _status_answer(session: Session) -> dict[str, Any]:
    return {
        "status": session.status,
        "activation": session.lifecycle.activation,
        "cause": session.lifecycle.stop_cause,
    }


@get("/v1/sessions/{session_id:str}/status")
@Describes("Sessions", answers={200: SessionStatus}, parameters=(WAIT,), conditional=True)
async def get_status(request: AnyRequest) -> ASGIResponse:
    """Read the light status; with `wait`, when it has changed or time is up."""
    services = services_of(request)
    parameters = Parameters(request, ("wait",))
    session_id = session_id_of(request)
    seconds = parameters.wait()
    row = await services.queries.session(session_id)
    if not seconds and is_current(request, row.sequence):
        return not_modified(row.sequence)
    if seconds:
        row = await services.queries.status_changed(session_id, row, seconds)
    document = {
        "session_id": session_id,
        "status": row.status,
        "sequence": row.sequence,
        "position": row.position,
        "updated_at": rfc3339(row.updated_at),
    }
    return json_response(to_json(document), headers={"ETag": etag(row.sequence)})


@get("/v1/sessions/{session_id:str}/snapshot")
@Describes(
    "Sessions",
    answers={200: Snapshot},
    problems=("cursor_ahead",),
    parameters=(AT,),
    conditional=True,
)
async def get_snapshot(request: AnyRequest) -> ASGIResponse:
    """Read all of a session at one sequence, now or in the past."""
    services = services_of(request)
    at = Parameters(request, ("at",)).count("at", least=1)
    session_id = session_id_of(request)
    if at is None and header(request, b"if-none-match") is not None:
        row = await services.queries.session(session_id)
        if is_current(request, row.sequence):
            return not_modified(row.sequence)
    snapshot = await services.queries.snapshot(session_id, at)
    body = snapshot_json(services, session_id, snapshot)
    return json_response(body, headers={"ETag": etag(snapshot.sequence)})


def snapshot_json(services: Services, session_id: UUID, snapshot: Any) -> bytes:
    """Return a snapshot, with the stored JSON of its transcript as it is."""
    session: Session = snapshot.session
    turn = session.turns.running
    calls = [] if turn is None else sorted(turn.open_calls.values(), key=lambda c: c.sequence)
    pending = sorted(session.interactions.pending.values(), key=lambda i: i.sequence)
    rest = {
        "turn": None
        if turn is None
        else {
            "turn_id": turn.turn_id,
            "source": turn.source,
            "started_at": rfc3339(turn.started_at),
            "sequence": turn.sequence,
            "plan": turn.plan,
            "partial": services.hub.draft(session_id, turn.turn_id, snapshot.sequence),
        },
        "tool_calls": [
            {
                "tool_call_id": call.tool_call_id,
                "name": call.name,
                "title": call.title,
                "input": call.input,
                "sequence": call.sequence,
            }
            for call in calls
        ],
        "interactions": [interaction_document(one) for one in pending],
        "inputs": [],
        "state": snapshot.state,
        "sequence": snapshot.sequence,
        "position": snapshot.position,
        "epoch": session.lifecycle.epoch,
        "store": services.store.identity,
    }
    return b'{"session":%s,"transcript":%s,%s' % (
        to_json({**snapshot.document, "sequence": snapshot.sequence}),
        array_json(snapshot.transcript),
        to_json(rest)[1:],
    )


def interaction_document(one: Any) -> dict[str, Any]:
    """Return a pending interaction as clients see it."""
    return {
        "request_id": one.request_id,
        "kind": "permission",
        "turn_id": one.turn_id,
        "tool_call_id": one.tool_call_id,
        "title": one.title,
        "options": [
            {"option_id": option.option_id, "name": option.name, "kind": option.kind}
            for option in one.options
        ],
        "sequence": one.sequence,
        "requested_at": rfc3339(one.requested_at),
    }
