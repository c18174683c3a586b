"""What is said about a session and in it, outside of runs."""

from uuid import UUID

from litestar.response.base import ASGIResponse

from api.docker_agent.acting import in_session
from api.docker_agent.requests import Refusal, reply
from api.docker_agent.routes.sessions import SESSION
from api.docker_agent.shapes.messages import KEPT, messages_of, role_of, said_parts
from api.docker_agent.shapes.revising import revised_parts
from api.docker_agent.shapes.wire import (
    AddSummary,
    ChangeMessage,
    UpdateStarred,
    UpdateTitle,
    UpdateTokens,
)
from api.http.incoming.bodies import body_of
from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.http.outgoing.responses import from_json
from api.http.routing import patch, post
from api.services import caller_of, perform, services_of
from application.commands.request import Caller, Outcome
from domain.session.commands import DescribeSession, RecordUsage


@post(SESSION + "/messages", right="write")
async def add_message(request: HttpRequest) -> ASGIResponse:
    """Add a message, of whatever role; the answer has its id, and the sequence it is at."""
    body = (await body_of(request, ChangeMessage)).message
    messages, kept = services_of(request).use_cases.messages, body.message.kept()

    async def add(caller: Caller, session_id: UUID) -> Outcome:
        return await messages.add(
            caller,
            session_id,
            role=role_of(body.message),
            parts=said_parts(body.message),
            author=body.agent_name or None,
            implicit=body.implicit,
            meta={KEPT: kept} if kept else None,
        )

    outcome = await in_session(request, add)
    made = {"id": outcome.answer["message_id"], "sequence": outcome.sequence}
    return reply({"status": "added", **made}, status=201, sequence=outcome.sequence)


@patch(SESSION + "/messages/{message_id:str}", right="write")
async def update_message(request: HttpRequest) -> ASGIResponse:
    """Replace what a message of this session says; the log keeps what it said before."""
    body = (await body_of(request, ChangeMessage)).message
    services, session_id = services_of(request), session_id_of(request)
    message_id = name_of(request, "message_id")
    _, entry = await services.queries.entry(session_id, message_id)
    outcome = await services.use_cases.messages.revise(
        await caller_of(request),
        session_id,
        message_id,
        revised_parts(from_json(entry), body.message),
    )
    return reply({"status": "updated"}, sequence=outcome.sequence)


@post(SESSION + "/summaries", right="write")
async def add_summary(request: HttpRequest) -> ASGIResponse:
    """Put what was said so far in short; the messages stay."""
    body = await body_of(request, AddSummary)
    place = body.tokens if body.first_kept_entry is None else body.first_kept_entry
    services, session_id = services_of(request), session_id_of(request)
    outcome = await services.use_cases.summaries.add(
        await caller_of(request),
        session_id,
        text=body.summary,
        first_kept=await _message_at(request, place) if place else None,
    )
    return reply({"status": "added"}, status=201, sequence=outcome.sequence)


async def _message_at(request: HttpRequest, place: int) -> str:
    """Return the id of the message at a place among those that docker-agent shows."""
    session_id = session_id_of(request)
    _, _, entries = await services_of(request).queries.transcript(session_id)
    messages = messages_of(str(session_id), entries)
    if not 0 <= place < len(messages):
        are = "is 1 message" if len(messages) == 1 else f"are {len(messages)} messages"
        raise Refusal(
            400,
            "first_kept_entry (in v1.81 tokens) is the index of the first message that is kept,"
            f" from 0; there {are}",
        )
    found = messages[place]
    named: str = found.get("id") or found["message"]["tool_calls"][0]["id"]
    return named


@patch(SESSION + "/title", right="write")
async def update_title(request: HttpRequest) -> ASGIResponse:
    """Set the title; an empty one takes it away."""
    body = await body_of(request, UpdateTitle)
    command = DescribeSession(fields=frozenset({"title"}), title=body.title or None)
    outcome = await perform(request, command)
    document = {"id": str(outcome.session_id), "title": body.title}
    return reply(document, sequence=outcome.sequence)


@patch(SESSION + "/tokens", right="write")
async def update_tokens(request: HttpRequest) -> ASGIResponse:
    """Set the totals."""
    body = await body_of(request, UpdateTokens)
    command = RecordUsage(
        mode="set",
        input_tokens=body.input_tokens,
        output_tokens=body.output_tokens,
        cost=body.cost,
    )
    outcome = await perform(request, command)
    return reply({"status": "updated"}, sequence=outcome.sequence)


@patch(SESSION + "/starred", right="write")
async def update_starred(request: HttpRequest) -> ASGIResponse:
    """Mark the session, or take the mark away."""
    body = await body_of(request, UpdateStarred)
    command = DescribeSession(fields=frozenset({"starred"}), starred=body.starred)
    outcome = await perform(request, command)
    return reply({"status": "updated"}, sequence=outcome.sequence)


ROUTES = (
    add_message,
    update_message,
    add_summary,
    update_title,
    update_tokens,
    update_starred,
)
