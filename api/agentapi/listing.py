"""One page of the sessions that this server and others keep, the newest first."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from api.agentapi.requests import Refusal, query_of
from api.agentapi.sessions import NATIVE_STATUSES, session_info, status_of
from api.agentapi.signing import signed_for
from api.http.around.authorization import narrowed, principal_of
from api.http.incoming import cursors
from api.http.incoming.requests import HttpRequest
from api.services import services_of
from application.ports.session.listing import After, SessionFilter, SessionOrder
from application.use_cases.managers.forwarded_lists import (
    Asked,
    Found,
    Listed,
    ListPlace,
    moment_of,
    nanoseconds_of,
)

_FILTERS = ("user_id", "scope", "team_id", "status")
_PARAMETERS = frozenset({*_FILTERS, "created_until", "limit", "cursor"})
_NEWEST_FIRST = SessionOrder(by="created_at")
_HERE = ""
_BEFORE_ALL = "~"
"""No manager is called so: those of the same time come behind it."""
_LAST_ID = UUID(int=2**128 - 1)
_MOST = 10_000
_PAGE = 500


class ListingPage(NamedTuple):
    """A page of sessions.

    Args:
        sessions: What is told of each, the newest first.
        cursor: Where the next page begins; None when there is none.
        unreachable: Why some managers did not say what they have, by their names.
    """

    sessions: Sequence[dict[str, str]]
    cursor: str | None
    unreachable: Mapping[str, str]


async def page_of(request: HttpRequest) -> ListingPage:
    """Return the page that a request asks for; what another server signs sees only this one.

    Args:
        request: Its query has filters, `created_until`, `limit` and `cursor`.

    Raises:
        Refusal: 400, the query is malformed.
        InvalidCursor: The cursor is of another list, or was changed.
    """
    query = query_of(request, _PARAMETERS)
    services, principal = services_of(request), principal_of(request)
    most, until = _limit(query), _until(query)
    status = query.get("status", "").lower()
    app, user = narrowed(request, services.settings.session_manager_app, query.get("user_id"))
    where = SessionFilter(
        app=app,
        user=user,
        scope=query.get("scope"),
        team=query.get("team_id"),
        status=NATIVE_STATUSES.get(status) if status else None,
    )
    bound = (status, query.get("created_until", ""))
    key = cursors.list_key(services.store.identity, where, _NEWEST_FIRST, *bound)
    after: ListPlace | None = None
    if "cursor" in query:
        after = cursors.decode_place(query["cursor"], key, ListPlace)
    elif until is not None:
        after = ListPlace(nanoseconds_of(until), _BEFORE_ALL, "")
    elsewhere = Found((), {})
    if signed_for(request) is not None:
        here = await _here(request, where, status, after, most + 1)
    else:
        filters = {name: query[name] for name in _FILTERS if name in query}
        if principal.user is not None:
            filters.setdefault("user_id", principal.user)
        asked = Asked(filters, after, most + 1, lambda route: principal.sees(route.app, route.user))
        here, elsewhere = await gather(
            _here(request, where, status, after, most + 1),
            services.session_managing.forwarded.lists.list(asked),
        )
    listed = sorted([*here, *elsewhere.sessions], key=lambda one: one.place, reverse=True)
    shown = listed[:most]
    cursor = cursors.encode_place(shown[-1].place, key) if len(listed) > most else None
    return ListingPage([one.info for one in shown], cursor, elsewhere.unreachable)


async def _here(
    request: HttpRequest, where: SessionFilter, status: str, place: ListPlace | None, most: int
) -> Sequence[Listed]:
    """Return the first sessions of this server from a place on."""
    if status and where.status is None:
        return []  # no session of this server has such a status
    queries = services_of(request).queries
    after = None
    if place is not None:
        here = place.manager == _HERE
        last = UUID(place.session_id) if here else _LAST_ID
        after = After(moment_of(place.moment), last)
    found: list[Listed] = []
    while True:
        page = await queries.sessions(where, _NEWEST_FIRST, after, _PAGE)
        for row in page:
            if status and status_of(row) != status:
                continue
            at = ListPlace(nanoseconds_of(row.created_at), _HERE, str(row.session_id))
            found.append(Listed(at, session_info(row)))
            if len(found) == most:
                return found
        if len(page) < _PAGE:
            return found
        after = After(page[-1].created_at, page[-1].session_id)


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(_MOST))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MOST:
        raise Refusal(400, f"invalid query: limit must be 1 to {_MOST}")
    return int(text)


def _until(query: Mapping[str, str]) -> datetime | None:
    text = query.get("created_until")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else _refuse_time()
    except (ValueError, OverflowError):
        return _refuse_time()


def _refuse_time() -> datetime:
    raise Refusal(400, "invalid query: created_until must be a time such as 2026-04-01T12:00:00Z")
