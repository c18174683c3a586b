"""Sessions in the form of google-adk, read from the log."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from api.adk.log import Item, Unfolding, chosen, starts_whole
from api.adk.requests import Refusal
from api.http.incoming.requests import HttpRequest, name_of
from api.http.outgoing.responses import to_json
from api.services import Services, services_of
from application.ports.session.listing import After, ListedSession, SessionFilter, SessionOrder
from application.use_cases.session.named_sessions import SessionName

_LOOK_BACK = 32
_FEW = 1000
"""Events that are looked for at the end of a log; more are found in all of it."""
_AT_ONCE = 20
_PAGE = 200
_OLDEST_FIRST = SessionOrder(by="updated_at", descending=False)
_OF_EVALS = "___eval___session___"
NO_ITEMS: Sequence[Item] = ()


class Read(NamedTuple):
    """A session as it was read at one sequence.

    Args:
        row: What lists show of it.
        sequence: The one it was read at.
        state: All keys that it sees.
        items: Its events, those that were asked for.
        updated: When its last event was, seconds since 1970.
    """

    row: ListedSession
    sequence: int
    state: Mapping[str, Any]
    items: Sequence[Item]
    updated: float


def named_in(request: HttpRequest) -> SessionName:
    """Return which session the path names."""
    return SessionName(name_of(request, "app"), name_of(request, "user"), name_of(request, "name"))


async def row_of(request: HttpRequest) -> ListedSession:
    """Return the session that the path names.

    Raises:
        SessionNotFound: There is none.
    """
    return await services_of(request).adk_sessions.find(named_in(request))


async def read_session(
    services: Services,
    row: ListedSession,
    *,
    last: int | None = None,
    after: float | None = None,
    bare_at: int | None = None,
) -> Read:
    """Read a session.

    Args:
        services: Of the program.
        row: Which.
        last: How many of the newest events at most; None is all.
        after: Only events of this time or later, seconds since 1970.
        bare_at: The sequence up to which it is known to have no events; None where it may have.
    """
    loaded, state = await services.queries.state(row.session_id)
    sequence = loaded.session.sequence
    if sequence == bare_at:
        return Read(row, sequence, state, NO_ITEMS, _updated(NO_ITEMS, row))
    few = last is not None and last <= _FEW and after is None
    items = await _newest(services, row.session_id, last or 1, whole=True) if few else None
    if items is None:
        items = await all_items(services, row.session_id, upto=sequence)
    updated = _updated(items, row)
    return Read(row, sequence, state, chosen(items, last, after), updated)


async def all_items(
    services: Services, session_id: UUID, *, upto: int | None = None
) -> Sequence[Item]:
    """Return all events of a session, those of what it was forked from too.

    Args:
        services: Of the program.
        session_id: Which.
        upto: The last sequence that counts; None is the head.
    """
    found: list[Item] = []
    for stretch in await services.line_log.events(session_id, upto=upto):
        Unfolding(services.store.codec, found).items(stretch)
    return found


async def place_before(services: Services, session_id: UUID, invocation: str) -> int | None:
    """Return the sequence after which an invocation began; None when there is none of it.

    Args:
        services: Of the program.
        session_id: Which.
        invocation: Its id.

    Raises:
        Refusal: 400, it began in the log of the session that this one was forked from.
    """
    found: list[Item] = []
    own = 0
    for stretch in await services.line_log.events(session_id):
        own = len(found)
        Unfolding(services.store.codec, found).items(stretch)
    at = next((n for n, one in enumerate(found) if one.glance.invocationId == invocation), None)
    if at is None:
        return None
    if at < own:
        raise Refusal(400, "A fork does not go back to before it began; fork its origin again.")
    return found[at].first - 1


async def _newest(
    services: Services, session_id: UUID, last: int, *, whole: bool = False
) -> Sequence[Item] | None:
    """Return at least the newest events; None when they are not all near the end of its own log.

    Args:
        services: Of the program.
        session_id: Which.
        last: How many at least.
        whole: Also None when one of them tells of what is not near the end.
    """
    events = await services.line_log.newest(session_id, 4 * last + _LOOK_BACK)
    unfolding = Unfolding(services.store.codec)
    items = unfolding.items(starts_whole(events))
    if whole and not unfolding.is_sure:
        return None
    is_all = bool(events) and events[0].sequence == 1
    loaded = await services.repository.load(session_id) if is_all else None
    is_fork = loaded is not None and loaded.session.lifecycle.forked_from is not None
    return items if len(items) >= last or (is_all and not is_fork) else None


def _updated(items: Sequence[Item], row: ListedSession) -> float:
    time = items[-1].glance.timestamp if items else None
    return row.updated_at.timestamp() if time is None else round(time, 6)


def session_json(
    services: Services, read: Read, *, temp: Mapping[str, Any] | None = None, bare: bool = False
) -> bytes:
    """Return a session as google-adk's server answers it.

    Args:
        services: Of the program.
        read: The session.
        temp: Keys that are shown once and never kept.
        bare: Without its events, as in lists.
    """
    head = {
        "id": services.adk_sessions.name_of(read.row),
        "appName": read.row.app,
        "userId": read.row.user,
        "state": {**read.state, **(temp or {})},
    }
    events = b"" if bare else b",".join(one.json for one in read.items)
    tail = {"lastUpdateTime": read.updated}
    return to_json(head)[:-1] + b',"events":[' + events + b"]," + to_json(tail)[1:]


async def listed(services: Services, app: str, user: str | None) -> list[Read]:
    """Return the sessions of an app, or of a user of it, the one that changed last at the end.

    Args:
        services: Of the program.
        app: Whose sessions.
        user: The same; None is all users.
    """
    where, after = SessionFilter(app=app, user=user), None
    rows: list[ListedSession] = []
    while True:
        page = await services.queries.sessions(where, _OLDEST_FIRST, after, _PAGE)
        rows += page
        if len(page) < _PAGE:
            break
        after = After(page[-1].updated_at, page[-1].session_id)
    shared = await _shared_by_user(services, app, {row.user for row in rows})
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(row: ListedSession) -> Read:
        async with gate:
            loaded = await services.repository.load(row.session_id)
            items = await _newest(services, row.session_id, 1)
            if items is None:
                items = await all_items(services, row.session_id)
        state = {**loaded.session.state, **shared[row.user]}
        return Read(row, loaded.session.sequence, state, NO_ITEMS, _updated(items, row))

    named = [row for row in rows if not services.adk_sessions.name_of(row).startswith(_OF_EVALS)]
    found = await asyncio.gather(*map(read, named))
    name = services.adk_sessions.name_of
    return sorted(found, key=lambda one: (one.updated, one.row.user, name(one.row)))


async def _shared_by_user(
    services: Services, app: str, users: set[str]
) -> dict[str, Mapping[str, Any]]:
    of_app = (await services.scopes.read(app)).values
    return {user: {**of_app, **(await services.scopes.read(app, user)).values} for user in users}
