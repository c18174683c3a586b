"""The audit feed: a page, or all of it as JSON Lines or CSV."""

import csv
import io
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.around.authorization import narrowed
from api.http.describing.route_docs import Describes
from api.http.incoming.event_cursors import cursor_of
from api.http.incoming.negotiation import negotiated
from api.http.incoming.query import DEFAULT_LIMIT, Limit, Query, given_of, with_query
from api.http.incoming.query_values import some_of
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.downloads import Download
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import (
    from_json,
    json_response,
    next_link,
    record_json,
    records_json,
    to_json,
)
from api.http.routing import get
from api.services import record_access, services_of
from api.v1.schemas.operator.audit import AuditPage
from api.v1.schemas.queries import After, Moment, Session, Text, Types
from application.commands.request import RequestOrigin
from application.ports.log.audit import AuditFilter
from application.ports.log.events import EventFilter, OwnedEvent

_LINES = "application/jsonl"
_CSV = "text/csv"
_FORMS: Mapping[str, Sequence[str]] = {
    "application/json": (),
    _LINES: (
        "application/x-jsonlines",
        "application/json-lines",
        "application/x-ndjson",
        "application/ndjson",
        "application/x-jsonl",
    ),
    _CSV: (),
}
_OF_THE_PAGE = ("after", "limit")
_COLUMNS = (
    *("position", "at", "session_id", "sequence", "app", "user", "type", "actor", "origin"),
    *("turn_id", "causation", "id", "digest", "data"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class AuditQuery(Query):
    """Who did what, when and where."""

    after: After = 0
    limit: Limit = DEFAULT_LIMIT
    types: Types = ()
    actor: Annotated[Text, Field(description="only what this one asked for")] = None
    since: Annotated[Moment, Field(description="only at or after this time")] = None
    until: Annotated[Moment, Field(description="only before this time")] = None
    app: Annotated[Text, Field(description="only of sessions of this app")] = None
    user: Annotated[Text, Field(description="only of sessions of this user")] = None
    session: Annotated[Session, Field(description="only of this session")] = None
    tool: Annotated[Text, Field(description="only calls of this tool, and permissions for it")] = (
        None
    )
    origin: Annotated[
        tuple[RequestOrigin, ...] | None,
        some_of(RequestOrigin),
        Field(description="only what came through these doors, or from the server itself"),
    ] = None
    text: Annotated[
        Text, Field(description="only records with this text in them; ASCII letters in any case")
    ] = None


@get("/v1/audit/events", right="audit")
@Describes(
    "Audit",
    answers={200: AuditPage},
    problems=("cursor_ahead", "malformed_header", "not_acceptable", "store_replaced"),
    linked=True,
    other_forms={
        _LINES: {"type": "string", "description": "every event there is, one on each line"},
        _CSV: {"type": "string", "description": "every event there is, under a line of names"},
    },
)
@with_query(AuditQuery)
async def get_audit_events(request: HttpRequest, query: AuditQuery) -> ASGIResponse:
    """Read events by who, what, when and where; as JSON Lines or CSV all there are at once."""
    wanted = _filter(request, query)
    after = cursor_of(request, query.after)
    services = services_of(request)
    if after is None:
        after = await services.store.log.head()
    form = negotiated(request, _FORMS)
    if form in (_LINES, _CSV):
        if "limit" in query.model_fields_set:
            raise Problem("invalid_parameter", "limit is for pages in JSON only", field="limit")
        await _record(request)
        pages = services.audit_feed.all(wanted, after)
        if form == _CSV:
            return await Download.of(_csv(pages), f"{_CSV}; charset=utf-8; header=present")
        return await Download.of(_lines(pages), _LINES)
    page = await services.audit_feed.page(wanted, after, query.limit)
    # The page does not show the access to itself: who reads on until up to date would never be.
    await _record(request)
    up_to_date = page.next >= page.head
    rest = {"next": page.next, "head": page.head, "up_to_date": up_to_date}
    events = records_json([event.stored for event in page.events])
    body = b'{"events":%s,%s' % (events, to_json(rest)[1:])
    headers: dict[str, str] = {}
    if not up_to_date:
        headers = next_link(request, "/v1/audit/events", after=page.next)
    return json_response(body, headers=headers)


async def _record(request: HttpRequest) -> None:
    asked = {name: value for name, value in given_of(request).items() if name not in _OF_THE_PAGE}
    await record_access(request, "audit_events", where=asked)


def _filter(request: HttpRequest, query: AuditQuery) -> AuditFilter:
    app, user = narrowed(request, query.app, query.user)
    return AuditFilter(
        events=EventFilter(
            types=query.types,
            app=app,
            user=user,
        ),
        session=query.session,
        actor=query.actor,
        origins=query.origin,
        tool=query.tool,
        since=query.since,
        until=query.until,
        text=query.text,
    )


async def _lines(pages: AsyncGenerator[Sequence[OwnedEvent]]) -> AsyncGenerator[bytes]:
    async for page in pages:
        lines = [b"".join([record_json(event.stored) + b"\n" for event in page])]
        del page
        yield lines.pop()


async def _csv(pages: AsyncGenerator[Sequence[OwnedEvent]]) -> AsyncGenerator[bytes]:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    async for page in pages:
        for event in page:
            rows.writerow(map(_cell, _row(event)))
        del page
        lines = [text.getvalue().encode()]
        text.seek(0)
        text.truncate()
        yield lines.pop()


def _row(event: OwnedEvent) -> tuple[object, ...]:
    stored, record = event.stored, from_json(event.stored.record)
    return (
        stored.position,
        record.get("at"),
        stored.session_id,
        stored.sequence,
        event.app,
        event.user,
        stored.type,
        *(record.get(name) for name in ("actor", "origin", "turn_id", "causation", "id")),
        stored.digest.hex(),
        to_json(record["data"]).decode() if "data" in record else None,
    )


def _cell(value: object) -> str:
    """Return a value so that no spreadsheet takes it for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
