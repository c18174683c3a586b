"""The transcript: add and revise messages, page through it, read it turn by turn."""

from itertools import groupby
from typing import Any

from litestar import get, patch, post
from litestar.response.base import ASGIResponse

from api.requests import (
    AnyRequest,
    Parameters,
    body_of,
    cursor_of,
    decode,
    is_current,
    session_id_of,
)
from api.responses import (
    array_json,
    etag,
    json_response,
    not_modified,
    outcome_response,
    record_json,
    to_json,
)
from api.schemas.commands import AddMessageBody, ReviseMessageBody
from api.services import handle, services_of
from application.tail import ALL
from domain.session.commands import AddMessage, ReviseMessage


@post("/v1/sessions/{session_id:str}/messages")
async def add_message(request: AnyRequest) -> ASGIResponse:
    """Add a message to the transcript."""
    body = await body_of(request, AddMessageBody)
    message_id = body.id or services_of(request).new_name()
    command = AddMessage(
        message_id=message_id,
        role=body.role,
        parts=tuple(body.parts),
        author=body.author,
        implicit=body.implicit,
    )
    outcome = await handle(request, command, answer=lambda _: {"message_id": message_id})
    location = f"/v1/sessions/{outcome.session_id}/messages/{outcome.answer['message_id']}"
    return outcome_response(outcome, status=201, location=location)


@patch("/v1/sessions/{session_id:str}/messages/{message_id:str}")
async def revise_message(request: AnyRequest) -> ASGIResponse:
    """Replace what a message says."""
    body = await body_of(request, ReviseMessageBody)
    message_id: str = request.path_params["message_id"]
    command = ReviseMessage(message_id=message_id, parts=tuple(body.parts))
    outcome = await handle(request, command, answer=lambda _: {"message_id": message_id})
    return outcome_response(outcome)


@get("/v1/sessions/{session_id:str}/messages")
async def list_messages(request: AnyRequest) -> ASGIResponse:
    """Page through the transcript, oldest first or newest first."""
    parameters = Parameters(request, ("limit", "cursor", "order"))
    limit = parameters.limit()
    backwards = parameters.one_of("order", ("asc", "desc")) == "desc"
    skip = parameters.count("cursor")
    sequence, entries = await services_of(request).queries.transcript(session_id_of(request))
    if is_current(request, sequence):
        return not_modified(sequence)
    if backwards:
        end = len(entries) if skip is None else min(skip, len(entries))
        start = max(end - limit, 0)
        page, following = entries[start:end][::-1], str(start) if start else None
    else:
        start = skip or 0
        end = start + limit
        page, following = entries[start:end], str(end) if end < len(entries) else None
    body = b'{"messages":%s,"next_cursor":%s,"sequence":%d}' % (
        array_json(page),
        to_json(following),
        sequence,
    )
    return json_response(body, headers={"ETag": etag(sequence)})


@get("/v1/sessions/{session_id:str}/messages/{message_id:str}")
async def get_message(request: AnyRequest) -> ASGIResponse:
    """Read one entry of the transcript."""
    services = services_of(request)
    message_id: str = request.path_params["message_id"]
    sequence, entry = await services.queries.entry(session_id_of(request), message_id)
    return json_response(entry, headers={"ETag": etag(sequence)})


@get("/v1/sessions/{session_id:str}/history")
async def get_history(request: AnyRequest) -> ASGIResponse:
    """Read the events, grouped by turn."""
    services = services_of(request)
    parameters = Parameters(request, ("since", "limit"))
    since = cursor_of(request, parameters) or 0
    page = await services.tails.page(session_id_of(request), since, parameters.limit(), ALL)
    groups = [
        b'{"turn_id":%s,"events":%s}' % (to_json(turn), array_json([*map(record_json, events)]))
        for turn, events in groupby(page.events, key=lambda event: _turn_of(event.record))
    ]
    rest = {"next": page.next, "head": page.head, "up_to_date": page.up_to_date}
    return json_response(b'{"groups":%s,%s' % (array_json(groups), to_json(rest)[1:]))


def _turn_of(record: bytes) -> Any:
    return decode(record).get("turn_id")
