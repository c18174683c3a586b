"""The list of sessions: newest first, those that nobody has spawned, in pages."""

from collections.abc import Sequence

from api.docker_agent.requests import Refusal
from api.http.around.authorization import narrowed
from api.http.incoming import cursors
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.responses import next_link
from api.services import services_of
from application.ports.session.listing import ListedSession, SessionFilter, SessionOrder

MOST = 1000
"""Sessions of one answer: clients that know no pages are given the newest ones."""

_PATH = "/api/sessions"
_NEWEST = SessionOrder(by="created_at")


async def page_of_sessions(
    request: HttpRequest,
) -> tuple[Sequence[ListedSession], dict[str, str]]:
    """Return the sessions that a request lists, and the header that leads to the next ones.

    Args:
        request: `limit`, `cursor`, and `active` for those in which a turn runs.

    Raises:
        Refusal: 400, the limit is none.
        InvalidCursor: The cursor is of another list.
    """
    services = services_of(request)
    query = request.query_params
    limit = _limit_of(query.get("limit"))
    app, user = narrowed(request, None, None)
    active = ("running", "waiting") if query.get("active") == "true" else None
    where = SessionFilter(app=app, user=user, roots=True, status=active)
    key = cursors.list_key(services.store.identity, where, _NEWEST)
    cursor = query.get("cursor")
    after = cursors.decode(cursor, key) if cursor else None
    found = await services.queries.sessions(where, _NEWEST, after, limit + 1)
    page = found[:limit]
    if len(found) <= limit:
        return page, {}
    following = cursors.encode(page[-1], _NEWEST, key)
    return page, next_link(request, _PATH, cursor=following)


def _limit_of(text: str | None) -> int:
    if not text:
        return MOST
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST:
        return int(text)
    raise Refusal(400, f"limit must be 1 to {MOST}")
