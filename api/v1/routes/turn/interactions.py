"""Requests that wait for a person: ask, list, decide, take back."""

from typing import Annotated, Any

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.describing.route_docs import Describes
from api.http.incoming.bodies import body_of
from api.http.incoming.preconditions import is_current
from api.http.incoming.query import DEFAULT_LIMIT, Limit, Query, with_query
from api.http.incoming.query_values import one_of
from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.http.outgoing.responses import (
    etag,
    from_json,
    json_response,
    location,
    not_modified,
    outcome_response,
    to_json,
)
from api.http.routing import delete, get, post
from api.services import caller_of, perform, read_response, services_of, state_of, use_cases_of
from api.v1.documents.sessions import interaction_document, pending_documents
from api.v1.schemas.queries import Flag
from api.v1.schemas.turn.interactions import (
    AnswerBody,
    AskPermissionBody,
    DecideBody,
    DecideInteractionBody,
    ElicitFormBody,
    ElicitVisitBody,
    RequestInteractionBody,
    WithdrawBody,
)
from api.v1.schemas.turn.pending_interactions import (
    InteractionDecided,
    InteractionPage,
    InteractionRequested,
    InteractionStanding,
)
from application.ports.log.events import StoredEvent
from domain.errors import InteractionNotFound
from domain.session.commands import (
    AnswerElicitation,
    CancelInteraction,
    DecidePermission,
    RequestElicitation,
    RequestPermission,
)
from domain.session.work import InteractionKind
from domain.values import Option

_TOPIC = "Interactions"
"""Why nothing is decided, however what is pending is named."""
_DECISIONS = {"permission": "permission.decided", "elicitation": "elicitation.answered"}


class InteractionsQuery(Query):
    """Which interactions."""

    kind: Annotated[
        InteractionKind | None,
        one_of(InteractionKind),
        Field(description="only those of this kind"),
    ] = None
    pending: Annotated[Flag, Field(description="`false` adds those that were decided last")] = None
    limit: Limit = DEFAULT_LIMIT


@get("/v1/sessions/{session_id:str}/interactions", right="read")
@Describes(
    _TOPIC,
    answers={200: InteractionPage},
    conditional=True,
)
@with_query(InteractionsQuery)
async def list_interactions(request: HttpRequest, query: InteractionsQuery) -> ASGIResponse:
    """List what is pending; with `pending=false` what was decided last, too."""
    kind = query.kind
    session = await state_of(request)
    if is_current(request, session.sequence):
        return not_modified(session.sequence)
    decided: list[dict[str, Any]] = []
    if query.pending is False:
        types = tuple(_DECISIONS.values()) if kind is None else (_DECISIONS[kind],)
        log = services_of(request).store.log
        newest = await log.read_newest(session_id_of(request), last=query.limit, types=types)
        # Somebody may have written meanwhile: all of the page is of one moment.
        decided = [_decided(one) for one in newest if one.sequence <= session.sequence]
    document = {
        "interactions": pending_documents(session, kind),
        "decided": decided,
        "sequence": session.sequence,
    }
    return json_response(to_json(document), headers={"ETag": etag(session.sequence)})


def _decided(stored: StoredEvent) -> dict[str, Any]:
    record = from_json(stored.record)
    data = record["data"]
    permission = record["type"] == _DECISIONS["permission"]
    return {
        "request_id": data["request_id"],
        "kind": "permission" if permission else "elicitation",
        "decision": data["decision" if permission else "action"],
        "option_id": data.get("option_id"),
        "grant": data.get("grant"),
        "arguments": data.get("arguments"),
        "content": data.get("content"),
        "reason": data.get("reason"),
        "sequence": stored.sequence,
        "decided_at": record["at"],
    }


@get("/v1/sessions/{session_id:str}/interactions/{request_id:str}", right="read")
@Describes(
    _TOPIC,
    answers={200: InteractionStanding},
    problems=("interaction_not_found",),
    conditional=True,
)
async def get_interaction(request: HttpRequest) -> ASGIResponse:
    """Read what has become of a request."""
    request_id = name_of(request, "request_id")
    session = await state_of(request)
    pending = session.interactions.pending.get(request_id)
    decision = session.interactions.decided.get(request_id)
    if pending is None and decision is None:
        raise InteractionNotFound(None, request_id=request_id)
    document = {
        "request_id": request_id,
        "status": "decided" if pending is None else "pending",
        "decision": decision,
        "interaction": None if pending is None else interaction_document(pending),
    }
    return read_response(request, session.sequence, document)


