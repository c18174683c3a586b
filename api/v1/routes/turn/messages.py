"""The transcript: add and revise messages, page through it, read it turn by turn."""

from collections.abc import Sequence
from itertools import accumulate, groupby
from typing import Annotated, Any, Literal

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.describing.route_docs import (
    AT_PROBLEMS,
    LAST_EVENT_ID,
    Describes,
)
from api.http.incoming import cursors
from api.http.incoming.bodies import body_of
from api.http.incoming.event_cursors import cursor_of
from api.http.incoming.preconditions import is_current
from api.http.incoming.query import DEFAULT_LIMIT, Limit, PageQuery, Query, with_query
from api.http.incoming.query_values import one_of, text
from api.http.incoming.requests import HttpRequest, name_of, session_id_of
from api.http.outgoing.responses import (
    array_json,
    etag,
    from_json,
    json_response,
    location,
    next_link,
    not_modified,
    outcome_response,
    record_json,
    to_json,
)
from api.http.routing import get, patch, post
from api.services import caller_of, services_of, use_cases_of
from api.v1.documents.ui_messages import ui_messages
from api.v1.schemas.commands import AddMessageBody, ReviseMessageBody
from api.v1.schemas.events import HistoryPage
from api.v1.schemas.queries import At, AtQuery, Since
from api.v1.schemas.turn.transcript import MessageDone, MessagePage, TranscriptEntry
from application.reads.streams.selecting import ALL
from application.reads.streams.stream_items import PAGE_BYTES
from domain.session.commands import AddMessage, ReviseMessage


@post("/v1/sessions/{session_id:str}/messages", right="write")
@Describes(
    "Messages",
    body=AddMessageBody,
    answers={201: MessageDone},
    asks=(AddMessage,),
    problems=("blob_missing",),
)
async def add_message(request: HttpRequest) -> ASGIResponse:
    """Add a message to the transcript."""
    body = await body_of(request, AddMessageBody)
    outcome = await use_cases_of(request).messages.add(
        await caller_of(request),
        session_id_of(request),
        role=body.role,
        parts=tuple(body.parts),
        message_id=body.id,
        author=body.author,
        implicit=body.implicit,
        meta=body.meta,
    )
    made = location(outcome.session_id, "messages", outcome.answer["message_id"])
    return outcome_response(outcome, status=201, made=made)


@patch("/v1/sessions/{session_id:str}/messages/{message_id:str}", right="write")
@Describes(
    "Messages",
    body=ReviseMessageBody,
    answers={200: MessageDone},
    asks=(ReviseMessage,),
    problems=("blob_missing",),
)
async def revise_message(request: HttpRequest) -> ASGIResponse:
    """Replace what an entry of the transcript says: a message, a thought or a tool call."""
    body = await body_of(request, ReviseMessageBody)
    outcome = await use_cases_of(request).messages.revise(
        await caller_of(request),
        session_id_of(request),
        name_of(request, "message_id"),
        None if body.parts is None else tuple(body.parts),
        call_input=body.input,
    )
    return outcome_response(outcome)


class MessagesQuery(PageQuery):
    """Which part of the transcript, in which order and form."""

    cursor: Annotated[
        str | None, text(200), Field(description="`next_cursor` of the page before")
    ] = None
    order: Annotated[
        Literal["asc", "desc"],
        one_of(Literal["asc", "desc"]),
        Field(description="`asc` when absent: the oldest first"),
    ] = "asc"
    format: Annotated[
        Literal["entries", "ui"],
        one_of(Literal["entries", "ui"]),
        Field(description="`ui`: messages of the AI SDK UI"),
    ] = "entries"
    at: At = None


