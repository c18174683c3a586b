"""The tail of a session and the global feed: a page, a long poll or a stream."""

from litestar import get
from litestar.response.base import ASGIResponse

from api.problems import Problem
from api.requests import MAX_LIMIT, AnyRequest, Parameters, cursor_of, decode, session_id_of
from api.responses import etag, json_response, record_json, records_json, to_json
from api.services import scope_of, services_of
from api.streams import EventStream
from application.ports import StoredEvent
from application.tail import FeedFilter, Filter, Page

_SSE = "text/event-stream"
_CLOUDEVENTS = "application/cloudevents-batch+json"


@get("/v1/sessions/{session_id:str}/events")
async def get_events(request: AnyRequest) -> ASGIResponse:
    """Read the events of a session since a sequence."""
    services = services_of(request)
    parameters = Parameters(request, ("since", "limit", "wait", "types", "turn", "last"))
    session_id = session_id_of(request)
    wanted = Filter(frozenset(parameters.words("types")), parameters.text("turn"))
    last = parameters.count("last", least=1, most=MAX_LIMIT)
    if last is not None and "since" in parameters:
        raise Problem("invalid_parameter", "since and last exclude each other", field="last")
    since = cursor_of(request, parameters)
    accepted = _accepted(request)
    if accepted == _SSE:
        if last is not None:
            newest = await services.tails.newest(session_id, last, wanted)
            since = newest.events[0].sequence - 1 if newest.events else newest.head
        start = await services.tails.start_of(session_id, since)
        return EventStream(
            services.tails.stream(session_id, start, wanted),
            services.clock.now,
            scope_of(request)["cairn_request_id"],
            lambda event: event.sequence,
        )
    limit, wait = parameters.limit(), parameters.wait()
    if last is not None:
        page = await services.tails.newest(session_id, last, wanted)
    else:
        if since is None:
            since = await services.tails.start_of(session_id, None)
        page = await services.tails.page(session_id, since, limit, wanted, wait)
    if accepted == _CLOUDEVENTS:
        return _cloudevents(page)
    return _page(page, closed=page.closed)


@get("/v1/events")
async def get_feed(request: AnyRequest) -> ASGIResponse:
    """Read the events of all sessions since a position."""
    services = services_of(request)
    parameters = Parameters(request, ("after", "limit", "wait", "types", "app", "user"))
    wanted = FeedFilter(
        types=parameters.words("types"), app=parameters.text("app"), user=parameters.text("user")
    )
    after = cursor_of(request, parameters, "after")
    accepted = _accepted(request)
    if accepted == _SSE:
        start = await services.feed.start_of(after)
        return EventStream(
            services.feed.stream(start, wanted),
            services.clock.now,
            scope_of(request)["cairn_request_id"],
            lambda event: event.position,
        )
    page = await services.feed.page(after, parameters.limit(), wanted, parameters.wait())
    if accepted == _CLOUDEVENTS:
        return _cloudevents(page)
    return _page(page)


def _accepted(request: AnyRequest) -> str:
    """Return the form that the client asks for; JSON unless it names another."""
    accept = request.headers.get("accept", "").lower()
    for form in (_SSE, _CLOUDEVENTS):
        if form in accept:
            return form
    return "application/json"


def _page(page: Page, *, closed: bool | None = None) -> ASGIResponse:
    rest: dict[str, int | bool] = {
        "next": page.next,
        "head": page.head,
        "up_to_date": page.up_to_date,
    }
    if closed is not None:
        rest["closed"] = closed
    body = b'{"events":%s,%s' % (records_json(page.events), to_json(rest)[1:])
    return json_response(body, headers={"ETag": etag(page.head)} if closed is not None else None)


def _cloudevents(page: Page) -> ASGIResponse:
    body = b"[%s]" % b",".join(map(_cloudevent, page.events))
    return ASGIResponse(body=body, media_type=_CLOUDEVENTS)


def _cloudevent(event: StoredEvent) -> bytes:
    record = decode(event.record)
    head = {
        "specversion": "1.0",
        "id": record["id"],
        "source": f"/v1/sessions/{event.session_id}",
        "type": event.type,
        "time": record["at"],
        "subject": str(event.session_id),
        "datacontenttype": "application/json",
        "sequence": f"{event.sequence:019d}",
        "position": str(event.position),
    }
    return b'%s,"data":%s}' % (to_json(head)[:-1], record_json(event))
