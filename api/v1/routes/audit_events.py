"""The audit feed: a page, or all of it as JSON Lines or CSV."""

import csv
import io
from collections.abc import AsyncGenerator, Mapping, Sequence

from litestar.response.base import ASGIResponse

from api.http.authorization import narrowed
from api.http.downloads import Download
from api.http.event_cursors import cursor_of
from api.http.negotiation import negotiated
from api.http.problems import Problem
from api.http.requests import AnyRequest, Parameters
from api.http.responses import (
    from_json,
    json_response,
    next_link,
    record_json,
    records_json,
    to_json,
)
from api.http.route_docs import LIMIT, TYPES, Describes, Parameter, cursor_parameter, moment
from api.http.routing import get
from api.services import record_access, services_of
from api.v1.schemas.audit import AuditPage
from application.ports.audit import AuditFilter
from application.ports.events import EventFilter, OwnedEvent

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
_FILTERS = (
    *("actor", "types", "since", "until", "app", "user", "session", "tool", "origin", "text"),
)
_COLUMNS = (
    *("position", "at", "session_id", "sequence", "app", "user", "type", "actor", "origin"),
    *("turn_id", "causation", "id", "digest", "data"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@get("/v1/audit/events", right="audit")
@Describes(
    "Audit",
    answers={200: AuditPage},
    problems=("cursor_ahead", "malformed_header", "not_acceptable"),
    parameters=(
        cursor_parameter("after", "position"),
        LIMIT,
        TYPES,
        Parameter("actor", "only what this one asked for"),
        moment("since", "only at or after this time"),
        moment("until", "only before this time"),
        Parameter("app", "only of sessions of this app"),
        Parameter("user", "only of sessions of this user"),
        Parameter("session", "only of this session", {"type": "string", "format": "uuid"}),
        Parameter("tool", "only calls of this tool, and permissions for it"),
        Parameter("origin", "only what came through this door, such as `http`"),
        Parameter("text", "only records with this text in them; ASCII letters in any case"),
    ),
    linked=True,
    other_forms={
        _LINES: {"type": "string", "description": "every event there is, one on each line"},
        _CSV: {"type": "string", "description": "every event there is, under a line of names"},
    },
)
async def get_audit_events(request: AnyRequest) -> ASGIResponse:
    """Read events by who, what, when and where; as JSON Lines or CSV all there are at once."""
    parameters = Parameters(request, (*_FILTERS, "after", "limit"))
    wanted = _filter(request, parameters)
    after = cursor_of(request, parameters, "after")
    services = services_of(request)
    if after is None:
        after = await services.store.log.head()
    form = negotiated(request, _FORMS)
    limit = parameters.limit()
    if form in (_LINES, _CSV):
        if "limit" in parameters:
            raise Problem("invalid_parameter", "limit is for pages in JSON only", field="limit")
        await _record(request, parameters)
        pages = services.audit_feed.all(wanted, after)
        if form == _CSV:
            return await Download.of(_csv(pages), f"{_CSV}; charset=utf-8; header=present")
        return await Download.of(_lines(pages), _LINES)
    page = await services.audit_feed.page(wanted, after, limit)
    # The page does not show the access to itself: who reads on until up to date would never be.
    await _record(request, parameters)
    up_to_date = page.next >= page.head
    rest = {"next": page.next, "head": page.head, "up_to_date": up_to_date}
    events = records_json([event.stored for event in page.events])
    body = b'{"events":%s,%s' % (events, to_json(rest)[1:])
    headers: dict[str, str] = {}
    if not up_to_date:
        headers = next_link(request, "/v1/audit/events", parameters.pairs(), after=page.next)
    return json_response(body, headers=headers)


async def _record(request: AnyRequest, parameters: Parameters) -> None:
    asked = {name: value for name, value in parameters.pairs() if name in _FILTERS}
    await record_access(request, "audit_events", where=asked)


def _filter(request: AnyRequest, parameters: Parameters) -> AuditFilter:
    app, user = narrowed(request, parameters.text("app"), parameters.text("user"))
    return AuditFilter(
        events=EventFilter(
            types=parameters.words("types"),
            app=app,
            user=user,
        ),
        session=parameters.uuid("session"),
        actor=parameters.text("actor"),
        origin=parameters.text("origin"),
        tool=parameters.text("tool"),
        since=parameters.moment("since"),
        until=parameters.moment("until"),
        text=parameters.text("text"),
    )


async def _lines(pages: AsyncGenerator[Sequence[OwnedEvent]]) -> AsyncGenerator[bytes]:
    async for page in pages:
        yield b"".join([record_json(event.stored) + b"\n" for event in page])


async def _csv(pages: AsyncGenerator[Sequence[OwnedEvent]]) -> AsyncGenerator[bytes]:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    async for page in pages:
        for event in page:
            rows.writerow(map(_cell, _row(event)))
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


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
