"""Turns: start one, record what the agent does in it, end it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from litestar.response.base import ASGIResponse

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of, validated
from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import etag, json_response, location, outcome_response, to_json
from api.http.routing import get, post
from api.services import caller_of, perform, read_response, state_of, use_cases_of
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.turn.activity import ActivityBody, activity_of, verbatim
from api.v1.schemas.turn.inputs import InputsTaken
from api.v1.schemas.turn.turns import (
    ActivityAnswer,
    CancelledTurn,
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
from api.v1.torn_text import TornText
from application.use_cases.turn.pieces import SentPiece, text_of
from domain.checks import About
from domain.errors import Invalid, TurnNotFound
from domain.session.commands import (
    CancelTurn,
    CompleteTurn,
    FailTurn,
    RecordActivity,
    StartTurn,
    TakeInputs,
)
from domain.session.events import ActivityEvent, RuntimeEvent
from domain.session.turn.activity_batch import with_problem
from domain.values import Failure


@post("/v1/sessions/{session_id:str}/turns", right="write")
@Describes(
    "Turns",
    body=StartTurnBody,
    answers={201: TurnAnswer, 202: TurnWaiting},
    asks=(StartTurn,),
    problems=("blob_missing",),
)
async def start_turn(request: HttpRequest) -> ASGIResponse:
    """Give the agent input: now, in its turn, or within the running one."""
    body = await body_of(request, StartTurnBody)
    outcome = await use_cases_of(request).turns.start(
        await caller_of(request),
        session_id_of(request),
        parts=tuple(body.input.parts),
        turn_id=body.turn_id,
        message_id=body.input.message_id,
        source=body.source,
        mode=body.mode,
        expected_turn_id=body.expected_turn_id,
        meta=body.meta,
        model=body.model.to_domain() if body.model else None,
    )
    # A repeated request has the id of the first.
    turn_id = outcome.answer["turn_id"]
    if outcome.answer["disposition"] == "started":
        made = location(outcome.session_id, "turns", turn_id)
        return outcome_response(outcome, status=201, made=made)
    made = location(outcome.session_id, "inputs", turn_id)
    return outcome_response(outcome, status=202, made=made)


@get("/v1/sessions/{session_id:str}/turns/{turn_id:str}", right="read")
@Describes("Turns", answers={200: TurnStanding}, problems=("turn_not_found",), conditional=True)
async def get_turn(request: HttpRequest) -> ASGIResponse:
    """Read what has become of a turn."""
    turn_id = name_of(request, "turn_id")
    session = await state_of(request)
    running, model = session.turns.running, None
    status: str | None = session.turns.ended.get(turn_id)
    if running is not None and running.turn_id == turn_id:
        status, model = "running", running.model
    if status is None:
        raise TurnNotFound(None, turn_id=turn_id)
    document = {"turn_id": turn_id, "status": status, "model": model and asdict(model)}
    return read_response(request, session.sequence, document)


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/events", right="write")
@Describes(
    "Turns",
    body=RecordActivityBody,
    answers={200: ActivityAnswer},
    asks=(RecordActivity,),
    problems=("blob_missing", "piece_misplaced", "partial_too_large", "limit_reached"),
)
async def record_activity(request: HttpRequest) -> ASGIResponse:
    """Record what the agent did; or, with `partial`, show and keep what it is still writing."""
    torn = TornText()
    body = await body_of(request, RecordActivityBody, decoded=torn.decode)
    turn_id = name_of(request, "turn_id")
    if body.partial:
        return await _take_pieces(request, turn_id, body, torn)
    instead = tuple(map(verbatim, body.events)) if body.on_invalid == "keep" else ()
    command = RecordActivity(
        turn_id=turn_id,
        events=tuple(_event(i, raw, instead[i : i + 1]) for i, raw in enumerate(body.events)),
        take_inputs=body.take_inputs,
        instead=instead,
    )
    return outcome_response(await perform(request, command), first_sequence=True)


def _event(number: int, raw: Any, instead: Sequence[RuntimeEvent]) -> ActivityEvent:
    """Return the event of a report, or where that is not right what is to take its place."""
    try:
        return _report(number, raw, partial=False)[1]
    except (Invalid, Problem) as refused:
        if not instead:
            raise
        return with_problem(instead[0], refused.code, refused.detail)


def _report(number: int, raw: Any, *, partial: bool) -> tuple[ActivityBody, ActivityEvent]:
    """Return one report of many and its event; a refusal says which it is about."""
    at = f"events[{number}]"
    try:
        one = validated(ActivityBody, raw, at)
        event = activity_of(one, at)
        if not partial and (one.offset is not None or one.index is not None):
            field = f"{at}.{'index' if one.offset is None else 'offset'}"
            raise Invalid(f"{field}: only what is `partial` has one", field=field)
        if one.index is not None and one.offset is None:
            field = f"{at}.offset"
            raise Invalid(f"{field}: say it too when you say the index", field=field)
    except (Invalid, Problem) as refused:
        refused.facts["index"] = number
        raise
    return one, event


async def _take_pieces(
    request: HttpRequest,
    turn_id: str,
    body: RecordActivityBody,
    torn: TornText,
) -> ASGIResponse:
    if body.take_inputs:
        raise Invalid("what is only shown takes no inputs", field="take_inputs")
    if body.on_invalid == "keep":
        raise Invalid("what is only shown is not kept verbatim", field="on_invalid")
    reports = [_report(i, raw, partial=True) for i, raw in enumerate(body.events)]
    pieces: list[SentPiece] = []
    for i, (one, event) in enumerate(reports):
        with About(i):
            text = torn.text(i, text_of(event, f"events[{i}]"))
        pieces.append(SentPiece(one.type, event, text, one.offset, one.index))
    taken = await use_cases_of(request).pieces.take(session_id_of(request), turn_id, pieces)
    answer = to_json({"partial": True, "next": taken.next, "sequence": taken.sequence})
    return json_response(answer, headers={"ETag": etag(taken.sequence)})


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/inputs", right="write")
@Describes(
    "Turns",
    body=EmptyBody,
    answers={200: InputsTaken},
    asks=(TakeInputs,),
)
async def take_inputs(request: HttpRequest) -> ASGIResponse:
    """Give the agent what is staged for its turn, now."""
    await body_of(request, EmptyBody)
    command = TakeInputs(turn_id=name_of(request, "turn_id"))
    return outcome_response(await perform(request, command))


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/complete", right="write")
@Describes(
    "Turns",
    body=CompleteTurnBody,
    answers={200: TurnEnded},
    asks=(CompleteTurn,),
)
async def complete_turn(request: HttpRequest) -> ASGIResponse:
    """End the turn as finished; what waits has its turn next."""
    body = await body_of(request, CompleteTurnBody)
    command = CompleteTurn(
        turn_id=name_of(request, "turn_id"),
        stop_reason=body.stop_reason,
        usage=body.usage_to_domain(),
    )
    return outcome_response(await perform(request, command))


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/fail", right="write")
@Describes(
    "Turns",
    body=FailTurnBody,
    answers={200: TurnEnded},
    asks=(FailTurn,),
)
async def fail_turn(request: HttpRequest) -> ASGIResponse:
    """End the turn as broken; what waits has its turn next."""
    body = await body_of(request, FailTurnBody)
    command = FailTurn(
        turn_id=name_of(request, "turn_id"),
        failure=Failure(kind=body.kind, summary=body.summary, bundle=body.bundle),
    )
    return outcome_response(await perform(request, command))


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/cancel", right="write")
@Describes(
    "Turns",
    body=CancelTurnBody,
    answers={200: CancelledTurn},
    asks=(CancelTurn,),
)
async def cancel_turn(request: HttpRequest) -> ASGIResponse:
    """End this very turn; what waits has its turn next, unless it is held."""
    body = await body_of(request, CancelTurnBody)
    command = CancelTurn(turn_id=name_of(request, "turn_id"), reason=body.reason, hold=body.hold)
    outcome = await use_cases_of(request).turn_endings.cancel(
        await caller_of(request), session_id_of(request), command, children=body.children
    )
    return outcome_response(outcome)
