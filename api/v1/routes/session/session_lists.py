"""Lists of sessions, page by page."""

from dataclasses import replace

from litestar.response.base import ASGIResponse

from api.http.around.authorization import narrowed
from api.http.describing.route_docs import (
    Describes,
)
from api.http.incoming import cursors
from api.http.incoming.query import PageQuery, with_query
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.responses import (
    Reply,
    array_json,
    json_response,
    next_link,
    to_json,
)
from api.http.routing import get
from api.services import services_of
from api.v1.documents.health import leased_session
from api.v1.schemas.session.session_queries import ListSessionsQuery
from api.v1.schemas.session.session_shape import (
    SessionPage,
)
from application.ports.session.listing import SessionFilter, SessionOrder
from application.reads.health import Checkup, DrivenSession


@get("/v1/sessions", right="read")
@Describes(
    "Sessions",
    answers={200: SessionPage},
    problems=("invalid_cursor",),
    linked=True,
)
@with_query(ListSessionsQuery)
async def list_sessions(request: HttpRequest, query: ListSessionsQuery) -> ASGIResponse:
    """List sessions, the last said first unless asked otherwise."""
    app, user = narrowed(request, query.app, query.user)
    where = replace(query.filter(), app=app, user=user)
    return await session_page(
        request,
        query,
        where,
        query.order(),
        path="/v1/sessions",
        attachable=query.attachable,
        with_health=query.include_health is True,
    )


async def session_page(
    request: HttpRequest,
    query: PageQuery,
    where: SessionFilter,
    order: SessionOrder,
    *,
    path: str,
    attachable: bool | None = None,
    with_health: bool = False,
) -> Reply:
    """Return a page of a list of sessions.

    Args:
        request: Who asks.
        query: Which page.
        where: Which sessions.
        order: In which order.
        path: Of the list, for the link to the next page.
        attachable: Only those that somebody may attach to now, or may not; None is all.
        with_health: Show how each is, and have that decide the badge.
    """
    services = services_of(request)
    checkups = services.checkups
    limit = query.limit
    more = () if attachable is None else (f"attachable {attachable}",)
    badge = where.badge if with_health else None
    if badge is not None:
        more = (*more, "badge by health")
    key = cursors.list_key(services.store.identity, where, order, *more)
    after = cursors.decode(query.cursor, key) if query.cursor else None

    def wanted(one: Checkup | DrivenSession) -> bool:
        return attachable is None or one.attachable == attachable

    def well(one: Checkup) -> bool:
        return wanted(one) and (badge is None or one.badge in badge)

    chosen = None if attachable is None else wanted
    if with_health:
        if badge is not None and "hung" in badge:
            # Of those that are stale the log does not know.
            where = replace(where, badge=None)
        looked_for = chosen if badge is None else well
        full = await checkups.search(where, order, after, limit, checkups.of, looked_for)
        shown, last = [leased_session(one.standing, one) for one in full.found], full.last
    else:
        page = await checkups.search(where, order, after, limit, checkups.standing, chosen)
        shown, last = [leased_session(one) for one in page.found], page.last
    following = cursors.encode(last, order, key) if last else None
    body = b'{"sessions":%s,"next_cursor":%s}' % (array_json(shown), to_json(following))
    headers: dict[str, str] = {}
    if following is not None:
        headers = next_link(request, path, cursor=following)
    return json_response(body, headers=headers)