@post("/v1/sessions/{session_id:str}/interactions", right="write")
@Describes(
    _TOPIC,
    body=RequestInteractionBody,
    answers={200: InteractionRequested, 201: InteractionRequested},
    asks=(RequestElicitation, RequestPermission),
)
async def request_interaction(request: HttpRequest) -> ASGIResponse:
    """Ask on behalf of the agent: for a permission, or for content.

    The same request made again is answered (200) with what has become of it.
    """
    asked = (await body_of(request, RequestInteractionBody)).asked()
    caller, session_id = await caller_of(request), session_id_of(request)
    interactions = use_cases_of(request).interactions
    if isinstance(asked, AskPermissionBody):
        outcome = await interactions.request_permission(
            caller,
            session_id,
            turn_id=asked.turn_id,
            options=tuple(
                Option(option_id=one.option_id, name=one.name, kind=one.kind)
                for one in asked.options
            ),
            request_id=asked.request_id,
            tool_call_id=asked.tool_call_id,
            title=asked.title,
            tool=asked.tool,
            arguments=asked.arguments,
            read_only=asked.read_only,
            timeout_seconds=asked.timeout_seconds,
            meta=asked.meta,
        )
    else:
        outcome = await interactions.elicit(
            caller,
            session_id,
            message=asked.message,
            request_id=asked.request_id,
            turn_id=asked.turn_id,
            schema=asked.form if isinstance(asked, ElicitFormBody) else None,
            url=asked.url if isinstance(asked, ElicitVisitBody) else None,
            timeout_seconds=asked.timeout_seconds,
            meta=asked.meta,
        )
    made = location(outcome.session_id, "interactions", outcome.answer["request_id"])
    is_new = outcome.changed or outcome.replayed
    return outcome_response(outcome, status=201 if is_new else 200, made=made)


@post("/v1/sessions/{session_id:str}/interactions/{request_id:str}/decision", right="write")
@Describes(
    _TOPIC,
    body=DecideInteractionBody,
    answers={200: InteractionDecided},
    asks=(AnswerElicitation, DecidePermission),
)
async def decide_interaction(request: HttpRequest) -> ASGIResponse:
    """Decide, once: with an option of a permission, or with an answer to an elicitation."""
    decided = (await body_of(request, DecideInteractionBody)).decided()
    return await _decide(request, decided, name_of(request, "request_id"))


@post("/v1/sessions/{session_id:str}/turns/{turn_id:str}/decision", right="write")
@Describes(
    _TOPIC,
    body=DecideInteractionBody,
    answers={200: InteractionDecided},
    asks=(AnswerElicitation, DecidePermission),
    problems=("ambiguous_interaction",),
)
async def decide_in_turn(request: HttpRequest) -> ASGIResponse:
    """Decide the only permission, or answer the only elicitation, that is pending in a turn."""
    decided = (await body_of(request, DecideInteractionBody)).decided()
    use_cases, session_id = use_cases_of(request), session_id_of(request)
    replayed = await use_cases.handler.replay((await caller_of(request)).key_in(session_id))
    if replayed is not None:
        return outcome_response(replayed)
    request_id = await use_cases.interactions.pending_in(
        session_id,
        name_of(request, "turn_id"),
        "elicitation" if isinstance(decided, AnswerBody) else "permission",
    )
    return await _decide(request, decided, request_id)


async def _decide(
    request: HttpRequest, decided: DecideBody | AnswerBody, request_id: str
) -> ASGIResponse:
    session_id = session_id_of(request)
    caller, interactions = await caller_of(request), use_cases_of(request).interactions
    if isinstance(decided, AnswerBody):
        outcome = await interactions.answer(
            caller, session_id, request_id, action=decided.action, content=decided.content
        )
    else:
        outcome = await interactions.decide(
            caller,
            session_id,
            request_id,
            option_id=decided.option_id,
            grant=decided.grant,
            reason=decided.reason,
            arguments=decided.arguments,
        )
    return outcome_response(outcome)


@delete("/v1/sessions/{session_id:str}/interactions/{request_id:str}", right="write")
@Describes(
    _TOPIC,
    body=WithdrawBody,
    answers={200: InteractionDecided},
    asks=(CancelInteraction,),
)
async def withdraw_interaction(request: HttpRequest) -> ASGIResponse:
    """Take a request back, on behalf of the agent; it is decided as `cancelled`."""
    body = await body_of(request, WithdrawBody)
    request_id = name_of(request, "request_id")
    command = CancelInteraction(request_id=request_id, reason=body.reason)
    return outcome_response(await perform(request, command))
