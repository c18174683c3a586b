"""The tail of a session and the global feed: a page, a long poll or a stream."""

from collections.abc import Mapping, Sequence

from litestar.response.base import ASGIResponse

from api.http.authorization import narrowed, principal_of, require_right
from api.http.event_cursors import cursor_of
from api.http.negotiation import negotiated
from api.http.preconditions import is_current
from api.http.problems import Problem
from api.http.requests import (
    MAX_EVENTS,
    AnyRequest,
    Parameters,
    scope_of,
    session_id_of,
)
from api.http.responses import (
    Reply,
    etag,
    from_json,
    json_response,
    location,
    next_link,
    not_modified,
    record_json,
    records_json,
    to_json,
)
from api.http.route_docs import (
    EVENTS_LIMIT,
    LAST,
    LAST_EVENT_ID,
    REPLAY_SPEED,
    STORE,
    STREAM,
    TICKET,
    TYPES,
    WAIT,
    Describes,
    Parameter,
    cursor_parameter,
)
from api.http.routing import get
from api.http.streams import EventStream
from api.services import services_of
from api.v1.schemas.events import CloudEventBatch, EventPage, FeedPage
from application.ports.events import StoredEvent, named_types
from application.reads.feed import FeedFilter
from application.reads.pace import FASTEST, SLOWEST
from application.reads.stream_items import Page
from application.reads.tail import Filter

_SSE = "text/event-stream"
_CLOUDEVENTS = "application/cloudevents-batch+json"
_FORMS: Mapping[str, Sequence[str]] = {"application/json": (), _SSE: (), _CLOUDEVENTS: ()}
_OF_A_TAIL = ("since", "limit", "wait", "types", "turn", "last", "store", "replay_speed")
_CLOUDEVENT_TYPE = "dev.cairn."
"""CloudEvents wants the reversed domain name of who defines a type before its name."""


@get("/v1/sessions/{session_id:str}/events", right="read")
@Describes(
    "Events",
    answers={200: EventPage, 204: None},
    problems=("cursor_ahead", "store_replaced", "malformed_header", "not_acceptable", "overloaded"),
    parameters=(
        cursor_parameter("since", "sequence"),
        LAST,
        EVENTS_LIMIT,
        WAIT,
        TYPES,
        Parameter("turn", "only events of this turn"),
        REPLAY_SPEED,
        LAST_EVENT_ID,
        STORE,
        TICKET,
    ),
    conditional=True,
    linked=True,
    other_forms={_SSE: STREAM, _CLOUDEVENTS: CloudEventBatch},
)
async def get_events(request: AnyRequest) -> ASGIResponse:
    """Read the events of a session since a sequence."""
    services = services_of(request)
    parameters = Parameters(request, _OF_A_TAIL)
    session_id = session_id_of(request)
    wanted = Filter(named_types(parameters.words("types")), parameters.text("turn"))
    last = parameters.count("last", least=1, most=MAX_EVENTS)
    if last is not None and "since" in parameters:
        raise Problem("invalid_parameter", "since and last exclude each other", field="last")
    speed = parameters.factor("replay_speed", least=SLOWEST, most=FASTEST)
    since = cursor_of(request, parameters)
    accepted = negotiated(request, _FORMS)
    if speed is not None and accepted != _SSE:
        raise Problem(
            "invalid_parameter",
            "replay_speed is for streams: send Accept: text/event-stream",
            field="replay_speed",
        )
    if accepted == _SSE:
        require_right(principal_of(request), "stream")
        if last is not None:
            since = await services.tails.start_of_newest(session_id, last, wanted)
        start = await services.tails.start_of(session_id, since)
        if since is not None and await services.tails.is_over(session_id, since):
            # Who comes back to a stream that has ended is told not to come again.
            return Reply(b"", status=204)
        if speed is None:
            items = services.tails.stream(session_id, start, wanted)
        else:
            items = services.replays.stream(session_id, start, wanted, speed)
        return EventStream(
            items,
            services.store.clock.now,
            scope_of(request)["cairn_request_id"],
            lambda event: event.sequence,
            services.memory.share("streams"),
            principal_of(request),
        )
    limit, wait = parameters.limit(most=MAX_EVENTS), parameters.wait()
    if last is not None:
        page = await services.tails.newest(session_id, last, wanted)
    else:
        if since is None:
            since = await services.tails.start_of(session_id, None)
        page = await services.tails.page(session_id, since, limit, wanted, wait)
    if not wait and is_current(request, page.head):
        return not_modified(page.head)
    headers = {"ETag": etag(page.head)}
    if not page.up_to_date:
        path = location(session_id, "events")
        headers |= next_link(request, path, parameters.pairs(), since=page.next)
    if accepted == _CLOUDEVENTS:
        return _cloudevents(page, headers)
    return _page(page, headers, closed=page.closed)


