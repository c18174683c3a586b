"""Requests that wait for a person: list, ask, decide."""

from litestar import get, post
from litestar.response.base import ASGIResponse

from api.describe import Describes
from api.requests import AnyRequest, Parameters, body_of, is_current, name_of, session_id_of
from api.responses import (
    etag,
    json_response,
    location,
    not_modified,
    outcome_response,
    to_json,
)
from api.routes.sessions import interaction_document
from api.schemas.answers import InteractionDecided, InteractionPage, InteractionRequested
from api.schemas.commands import DecideBody, RequestPermissionBody
from api.services import handle, services_of
from domain.session.commands import DecidePermission, RequestPermission
from domain.values import Option


@get("/v1/sessions/{session_id:str}/interactions")
@Describes("Interactions", answers={200: InteractionPage}, conditional=True)
async def list_interactions(request: AnyRequest) -> ASGIResponse:
    """List what is pending."""
    Parameters(request, ())
    services = services_of(request)
    session_id = session_id_of(request)
    await services.queries.session(session_id)
    session = (await services.handler.load(session_id)).session
    if is_current(request, session.sequence):
        return not_modified(session.sequence)
    pending = sorted(session.interactions.pending.values(), key=lambda one: one.sequence)
    document = {
        "interactions": [interaction_document(one) for one in pending],
        "sequence": session.sequence,
    }
    return json_response(to_json(document), headers={"ETag": etag(session.sequence)})


@post("/v1/sessions/{session_id:str}/interactions")
@Describes(
    "Interactions",
    body=RequestPermissionBody,
    answers={201: InteractionRequested},
    problems=("turn_not_found", "turn_ended", "interaction_exists", "limit_reached"),
)
async def request_permission(request: AnyRequest) -> ASGIResponse:
    """Ask on behalf of the agent whose turn runs."""
    body = await body_of(request, RequestPermissionBody)
    request_id = body.request_id or services_of(request).new_name()
    command = RequestPermission(
        request_id=request_id,
        turn_id=body.turn_id,
        options=tuple(
            Option(option_id=one.option_id, name=one.name, kind=one.kind) for one in body.options
        ),
        tool_call_id=body.tool_call_id,
        title=body.title,
        meta=body.meta,
    )
    outcome = await handle(request, command, answer=lambda _: {"request_id": request_id})
    made = location(outcome.session_id, "interactions", outcome.answer["request_id"])
    return outcome_response(outcome, status=201, made=made)


@post("/v1/sessions/{session_id:str}/interactions/{request_id:str}/decision", status_code=200)
@Describes(
    "Interactions",
    body=DecideBody,
    answers={200: InteractionDecided},
    problems=(
        "session_stopped",
        "interaction_not_found",
        "interaction_decided",
        "option_not_offered",
    ),
)
async def decide_interaction(request: AnyRequest) -> ASGIResponse:
    """Decide, once."""
    body = await body_of(request, DecideBody)
    request_id = name_of(request, "request_id")
    command = DecidePermission(request_id=request_id, option_id=body.option_id)
    return outcome_response(
        await handle(
            request,
            command,
            answer=lambda session: {
                "request_id": request_id,
                "decision": session.interactions.decided.get(request_id),
            },
        )
    )
