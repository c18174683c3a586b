"""Turns: start one, record what the agent does in it, end it."""

from typing import Any

from litestar import post
from litestar.response.base import ASGIResponse

from api.describe import Describes
from api.requests import AnyRequest, body_of, name_of, session_id_of
from api.responses import etag, json_response, location, outcome_response, to_json
from api.schemas.activity import activity_of
from api.schemas.answers import ActivityAnswer, Done, TurnAnswer
from api.schemas.commands import (
    CancelTurnBody,
    CompleteTurnBody,
    FailTurnBody,
    RecordActivityBody,
    StartTurnBody,
)
from api.services import handle, services_of
from application.pieces import Streamed
from domain.session.commands import (
    CancelTurn,
    CompleteTurn,
    FailTurn,
    RecordActivity,
    StartTurn,
)
from domain.values import Failure


@post("/v1/sessions/{session_id:str}/turns")
@Describes(
    "Turns",
    body=StartTurnBody,
    answers={201: TurnAnswer},
    problems=("session_stopped", "turn_in_progress", "turn_exists", "message_exists"),
)
async def start_turn(request: AnyRequest) -> ASGIResponse:
    """Give the agent input."""
    services = services_of(request)
    body = await body_of(request, StartTurnBody)
    turn_id = body.turn_id or services.new_name()
    command = StartTurn(
        turn_id=turn_id,
        message_id=body.input.message_id or services.new_name(),
        parts=tuple(body.input.parts),
        source=body.source,
    )
    outcome = await handle(
        request, command, answer=lambda _: {"turn_id": turn_id, "disposition": "started"}
    )
    made = location(outcome.session_id, "turns", outcome.answer["turn_id"])
    return outcome_response(outcome, status=201, made=made)


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
    command = RecordActivity(turn_id=turn_id, events=events)
    if body.partial:
        return await _show(request, command, body)
    return outcome_response(await handle(request, command), first_sequence=True)


async def _show(
    request: AnyRequest, command: RecordActivity, body: RecordActivityBody
) -> ASGIResponse:
    """Pass pieces on without a sequence, if the turn that they belong to runs."""
    services, session_id = services_of(request), session_id_of(request)
    head = await services.handler.check(session_id, command)
    for event in body.events:
        piece: dict[str, Any] = {
            "session_id": session_id,
            "type": event.type,
            "partial": True,
            "turn_id": command.turn_id,
            "data": event.data,
        }
        text = _text_of(event.data) if event.type == "agent.message" else ""
        streamed = Streamed(event.type, command.turn_id, head, text, to_json(piece))
        services.hub.show(session_id, streamed)
        services.store.announcer.announce_piece(session_id, streamed)
    shown = to_json({"partial": True, "sequence": head})
    return json_response(shown, headers={"ETag": etag(head)})


def _text_of(data: Any) -> str:
    return "".join(part["text"] for part in data["parts"] if part["type"] == "text")


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/complete", status_code=200)
@Describes(
    "Turns",
    body=CompleteTurnBody,
    answers={200: Done},
    problems=("turn_not_found", "turn_ended"),
)
async def complete_turn(request: AnyRequest) -> ASGIResponse:
    """End the turn as finished."""
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
    answers={200: Done},
    problems=("turn_not_found", "turn_ended"),
)
async def fail_turn(request: AnyRequest) -> ASGIResponse:
    """End the turn as broken."""
    body = await body_of(request, FailTurnBody)
    command = FailTurn(
        turn_id=name_of(request, "turn_id"),
        failure=Failure(kind=body.kind, summary=body.summary),
    )
    return outcome_response(await handle(request, command))


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/cancel", status_code=200)
@Describes(
    "Turns",
    body=CancelTurnBody,
    answers={200: Done},
    problems=("turn_not_found", "turn_ended"),
)
async def cancel_turn(request: AnyRequest) -> ASGIResponse:
    """End this very turn."""
    body = await body_of(request, CancelTurnBody)
    command = CancelTurn(turn_id=name_of(request, "turn_id"), reason=body.reason)
    return outcome_response(await handle(request, command))
