"""Input that waits: queue it, look at it, change it, steer with it, take it back, let it run."""

from litestar.response.base import ASGIResponse

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.http.outgoing.responses import location, outcome_response
from api.http.routing import delete, get, patch, post
from api.services import caller_of, perform, read_response, state_of, use_cases_of
from api.v1.documents.inputs import (
    waiting_document,
    waiting_documents,
)
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.turn.inputs import (
    CancelInputBody,
    DispatchDone,
    EditInputBody,
    InputChanged,
    InputPage,
    InputStanding,
    InputTakenBack,
    InterruptBody,
    Interrupted,
    QueueAnswer,
    QueueInputsBody,
    SteerInputBody,
)
from application.use_cases.turn.inputs import WantedInput
from domain.errors import InputNotFound
from domain.session.commands import (
    CancelInput,
    DispatchInput,
    EditInput,
    Interrupt,
    PromoteInput,
    QueueInputs,
)

_TOPIC = "Inputs"


@post("/v1/sessions/{session_id:str}/inputs", right="write")
@Describes(
    _TOPIC,
    body=QueueInputsBody,
    answers={202: QueueAnswer},
    asks=(QueueInputs,),
    problems=("blob_missing",),
)
async def queue_inputs(request: HttpRequest) -> ASGIResponse:
    """Have inputs run one after the other: all are taken or none."""
    body = await body_of(request, QueueInputsBody)
    wanted = [
        WantedInput(tuple(one.parts), one.id, one.message_id, one.meta) for one in body.inputs
    ]
    outcome = await use_cases_of(request).inputs.queue(
        await caller_of(request),
        session_id_of(request),
        wanted,
        source=body.source,
        hold=body.hold,
    )
    return outcome_response(outcome, status=202, made=location(outcome.session_id, "inputs"))


@get("/v1/sessions/{session_id:str}/inputs", right="read")
@Describes(_TOPIC, answers={200: InputPage}, conditional=True)
async def list_inputs(request: HttpRequest) -> ASGIResponse:
    """List all that waits, the next one first."""
    session = await state_of(request)
    document = {
        "inputs": waiting_documents(session),
        "generation": session.inputs.generation,
        "pending": len(session.inputs.waiting),
    }
    return read_response(request, session.sequence, document)


@get("/v1/sessions/{session_id:str}/inputs/{input_id:str}", right="read")
@Describes(_TOPIC, answers={200: InputStanding}, problems=("input_not_found",), conditional=True)
async def get_input(request: HttpRequest) -> ASGIResponse:
    """Read what has become of an input."""
    input_id = name_of(request, "input_id")
    session = await state_of(request)
    waiting = waiting_document(session, input_id)
    status: str | None = session.inputs.ended.get(input_id)
    if waiting is not None:
        status = "queued" if waiting["mode"] == "queue" else "staged"
    if status is None:
        raise InputNotFound(None, input_id=input_id)
    document = {
        "input_id": input_id,
        "status": status,
        "input": waiting,
    }
    return read_response(request, session.sequence, document)


@patch("/v1/sessions/{session_id:str}/inputs/{input_id:str}", right="write")
@Describes(
    _TOPIC,
    body=EditInputBody,
    answers={200: InputChanged},
    asks=(EditInput,),
    problems=("blob_missing",),
)
async def edit_input(request: HttpRequest) -> ASGIResponse:
    """Change what an input says, as long as it waits."""
    body = await body_of(request, EditInputBody)
    input_id = name_of(request, "input_id")
    command = EditInput(input_id=input_id, parts=tuple(body.parts))
    return outcome_response(await perform(request, command))


@delete("/v1/sessions/{session_id:str}/inputs/{input_id:str}", right="write")
@Describes(
    _TOPIC,
    body=CancelInputBody,
    answers={200: InputTakenBack},
    asks=(CancelInput,),
)
async def cancel_input(request: HttpRequest) -> ASGIResponse:
    """Take an input back; one that has ended in another way stays as it is, and that is said."""
    body = await body_of(request, CancelInputBody)
    input_id = name_of(request, "input_id")
    command = CancelInput(input_id=input_id, reason=body.reason)
    return outcome_response(await perform(request, command))


@post("/v1/sessions/{session_id:str}/inputs/{input_id:str}/steer", right="write")
@Describes(
    _TOPIC,
    body=SteerInputBody,
    answers={200: InputChanged},
    asks=(PromoteInput,),
)
async def steer_input(request: HttpRequest) -> ASGIResponse:
    """Have what waits reach the running turn at its next tool boundary."""
    body = await body_of(request, SteerInputBody)
    input_id = name_of(request, "input_id")
    command = PromoteInput(input_id=input_id, expected_turn_id=body.expected_turn_id)
    return outcome_response(await perform(request, command))


@post("/v1/sessions/{session_id:str}/inputs/dispatch", right="write")
@Describes(
    _TOPIC,
    body=EmptyBody,
    answers={200: DispatchDone},
    asks=(DispatchInput,),
)
async def dispatch_input(request: HttpRequest) -> ASGIResponse:
    """Begin the turn of the oldest input; when none waits, nothing happens."""
    await body_of(request, EmptyBody)
    return outcome_response(await perform(request, DispatchInput()))


@post("/v1/sessions/{session_id:str}/interrupt", right="write")
@Describes(
    _TOPIC,
    body=InterruptBody,
    answers={200: Interrupted},
    asks=(Interrupt,),
)
async def interrupt(request: HttpRequest) -> ASGIResponse:
    """Cancel the running turn and all that waits behind it."""
    body = await body_of(request, InterruptBody)
    command = Interrupt(expected_turn_id=body.expected_turn_id, reason=body.reason)
    outcome = await use_cases_of(request).turn_endings.interrupt(
        await caller_of(request), session_id_of(request), command, children=body.children
    )
    return outcome_response(outcome)
