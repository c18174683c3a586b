"""What is said about a session: title, mark, tags, usage, models and summaries."""

from litestar.response.base import ASGIResponse

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.http.outgoing.responses import location, outcome_response
from api.http.routing import delete, get, patch, post, put
from api.services import caller_of, perform, read_response, services_of, state_of, use_cases_of
from api.v1.schemas.base import Done
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.session.metadata import (
    AddSummaryBody,
    DescribeSessionBody,
    Models,
    OverrideModelBody,
    RecordUsageBody,
    Summaries,
    SummaryDone,
    UsageDone,
)
from application.projections.session_document import session_document
from application.reads.runtime import model_choices, read_runtime
from domain.errors import (
    InvalidRuntimeOverride,
    LimitReached,
    ModelNotOffered,
    ModelSwitchingUnsupported,
)
from domain.session.commands import AddSummary, DescribeSession, OverrideModel, RecordUsage


@patch("/v1/sessions/{session_id:str}", right="write")
@Describes("Describing", body=DescribeSessionBody, answers={200: Done}, asks=(DescribeSession,))
async def describe_session(request: HttpRequest) -> ASGIResponse:
    """Change the title, the mark or the tags."""
    body = await body_of(request, DescribeSessionBody)
    command = DescribeSession(
        fields=frozenset(body.model_fields_set),
        title=body.title,
        starred=body.starred,
        tags=tuple(body.tags),
    )
    return outcome_response(await perform(request, command))


@post("/v1/sessions/{session_id:str}/usage", right="write")
@Describes("Describing", body=RecordUsageBody, answers={200: UsageDone}, asks=(RecordUsage,))
async def record_usage(request: HttpRequest) -> ASGIResponse:
    """Set the totals of tokens and cost, or add to them."""
    body = await body_of(request, RecordUsageBody)
    command = RecordUsage(
        mode=body.mode,
        input_tokens=body.input_tokens,
        output_tokens=body.output_tokens,
        cost=body.cost,
    )
    return outcome_response(await perform(request, command))


@get("/v1/sessions/{session_id:str}/models", right="read")
@Describes("Describing", answers={200: Models}, conditional=True)
async def get_models(request: HttpRequest) -> ASGIResponse:
    """Read which models can be chosen, and which agents answer with another than their own."""
    session = await state_of(request)
    session_id = session_id_of(request)
    report = await read_runtime(services_of(request).events, session_id, session.runtime)
    document = {
        "models": session_document(session_id, session)["models"],
        **model_choices(session, None if report is None else report.event),
    }
    return read_response(request, session.sequence, document)


@put("/v1/sessions/{session_id:str}/models/{agent:str}", right="write")
@Describes(
    "Describing",
    body=OverrideModelBody,
    answers={200: Done},
    asks=(OverrideModel,),
)
async def override_model(request: HttpRequest) -> ASGIResponse:
    """Have an agent answer with another model."""
    body = await body_of(request, OverrideModelBody)
    command = OverrideModel(
        agent=name_of(request, "agent"),
        model=body.model,
        provider=body.provider,
        reasoning_effort=body.reasoning_effort,
    )
    return outcome_response(await perform(request, command))


@delete("/v1/sessions/{session_id:str}/models/{agent:str}", right="write")
@Describes(
    "Describing",
    body=EmptyBody,
    answers={200: Done},
    asks=(OverrideModel,),
    never=(InvalidRuntimeOverride, LimitReached, ModelNotOffered, ModelSwitchingUnsupported),
)
async def restore_model(request: HttpRequest) -> ASGIResponse:
    """Have an agent answer with its own model again."""
    await body_of(request, EmptyBody)
    command = OverrideModel(agent=name_of(request, "agent"), model=None)
    return outcome_response(await perform(request, command))


@get("/v1/sessions/{session_id:str}/summaries", right="read")
@Describes("Describing", answers={200: Summaries}, conditional=True)
async def get_summaries(request: HttpRequest) -> ASGIResponse:
    """Read the newest summary of the conversation as it is now, and the ids of all there were."""
    session = await state_of(request)
    summary = session.description.summary
    ids = sorted(session.description.summaries.items(), key=lambda item: (item[1], item[0]))
    document = {
        "latest": None
        if summary is None
        else {
            "summary_id": summary.summary_id,
            "text": summary.text,
            "first_kept": summary.first_kept,
            "tokens": summary.tokens,
        },
        "summary_ids": [summary_id for summary_id, _ in ids],
    }
    return read_response(request, session.sequence, document)


@post("/v1/sessions/{session_id:str}/summaries", right="write")
@Describes(
    "Describing",
    body=AddSummaryBody,
    answers={201: SummaryDone},
    asks=(AddSummary,),
)
async def add_summary(request: HttpRequest) -> ASGIResponse:
    """Put what was said so far in short; the messages stay."""
    body = await body_of(request, AddSummaryBody)
    outcome = await use_cases_of(request).summaries.add(
        await caller_of(request),
        session_id_of(request),
        text=body.text,
        summary_id=body.summary_id,
        first_kept=body.first_kept,
        tokens=body.tokens,
    )
    made = location(outcome.session_id, "summaries")
    return outcome_response(outcome, status=201, made=made)
