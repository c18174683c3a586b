"""The rules about tool calls: read them, set them, ask what they say."""

from dataclasses import asdict

from litestar.response.base import ASGIResponse

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.outgoing.responses import etag, json_response, outcome_response, to_json
from api.http.routing import get, post, put
from api.services import caller_of, perform, read_response, state_of, use_cases_of
from api.v1.documents.sessions import bounds_document
from api.v1.schemas.turn.permissions import (
    EvaluateBody,
    Judgement,
    Permissions,
    PermissionsSet,
    ReplacePermissionsBody,
    ToolApprovalBody,
)
from application.commands.answers.sessions import policy_document
from domain.session.commands import ReplacePermissions, SwitchToolApproval

_TOPIC = "Permissions"


@get("/v1/sessions/{session_id:str}/permissions", right="read")
@Describes(_TOPIC, answers={200: Permissions}, conditional=True)
async def get_permissions(request: HttpRequest) -> ASGIResponse:
    """Read the rules about tool calls, what they may not exceed, and what may be used."""
    session = await state_of(request)
    document = {**policy_document(session), **bounds_document(session)}
    return read_response(request, session.sequence, document)


@put("/v1/sessions/{session_id:str}/permissions", right="write")
@Describes(
    _TOPIC,
    body=ReplacePermissionsBody,
    answers={200: PermissionsSet},
    asks=(ReplacePermissions,),
)
async def replace_permissions(request: HttpRequest) -> ASGIResponse:
    """Set all rules, of a child none wider than it began with; they hold at once."""
    body = await body_of(request, ReplacePermissionsBody)
    command = ReplacePermissions(permissions=body.to_domain())
    return outcome_response(await perform(request, command))


@put("/v1/sessions/{session_id:str}/tool-approval", right="write")
@Describes(_TOPIC, body=ToolApprovalBody, answers={200: PermissionsSet}, asks=(SwitchToolApproval,))
async def switch_tool_approval(request: HttpRequest) -> ASGIResponse:
    """Let tools be called without asking, but for those that a rule denies; or not."""
    body = await body_of(request, ToolApprovalBody)
    command = SwitchToolApproval(enabled=body.enabled)
    return outcome_response(await perform(request, command))


@post("/v1/sessions/{session_id:str}/permissions/evaluate", right="read")
@Describes(_TOPIC, body=EvaluateBody, answers={200: Judgement})
async def evaluate_call(request: HttpRequest) -> ASGIResponse:
    """Tell what would happen to a tool call and why; nothing is recorded."""
    body = await body_of(request, EvaluateBody)
    judged = await use_cases_of(request).permissions.evaluate(
        await caller_of(request),
        session_id_of(request),
        tool=body.tool,
        arguments=body.arguments,
        read_only=body.read_only,
    )
    document = {**asdict(judged.verdict), "sequence": judged.sequence}
    return json_response(to_json(document), headers={"ETag": etag(judged.sequence)})
