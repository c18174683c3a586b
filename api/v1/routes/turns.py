"""Turns: start one, record what the agent does in it, end it."""

from typing import Any

from litestar import get, post
from litestar.response.base import ASGIResponse

from api.http.requests import AnyRequest, Parameters, body_of, name_of, session_id_of
from api.http.responses import etag, json_response, location, outcome_response, to_json
from api.http.route_docs import Describes
from api.v1.schemas.activity import activity_of
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.inputs import InputsTaken
from api.v1.schemas.turns import (
    ActivityAnswer,
    CancelTurnBody,
    CompleteTurnBody,
    FailTurnBody,
    RecordActivityBody,
    StartTurnBody,
    TurnAnswer,
    TurnEnded,
    TurnStanding,
    TurnWaiting,
)
from api.v1.services import handle, read_response, services_of, state_of
from application.partials import Partial
from domain.errors import Invalid, TurnNotFound
from domain.session.commands import (
    CancelTurn,
    CompleteTurn,
    FailTurn,
    RecordActivity,
    StartTurn,
    TakeInputs,
)
from domain.session.decide import decide
from domain.values import Failure


@post("/v1/sessions/{session_id:str}/turns")
@Describes(
    "Turns",
    body=StartTurnBody,
    answers={201: TurnAnswer, 202: TurnWaiting},
    problems=(
        "session_starting",
        "session_stopping",
        "session_stopped",
        "turn_in_progress",
        "turn_changed",
        "turn_exists",
        "message_exists",
        "inputs_waiting",
        "queue_full",
        "input_too_large",
    ),
)
async def start_turn(request: AnyRequest) -> ASGIResponse:
    """Give the agent input: now, in its turn, or within the running one."""
    services = services_of(request)
    body = await body_of(request, StartTurnBody)
    turn_id = body.turn_id or services.new_name()
    command = StartTurn(
        turn_id=turn_id,
        message_id=body.input.message_id or services.new_name(),
        parts=tuple(body.input.parts),
        source=body.source,
        mode=body.mode,
        meta=body.meta,
        expected_turn_id=body.expected_turn_id,
    )

    outcome = await handle(request, command)
    # A repeated request has the id of the first.
    turn_id = outcome.answer["turn_id"]
    if outcome.answer["disposition"] == "started":
        made = location(outcome.session_id, "turns", turn_id)
        return outcome_response(outcome, status=201, made=made)
    made = location(outcome.session_id, "inputs", turn_id)
    return outcome_response(outcome, status=202, made=made)


@get("/v1/sessions/{session_id:str}/turns/{turn_id:str}")
@Describes("Turns", answers={200: TurnStanding}, problems=("turn_not_found",), conditional=True)
async def get_turn(request: AnyRequest) -> ASGIResponse:
    """Read what has become of a turn."""
    Parameters(request, ())
    turn_id = name_of(request, "turn_id")
    session = await state_of(request)
    running = session.turns.running
    status: str | None = session.turns.ended.get(turn_id)
    if running is not None and running.turn_id == turn_id:
        status = "running"
    if status is None:
        raise TurnNotFound(None, turn_id=turn_id)
    document = {"turn_id": turn_id, "status": status}
    return read_response(request, session.sequence, document)


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/events", status_code=200)
@Describes(
    "Turns",
    body=RecordActivityBody,
    answers={200: ActivityAnswer},
    problems=("turn_not_found", "turn_ended", "tool_call_exists", "tool_call_not_open"),
)
async def record_activity(request: AnyRequest) -> ASGIResponse:
    """Record what the agent did; or, with `partial`, only show it to those who follow."""
    body = await body_of(request, RecordActivityBody)
    turn_id = name_of(request, "turn_id")
    events = tuple(activity_of(one, f"events[{i}]") for i, one in enumerate(body.events))
    command = RecordActivity(turn_id=turn_id, events=events, take_inputs=body.take_inputs)
    if body.partial:
        if body.take_inputs:
            raise Invalid("what is only shown takes no inputs", field="take_inputs")
        return await _show(request, command, body)
    outcome = await handle(request, command)
    return outcome_response(outcome, first_sequence=True)


async def _show(
    request: AnyRequest, command: RecordActivity, body: RecordActivityBody
) -> ASGIResponse:
    """Pass pieces on without a sequence, if the turn that they belong to runs."""
    services, session_id = services_of(request), session_id_of(request)
    session = (await services.repository.load(session_id)).session
    decide(session, command)
    head = session.sequence
    for event in body.events:
        piece: dict[str, Any] = {
            "session_id": session_id,
            "type": event.type,
            "partial": True,
            "turn_id": command.turn_id,
            "data": event.data,
        }
        text = _text_of(event.data) if event.type == "agent.message" else ""
        streamed = Partial(event.type, command.turn_id, head, text, to_json(piece))
        services.hub.show(session_id, streamed)
        services.store.announcer.announce_piece(session_id, streamed)
    shown = to_json({"partial": True, "sequence": head})
    return json_response(shown, headers={"ETag": etag(head)})


def _text_of(data: Any) -> str:
    return "".join(part["text"] for part in data["parts"] if part["type"] == "text")


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/inputs", status_code=200)
@Describes(
    "Turns",
    body=EmptyBody,
    answers={200: InputsTaken},
    problems=("turn_not_found", "turn_ended"),
)
async def take_inputs(request: AnyRequest) -> ASGIResponse:
    """Give the agent what is staged for its turn, now."""
    await body_of(request, EmptyBody)
    command = TakeInputs(turn_id=name_of(request, "turn_id"))
    return outcome_response(await handle(request, command))


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/complete", status_code=200)
@Describes(
    "Turns",
    body=CompleteTurnBody,
    answers={200: TurnEnded},
    problems=("turn_not_found", "turn_ended"),
)
async def complete_turn(request: AnyRequest) -> ASGIResponse:
    """End the turn as finished; what waits has its turn next."""
    body = await body_of(request, CompleteTurnBody)
    command = CompleteTurn(
        turn_id=name_of(request, "turn_id"),
        stop_reason=body.stop_reason,
        usage=body.usage_to_domain(),
    )
    return outcome_response(await handle(request, command))


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/fail", status_code=200)
@Describes(
    "Turns",
    body=FailTurnBody,
    answers={200: TurnEnded},
    problems=("turn_not_found", "turn_ended"),
)
async def fail_turn(request: AnyRequest) -> ASGIResponse:
    """End the turn as broken; what waits has its turn next."""
    body = await body_of(request, FailTurnBody)
    command = FailTurn(
        turn_id=name_of(request, "turn_id"),
        failure=Failure(kind=body.kind, summary=body.summary, bundle=body.bundle),
    )
    return outcome_response(await handle(request, command))


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/cancel", status_code=200)
@Describes(
    "Turns",
    body=CancelTurnBody,
    answers={200: TurnEnded},
    problems=("turn_not_found", "turn_ended"),
)
async def cancel_turn(request: AnyRequest) -> ASGIResponse:
    """End this very turn; what waits has its turn next, unless it is held."""
    body = await body_of(request, CancelTurnBody)
    command = CancelTurn(turn_id=name_of(request, "turn_id"), reason=body.reason, hold=body.hold)
    return outcome_response(await handle(request, command))
