"""The life of a session: activate, stop, resume, clear, rewind, and delete many at once."""

from functools import partial
from typing import Annotated

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.around.authorization import principal_of, require_right
from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.query import Query, with_query
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.outgoing.responses import json_response, outcome_response, to_json
from api.http.routing import post
from api.services import caller_of, perform, services_of, use_cases_of
from api.v1.schemas.commands import EmptyBody
from api.v1.schemas.queries import GoFlag
from api.v1.schemas.session.lifecycle import (
    BatchDeleteBody,
    BatchDeleted,
    ConversationDone,
    FailStartBody,
    ResumeDone,
    ResumeSessionBody,
    RewindBody,
    StatusDone,
    StopSessionBody,
)
from application.tasks import in_pieces
from domain.session.commands import (
    ActivateSession,
    ClearConversation,
    DeleteSession,
    FailStart,
    RecoverSession,
    RepairSession,
    ResumeSession,
    RewindConversation,
    StopSession,
)


@post("/v1/sessions/{session_id:str}/activate", right="write")
@Describes(
    "Sessions",
    body=EmptyBody,
    answers={200: StatusDone},
    asks=(ActivateSession,),
)
async def activate_session(request: HttpRequest) -> ASGIResponse:
    """Say that the agent of a starting session is up."""
    await body_of(request, EmptyBody)
    return outcome_response(await perform(request, ActivateSession()))


@post("/v1/sessions/{session_id:str}/fail-start", right="write")
@Describes(
    "Sessions",
    body=FailStartBody,
    answers={200: StatusDone},
    asks=(FailStart,),
)
async def fail_start(request: HttpRequest) -> ASGIResponse:
    """Say that the agent of a starting session did not come up; the session stays visible."""
    body = await body_of(request, FailStartBody)
    command = FailStart(failure=body.failure.to_domain())
    return outcome_response(await perform(request, command))


@post("/v1/sessions/{session_id:str}/stop", right="write")
@Describes("Sessions", body=StopSessionBody, answers={200: StatusDone}, asks=(StopSession,))
async def stop_session(request: HttpRequest) -> ASGIResponse:
    """End the activation, with its running turn or after it; the first cause stands."""
    body = await body_of(request, StopSessionBody)
    command = StopSession(
        cause=body.cause,
        detail=body.detail,
        failure=body.failure.to_domain() if body.failure else None,
        when_idle=body.when_idle,
    )
    return outcome_response(await perform(request, command))


class ResumeQuery(Query):
    """How to go on."""

    repair: Annotated[GoFlag, Field(description="close what a crash has left open first")] = False


@post("/v1/sessions/{session_id:str}/resume", right="write")
@Describes(
    "Sessions",
    body=ResumeSessionBody,
    answers={200: ResumeDone},
    asks=(RecoverSession, RepairSession, ResumeSession),
    problems=("repair_blocked",),
)
@with_query(ResumeQuery)
async def resume_session(request: HttpRequest, query: ResumeQuery) -> ASGIResponse:
    """Make a stopped session active again, with its id and its whole history."""
    body = await body_of(request, ResumeSessionBody)
    session_id, caller = session_id_of(request), await caller_of(request)
    if query.repair:
        require_right(principal_of(request), "repair")
    if not query.repair:
        sessions = use_cases_of(request).sessions
        return outcome_response(await sessions.resume(caller, session_id, starting=body.starting))
    repairs = services_of(request).repairs
    outcome, report = await repairs.resume(caller, session_id, starting=body.starting)
    told = await in_pieces(report.documenting())
    return outcome_response(outcome._replace(answer={**outcome.answer, "repair": told}))


@post("/v1/sessions/{session_id:str}/clear", right="write")
@Describes(
    "Sessions",
    body=EmptyBody,
    answers={200: ConversationDone},
    asks=(ClearConversation,),
)
async def clear_conversation(request: HttpRequest) -> ASGIResponse:
    """Begin the transcript anew; the log goes on, and every cursor stays good."""
    await body_of(request, EmptyBody)
    return outcome_response(await perform(request, ClearConversation()))


@post("/v1/sessions/{session_id:str}/rewind", right="write")
@Describes(
    "Sessions",
    body=RewindBody,
    answers={200: ConversationDone},
    asks=(RewindConversation,),
    problems=("cursor_ahead", "message_not_found"),
)
async def rewind_conversation(request: HttpRequest) -> ASGIResponse:
    """Go back to what was said and known after an earlier event; the log goes on."""
    body = await body_of(request, RewindBody)
    sessions, caller = use_cases_of(request).sessions, await caller_of(request)
    session_id = session_id_of(request)
    outcome = await sessions.rewind(caller, session_id, to=body.to, message_id=body.message_id)
    return outcome_response(outcome)


@post("/v1/sessions/batch/delete", right="write", lasts=True)
@Describes("Sessions", body=BatchDeleteBody, answers={200: BatchDeleted}, asks=(DeleteSession,))
async def delete_sessions(request: HttpRequest) -> ASGIResponse:
    """Delete sessions, each as if it were asked for alone: one that fails stops no other."""
    body = await body_of(request, BatchDeleteBody)
    sessions, caller = use_cases_of(request).sessions, await caller_of(request)
    sees = partial(services_of(request).sight.sees, principal_of(request))
    deletions = await sessions.delete_many(caller, body.session_ids, sees)
    document = {
        "results": [
            {key: value for key, value in one._asdict().items() if value is not None}
            for one in deletions
        ],
        "deleted": sum(one.status == "deleted" for one in deletions),
        "failed": sum(one.status in ("not_found", "failed") for one in deletions),
    }
    return json_response(to_json(document))
