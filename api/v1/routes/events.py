"""The tail of a session and the global feed: a page, a long poll or a stream."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar.response.base import ASGIResponse
from pydantic import Field

from api.http.around.authorization import narrowed, principal_of, require_right
from api.http.describing.route_docs import (
    LAST_EVENT_ID,
    STREAM,
    Describes,
)
from api.http.incoming.event_cursors import cursor_of
from api.http.incoming.negotiation import negotiated
from api.http.incoming.preconditions import is_current
from api.http.incoming.query import DEFAULT_LIMIT, MAX_EVENTS, Query, with_query
from api.http.incoming.query_times import sequence_or_moment
from api.http.incoming.query_values import factor, whole_number
from api.http.incoming.requests import HttpRequest, session_id_of
from api.http.outgoing.long_polls import while_there
from api.http.outgoing.problems import Problem
from api.http.outgoing.responses import (
    Reply,
    etag,
    location,
    next_link,
    not_modified,
)
from api.http.outgoing.streams import EventStream
from api.http.routing import get
from api.services import services_of
from api.v1.documents.event_pages import CLOUDEVENTS, cloudevents, joined_json, page_json
from api.v1.schemas.events import CloudEventBatch, EventPage, FeedPage
from api.v1.schemas.queries import (
    After,
    EventsLimit,
    Moment,
    Since,
    Store,
    Text,
    Ticket,
    Types,
    Wait,
)
from application.ports.log.events import named_types
from application.reads.streams.feed import FeedFilter
from application.reads.streams.pace import FASTEST, SLOWEST
from application.reads.streams.selecting import Filter

_JSON, _SSE = "application/json", "text/event-stream"
_FORMS: Mapping[str, Sequence[str]] = {_JSON: (), _SSE: (), CLOUDEVENTS: ()}

Agent = Annotated[
    Text, Field(description="only events at which this agent answered, from its switch on")
]


class EventsQuery(Query):
    """Which events of a session."""

    since: Since = 0
    last: Annotated[
        int | None,
        whole_number(1, MAX_EVENTS),
        Field(description="the newest so many, instead of `since`; fewer when they are large"),
    ] = None
    after: Annotated[Moment, Field(description="only events at or after this time")] = None
    at: Annotated[
        int | datetime | None,
        sequence_or_moment(),
        Field(description="of a page: as if this event, or the last one then, were the newest"),
    ] = None
    limit: EventsLimit = DEFAULT_LIMIT
    wait: Wait = 0.0
    types: Types = ()
    turn: Annotated[Text, Field(description="only events of this turn")] = None
    agent: Agent = None
    replay_speed: Annotated[
        float | None,
        factor(SLOWEST, FASTEST),
        Field(
            description="of a stream: what has happened comes as fast as it happened, times this;"
            " then what happens"
        ),
    ] = None
    store: Store = None
    ticket: Ticket = None


class FeedQuery(Query):
    """Which events of all sessions."""

    after: After = 0
    limit: EventsLimit = DEFAULT_LIMIT
    wait: Wait = 0.0
    types: Types = ()
    app: Annotated[Text, Field(description="only of sessions of this app")] = None
    user: Annotated[Text, Field(description="only of sessions of this user")] = None
    agent: Agent = None
    store: Store = None
    ticket: Ticket = None


@get("/v1/sessions/{session_id:str}/events", right="read")
@Describes(
    "Events",
    answers={200: EventPage, 204: None},
    problems=(
        "before_first_event",
        "cursor_ahead",
        "store_replaced",
        "malformed_header",
        "not_acceptable",
    ),
    headers=(LAST_EVENT_ID,),
    conditional=True,
    linked=True,
    other_forms={_SSE: STREAM, CLOUDEVENTS: CloudEventBatch},
)
@with_query(EventsQuery)
async def get_events(request: HttpRequest, query: EventsQuery) -> ASGIResponse:
    """Read the events of a session since a sequence."""
    services = services_of(request)
    session_id = session_id_of(request)
    wanted = Filter(named_types(query.types), query.turn, query.agent)
    since = cursor_of(request, query.since, query.store)
    accepted = negotiated(request, _FORMS)
    _require_sense(query, is_stream=accepted == _SSE)
    begin = 0
    if query.after is not None:
        begin = await services.queries.sequence_before(session_id, query.after)
        since = None if since is None else max(since, begin)
    if accepted == _SSE:
        require_right(principal_of(request), "stream")
        if query.last is not None:
            newest = await services.tails.start_of_newest(session_id, query.last, wanted)
            since = max(newest, begin)
        return await _stream(request, session_id, since, wanted, query.replay_speed)
    is_plain = query.last is None and query.at is None and not query.wait
    if is_plain and since is not None and accepted == _JSON and wanted.by_types_alone:
        joined = await services.pages.of_session(session_id, since, query.limit, wanted)
        if is_current(request, joined.head):
            return not_modified(joined.head)
        headers = {"ETag": etag(joined.head)}
        if joined.reached < joined.head:
            headers |= next_link(request, location(session_id, "events"), since=joined.reached)
        return joined_json(joined, headers, of_session=True)
    upto = None if query.at is None else await services.queries.sequence_at(session_id, query.at)
    if query.last is not None:
        page = await services.tails.newest(session_id, query.last, wanted, after=begin, upto=upto)
    else:
        if since is None:
            since = await services.tails.start_of(session_id, None)
        paging = services.tails.page(session_id, since, query.limit, wanted, query.wait, upto=upto)
        page = await while_there(request, query.wait, paging)
    if not query.wait and is_current(request, page.head):
        return not_modified(page.head)
    headers = {"ETag": etag(page.head)}
    if not page.up_to_date:
        path = location(session_id, "events")
        headers |= next_link(request, path, since=page.next)
    if accepted == CLOUDEVENTS:
        return cloudevents(page, headers)
    return page_json(page, headers, closed=page.closed)


def _require_sense(query: EventsQuery, *, is_stream: bool) -> None:
    """Refuse parameters that do not go together, or not with what is asked for."""
    if query.last is not None and "since" in query.model_fields_set:
        raise Problem("invalid_parameter", "since and last exclude each other", field="last")
    if query.at is not None and (query.wait or is_stream):
        raise Problem("invalid_parameter", "at is for pages, without wait", field="at")
    if query.replay_speed is not None and not is_stream:
        raise Problem(
            "invalid_parameter",
            "replay_speed is for streams: send Accept: text/event-stream",
            field="replay_speed",
        )


async def _stream(
    request: HttpRequest, session_id: UUID, since: int | None, wanted: Filter, speed: float | None
) -> ASGIResponse:
    services = services_of(request)
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
        request.scope["cairn_request_id"],
        lambda event: event.sequence,
        services.readers,
        principal_of(request),
    )


@get("/v1/events", right="read")
@Describes(
    "Events",
    answers={200: FeedPage},
    problems=("cursor_ahead", "store_replaced", "malformed_header", "not_acceptable"),
    headers=(LAST_EVENT_ID,),
    linked=True,
    other_forms={_SSE: STREAM, CLOUDEVENTS: CloudEventBatch},
)
@with_query(FeedQuery)
async def get_feed(request: HttpRequest, query: FeedQuery) -> ASGIResponse:
    """Read the events of all sessions since a position."""
    services = services_of(request)
    app, user = narrowed(request, query.app, query.user)
    wanted = FeedFilter(
        types=tuple(named_types(query.types)),
        app=app,
        user=user,
        agent=query.agent,
    )
    after = cursor_of(request, query.after, query.store)
    accepted = negotiated(request, _FORMS)
    if accepted == _SSE:
        require_right(principal_of(request), "stream")
        start = await services.feed.start_of(after)
        return EventStream(
            services.feed.stream(start, wanted),
            services.store.clock.now,
            request.scope["cairn_request_id"],
            lambda event: event.position,
            services.readers,
            principal_of(request),
        )
    headers: dict[str, str] = {}
    if wanted == FeedFilter() and after is not None and accepted == _JSON and not query.wait:
        joined = await services.pages.of_all(after, query.limit)
        if joined.reached < joined.head:
            headers = next_link(request, "/v1/events", after=joined.reached)
        return joined_json(joined, headers)
    paging = services.feed.page(after, query.limit, wanted, query.wait)
    page = await while_there(request, query.wait, paging)
    if not page.up_to_date:
        headers = next_link(request, "/v1/events", after=page.next)
    if accepted == CLOUDEVENTS:
        return cloudevents(page, headers)
    return page_json(page, headers)