@get("/v1/events", right="read")
@Describes(
    "Events",
    answers={200: FeedPage},
    problems=("cursor_ahead", "store_replaced", "malformed_header", "not_acceptable", "overloaded"),
    parameters=(
        cursor_parameter("after", "position"),
        EVENTS_LIMIT,
        WAIT,
        TYPES,
        Parameter("app", "only of sessions of this app"),
        Parameter("user", "only of sessions of this user"),
        LAST_EVENT_ID,
        STORE,
        TICKET,
    ),
    linked=True,
    other_forms={_SSE: STREAM, _CLOUDEVENTS: CloudEventBatch},
)
async def get_feed(request: AnyRequest) -> ASGIResponse:
    """Read the events of all sessions since a position."""
    services = services_of(request)
    parameters = Parameters(request, ("after", "limit", "wait", "types", "app", "user", "store"))
    app, user = narrowed(request, parameters.text("app"), parameters.text("user"))
    wanted = FeedFilter(
        types=tuple(named_types(parameters.words("types"))),
        app=app,
        user=user,
    )
    after = cursor_of(request, parameters, "after")
    accepted = negotiated(request, _FORMS)
    if accepted == _SSE:
        require_right(principal_of(request), "stream")
        start = await services.feed.start_of(after)
        return EventStream(
            services.feed.stream(start, wanted),
            services.store.clock.now,
            scope_of(request)["cairn_request_id"],
            lambda event: event.position,
            services.memory.share("streams"),
            principal_of(request),
        )
    page = await services.feed.page(
        after, parameters.limit(most=MAX_EVENTS), wanted, parameters.wait()
    )
    headers: dict[str, str] = {}
    if not page.up_to_date:
        headers = next_link(request, "/v1/events", parameters.pairs(), after=page.next)
    if accepted == _CLOUDEVENTS:
        return _cloudevents(page, headers)
    return _page(page, headers)


def _page(page: Page, headers: dict[str, str], *, closed: bool | None = None) -> ASGIResponse:
    rest: dict[str, int | bool] = {
        "next": page.next,
        "head": page.head,
        "up_to_date": page.up_to_date,
    }
    if closed is not None:
        rest["closed"] = closed
    body = b'{"events":%s,%s' % (records_json(page.events), to_json(rest)[1:])
    return json_response(body, headers=headers)


def _cloudevents(page: Page, headers: dict[str, str]) -> ASGIResponse:
    body = b"[%s]" % b",".join(map(_cloudevent, page.events))
    return Reply(body, media_type=_CLOUDEVENTS, headers=headers)


def _cloudevent(event: StoredEvent) -> bytes:
    record = from_json(event.record)
    head = {
        "specversion": "1.0",
        "id": record["id"],
        "source": f"/v1/sessions/{event.session_id}",
        "type": _CLOUDEVENT_TYPE + event.type,
        "time": record["at"],
        "subject": str(event.session_id),
        "datacontenttype": "application/json",
        "sequence": f"{event.sequence:019d}",
        "position": str(event.position),
    }
    return b'%s,"data":%s}' % (to_json(head)[:-1], record_json(event))