@get("/v1/sessions/{session_id:str}/messages", right="read")
@Describes(
    "Messages",
    answers={200: MessagePage},
    problems=("invalid_cursor", *AT_PROBLEMS),
    conditional=True,
    linked=True,
)
@with_query(MessagesQuery)
async def list_messages(request: HttpRequest, query: MessagesQuery) -> ASGIResponse:
    """Page through the transcript, oldest first or newest first."""
    services = services_of(request)
    limit, order, form = query.limit, query.order, query.format
    session_id = session_id_of(request)
    sequence, epoch, entries = await services.queries.transcript(session_id, query.at)
    key = cursors.transcript_key(services.store.identity, session_id, epoch, order, form)
    at = None if query.cursor is None else cursors.decode_place(query.cursor, key, int)
    if is_current(request, sequence):
        return not_modified(sequence)
    if form == "ui":
        root: str = request.scope.get("root_path") or ""
        shown = ui_messages(
            map(from_json, entries), blobs_at=f"{root}{location(session_id, 'blobs')}"
        )
        entries = [to_json(one) for one in shown]
    if order == "desc":
        end = len(entries) if at is None else at
        page = _in_part(entries[max(end - limit, 0) : end][::-1])
        following = end - len(page) or None
    else:
        start = at or 0
        page = _in_part(entries[start : start + limit])
        end = start + len(page)
        following = end if end < len(entries) else None
    cursor = None if following is None else cursors.encode_place(following, key)
    body = b'{"messages":%s,"next_cursor":%s,"sequence":%d}' % (
        array_json(page),
        to_json(cursor),
        sequence,
    )
    headers = {"ETag": etag(sequence)}
    if cursor is not None:
        path = location(session_id, "messages")
        headers |= next_link(request, path, cursor=cursor)
    return json_response(body, headers=headers)


def _in_part(entries: Sequence[bytes]) -> Sequence[bytes]:
    """Return the first entries, up to the one with which they fill a page."""
    sizes = accumulate(map(len, entries))
    full = next((count for count, size in enumerate(sizes, 1) if size >= PAGE_BYTES), None)
    return entries[:full]


@get("/v1/sessions/{session_id:str}/messages/{message_id:str}", right="read")
@Describes(
    "Messages",
    answers={200: TranscriptEntry},
    problems=("message_not_found", *AT_PROBLEMS),
    conditional=True,
)
@with_query(AtQuery)
async def get_message(request: HttpRequest, query: AtQuery) -> ASGIResponse:
    """Read one entry of the transcript."""
    services = services_of(request)
    message_id = name_of(request, "message_id")
    sequence, entry = await services.queries.entry(session_id_of(request), message_id, query.at)
    if is_current(request, sequence):
        return not_modified(sequence)
    return json_response(entry, headers={"ETag": etag(sequence)})


class HistoryQuery(Query):
    """Which events, up to when."""

    since: Since = 0
    limit: Limit = DEFAULT_LIMIT
    at: At = None


@get("/v1/sessions/{session_id:str}/history", right="read")
@Describes(
    "Messages",
    answers={200: HistoryPage},
    problems=(*AT_PROBLEMS, "malformed_header", "store_replaced"),
    headers=(LAST_EVENT_ID,),
    conditional=True,
    linked=True,
)
@with_query(HistoryQuery)
async def get_history(request: HttpRequest, query: HistoryQuery) -> ASGIResponse:
    """Read the events, grouped by turn."""
    services = services_of(request)
    at = query.at
    since = cursor_of(request, query.since) or 0
    session_id = session_id_of(request)
    upto = None if at is None else await services.queries.sequence_at(session_id, at)
    page = await services.tails.page(session_id, since, query.limit, ALL, upto=upto)
    if is_current(request, page.head):
        return not_modified(page.head)
    groups = [
        b'{"turn_id":%s,"events":%s}' % (to_json(turn), array_json([*map(record_json, events)]))
        for turn, events in groupby(page.events, key=lambda event: _turn_of(event.record))
    ]
    rest = {"next": page.next, "head": page.head, "up_to_date": page.up_to_date}
    headers = {"ETag": etag(page.head)}
    if not page.up_to_date:
        path = location(session_id, "history")
        headers |= next_link(request, path, since=page.next)
    return json_response(
        b'{"groups":%s,%s' % (array_json(groups), to_json(rest)[1:]), headers=headers
    )


def _turn_of(record: bytes) -> Any:
    return from_json(record).get("turn_id")
