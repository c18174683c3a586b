"""Turns: start one, record what the agent does in it, end it."""

from typing import Any

from litestar import post
from litestar.response.base import ASGIResponse

from api.requests import AnyRequest, body_of, session_id_of
from api.responses import json_response, outcome_response, to_json
from api.schemas.activity import activity_of
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
    location = f"/v1/sessions/{outcome.session_id}/turns/{outcome.answer['turn_id']}"
    return outcome_response(outcome, status=201, location=location)


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/events", status_code=200)
async def record_activity(request: AnyRequest) -> ASGIResponse:
    """Record what the agent did; or, with `partial`, only show it to those who follow."""
    body = await body_of(request, RecordActivityBody)
    turn_id: str = request.path_params["turn_id"]
    events = tuple(activity_of(one, f"events.{i}") for i, one in enumerate(body.events))
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
        streamed = Streamed(command.turn_id, head, text, to_json(piece))
        services.hub.show(session_id, streamed)
        services.store.announcer.announce_piece(session_id, streamed)
    return json_response(to_json({"partial": True, "sequence": head}))


def _text_of(data: Any) -> str:
    return "".join(part["text"] for part in data["parts"] if part["type"] == "text")


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/complete", status_code=200)
async def complete_turn(request: AnyRequest) -> ASGIResponse:
    """End the turn as finished."""
    body = await body_of(request, CompleteTurnBody)
    command = CompleteTurn(
        turn_id=request.path_params["turn_id"],
        stop_reason=body.stop_reason,
        usage=body.usage_to_domain(),
    )
    return outcome_response(await handle(request, command))


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/fail", status_code=200)
async def fail_turn(request: AnyRequest) -> ASGIResponse:
    """End the turn as broken."""
    body = await body_of(request, FailTurnBody)
    command = FailTurn(
        turn_id=request.path_params["turn_id"],
        failure=Failure(kind=body.kind, summary=body.summary),
    )
    return outcome_response(await handle(request, command))


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/cancel", status_code=200)
async def cancel_turn(request: AnyRequest) -> ASGIResponse:
    """End this very turn."""
    body = await body_of(request, CancelTurnBody)
    command = CancelTurn(turn_id=request.path_params["turn_id"], reason=body.reason)
    return outcome_response(await handle(request, command))
