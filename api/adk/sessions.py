"""Sessions in the form of google-adk: read from the log, and written to it."""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from api.adk.log import KIND, Item, Unfolding, chosen, starts_whole
from api.adk.requests import Refusal
from api.adk.wire import Event, event_record
from api.http.incoming.requests import HttpRequest, name_of
from api.http.outgoing.responses import to_json
from api.services import Services, caller_of, services_of
from application.commands.request import Caller, IdempotencyKey, Outcome
from application.ports.session.listing import After, ListedSession, SessionFilter, SessionOrder
from application.use_cases.session.named_sessions import SessionName
from domain.session.commands import ForeignEvent

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


async def own_items(services: Services, session_id: UUID) -> Sequence[Item]:
    """Return the events of a session's own log.

    Args:
        services: Of the program.
        session_id: Which.
    """
    stretches = await services.line_log.events(session_id)
    return Unfolding(services.store.codec, []).items(stretches[-1])


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


def foreign_event(
    services: Services, event: Event, *, now: float, delete: tuple[str, ...] = ()
) -> ForeignEvent:
    """Return an event as it is recorded.

    Args:
        services: Of the program.
        event: As it came.
        now: The time, seconds since 1970.
        delete: Keys of the state that it takes away.

    Raises:
        Refusal: 422, it has keys that may not be kept.
    """
    record = event_record(event, new_id=str(uuid4()), now=now)
    delta: dict[str, Any] = record["actions"]["stateDelta"]
    require_no_secrets(delta)
    return ForeignEvent(
        kind=KIND,
        event_id=record["id"],
        record=record,
        turn_id=event.invocation_id or None,
        role="user" if event.author == "user" else "agent",
        author=event.author[:200].strip() or None,
        means=tuple(services.adk_reader.meaning(record)),
        set={key: value for key, value in delta.items() if key not in delete},
        delete=delete,
    )


def require_no_secrets(state: Mapping[str, Any]) -> None:
    """Refuse keys that are to be kept secret: every reader of a session sees its state.

    Args:
        state: The keys.

    Raises:
        Refusal: 422, there is one.
    """
    for key in state:
        if key.startswith("secret:"):
            raise Refusal(
                422, f"The key {key[:200]!r} is a secret, and no state keeps those; leave it out."
            )


def now_of(services: Services) -> float:
    """Return the time, seconds since 1970."""
    return services.store.clock.now().timestamp()


async def record_event(
    request: HttpRequest, event: ForeignEvent, *, known: int | None = None, timed: bool = True
) -> Outcome:
    """Record an event, once however often it is sent.

    Args:
        request: Who asks; its path names the session.
        event: The event.
        known: The sequence up to which the caller knows the session; None takes whatever came.
        timed: Whether its time is what was sent: another one each time is no other event.

    Raises:
        SessionNotFound: There is no such session.
        StaleSequence: Something came that the caller does not know.
        IdempotencyKeyReused: Another event has its id.
    """
    caller = await caller_of(request)
    if caller.key is None:
        caller = caller._replace(key=_key_of(event, timed=timed))
    services = services_of(request)

    async def record(session_id: UUID) -> Outcome:
        return await services.foreign_events.record(caller, session_id, (event,), known=known)

    return await services.adk_sessions.on(named_in(request), record)


def _key_of(event: ForeignEvent, *, timed: bool) -> IdempotencyKey:
    name = sha256(event.event_id.encode()).hexdigest()
    record = {key: told for key, told in event.record.items() if timed or key != "timestamp"}
    return IdempotencyKey(f"{KIND}:{name}", sha256(to_json(record)).digest())


async def plain_caller(request: HttpRequest) -> Caller:
    """Return who asks for something that no condition belongs to.

    Args:
        request: Who asks.
    """
    return (await caller_of(request))._replace(expected=None, key=None)
