"""Sessions: begun, read, listed, changed, gone back in, and deleted."""

from functools import partial
from typing import Any, cast

from litestar.response.base import ASGIResponse

from api.adk.recording import foreign_event, now_of, record_event, require_no_secrets
from api.adk.requests import (
    Refusal,
    fault,
    json_of,
    needed_json_of,
    number_of,
    parsed,
    reply,
    require_name,
)
from api.adk.sessions import listed, place_before, read_session, row_of, session_json
from api.adk.wire import Actions, CreateSession, Event, RewindSession, UpdateSession
from api.http.around.authorization import narrowed
from api.http.around.limits import counted_session
from api.http.incoming.preconditions import refuse_conditions
from api.http.incoming.requests import HttpRequest, name_of
from api.http.outgoing.responses import to_json
from api.http.routing import delete, get, patch, post
from api.services import caller_of, services_of
from domain.errors import SessionExists, SessionNotFound
from domain.session.commands import DeleteSession

_SESSIONS = "/apps/{app:str}/users/{user:str}/sessions"
_SESSION = _SESSIONS + "/{name:str}"
_OF_A_CREATION = {"state", "events", "sessionId", "session_id", "options"}
_BOUND = {"app_name", "user_id", "state", "session_id"}


@post(_SESSIONS, right="write")
async def create_session(request: HttpRequest) -> ASGIResponse:
    """Begin a session, with a name or without, with what was done in it before."""
    value = await json_of(request)
    body = CreateSession() if value is None else parsed(CreateSession, value)
    return await _created(request, body, body.session_id)


@post(_SESSION, right="write")
async def create_named_session(request: HttpRequest) -> ASGIResponse:
    """Begin a session of this name.

    The body is its state, as in google-adk for Python; or all that it begins with, as in that for
    Go, where its only keys are those of a creation.
    """
    value = await json_of(request)
    if value is None:
        body = CreateSession()
    elif _is_creation(value):
        body = parsed(CreateSession, value)
    elif isinstance(value, dict):
        body = CreateSession(state=cast("dict[str, Any]", value))
    else:
        raise fault("dict_type", ["body"], "Input should be a valid dictionary")
    return await _created(request, body, name_of(request, "name"))


def _is_creation(value: Any) -> bool:
    if not isinstance(value, dict) or not value or not value.keys() <= _OF_A_CREATION:
        return False
    told = cast("dict[str, Any]", value)
    state, events = told.get("state"), told.get("events")
    return isinstance(state, dict | None) and isinstance(events, list | None)


async def _created(request: HttpRequest, body: CreateSession, given: str | None) -> ASGIResponse:
    refuse_conditions(request, but_key=True)
    services = services_of(request)
    app = require_name(name_of(request, "app"), "app")
    user = require_name(name_of(request, "user"), "user")
    if body.options:
        _refuse_options(body.options)
    state = body.state or {}
    require_no_secrets(state)
    name = None if given is None or not given.strip() else require_name(given, "session id")
    now = now_of(services)
    kept = [event for event in body.events or () if not event.partial]
    foreign = tuple(foreign_event(services, event, now=now) for event in kept)
    create, caller = services.adk_sessions.create, await caller_of(request)
    begin = partial(create, caller, app, user, name, state=state, foreign=foreign)
    try:
        outcome = await counted_session(request, begin)
    except SessionExists as error:
        error.facts["name"] = given
        raise
    row = await services.queries.session(outcome.session_id)
    # A repeated creation is told what was done in the session since.
    is_bare = not foreign and not outcome.replayed
    read = await read_session(services, row, bare_at=outcome.sequence if is_bare else None)
    return reply(session_json(services, read), sequence=read.sequence, replayed=outcome.replayed)


def _refuse_options(options: dict[str, Any]) -> None:
    bound = sorted(_BOUND & options.keys())
    if bound:
        raise Refusal(
            400,
            "Session options cannot contain keys already bound by the endpoint: "
            + ", ".join(bound),
        )
    raise Refusal(400, "Session options are not supported by the configured session service.")


@get(_SESSION, right="read")
async def get_session(request: HttpRequest) -> ASGIResponse:
    """Return a session with its events: all, or the newest ones, or those since a time."""
    last = number_of(request, "num_recent_events", int)
    after = number_of(request, "after", float)
    services, row = services_of(request), await row_of(request)
    read = await read_session(services, row, last=None if last is None else int(last), after=after)
    return reply(session_json(services, read), sequence=read.sequence)


@get(_SESSIONS, right="read")
async def list_sessions(request: HttpRequest) -> ASGIResponse:
    """Return the sessions of a user without their events, the one that changed last at the end."""
    return await _listed(request, name_of(request, "user"))


@get("/apps/{app:str}/sessions", right="read")
async def list_sessions_of_app(request: HttpRequest) -> ASGIResponse:
    """Return the sessions of all users of an app; google-adk's server has no such route."""
    _, user = narrowed(request, name_of(request, "app"), None)
    return await _listed(request, user)


async def _listed(request: HttpRequest, user: str | None) -> ASGIResponse:
    services, app = services_of(request), name_of(request, "app")
    if "\0" in f"{app}{user or ''}":
        # No text of the database has it, so there are none.
        return reply(b"[]")
    found = await listed(services, app, user)
    bodies = [session_json(services, one, bare=True) for one in found]
    return reply(b"[" + b",".join(bodies) + b"]")


@delete(_SESSION, right="write")
async def delete_session(request: HttpRequest) -> ASGIResponse:
    """Delete a session; one that is not there is gone already."""
    services = services_of(request)
    try:
        row = await row_of(request)
    except SessionNotFound:
        return reply(b"null")
    await services.use_cases.do(await caller_of(request), row.session_id, DeleteSession())
    return reply(b"null")


@patch(_SESSION, right="write")
async def update_session(request: HttpRequest) -> ASGIResponse:
    """Set keys of the state: an event of the user, with those that are not so already.

    A rename in the web UI sends all keys that it has seen; it must not undo what others have
    written to shared ones meanwhile.
    """
    body = parsed(UpdateSession, await needed_json_of(request))
    services, row = services_of(request), await row_of(request)
    require_no_secrets(body.state_delta)
    _, state = await services.queries.state(row.session_id)
    delta = {
        key: value
        for key, value in body.state_delta.items()
        if key not in state or to_json(state[key]) != to_json(value)
    }
    event = Event(
        author="user",
        invocation_id=f"p-{services.store.clock.new_name()}",
        actions=Actions(state_delta=delta),
    )
    await record_event(request, foreign_event(services, event, now=now_of(services)))
    read = await read_session(services, row)
    temp = {key: value for key, value in delta.items() if key.startswith("temp:")}
    return reply(session_json(services, read, temp=temp), sequence=read.sequence)


@post(_SESSION + "/events", right="write")
async def append_event(request: HttpRequest) -> ASGIResponse:
    """Record an event, once however often it is sent; google-adk's server has no such route.

    The body is `{"event": ..., "known": N}`: `known` is the sequence up to which the caller knows
    the session, from an ETag. An event that is partial is not kept.
    """
    value = await needed_json_of(request)
    told = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    event = parsed(Event, told.get("event"), at=("body", "event"))
    known = told.get("known")
    if known is not None and (not isinstance(known, int) or isinstance(known, bool) or known < 0):
        raise fault("int_type", ["body", "known"], "Input should be a valid integer")
    services = services_of(request)
    if event.partial:
        row = await row_of(request)
        return reply(to_json({"event": None, "sequence": row.sequence}), sequence=row.sequence)
    made = foreign_event(services, event, now=now_of(services))
    done = await record_event(request, made, known=known, timed=event.timestamp is not None)
    answer = to_json({"event": made.record, "sequence": done.sequence})
    return reply(answer, sequence=done.sequence, replayed=done.replayed)


@post(_SESSION + "/rewind", right="write")
async def rewind_session(request: HttpRequest) -> ASGIResponse:
    """Go back to before an invocation: its own keys are again as they were, and nothing is lost.

    The events stay, and so do `app:` and `user:` keys.
    """
    body = parsed(RewindSession, await needed_json_of(request))
    services, row = services_of(request), await row_of(request)
    wanted = body.rewind_before_invocation_id
    before = await place_before(services, row.session_id, wanted)
    if before is None:
        raise Refusal(404, f"Invocation not found: {wanted[:200]}")
    changed, gone = await services.foreign_events.keys_then(
        row.session_id, before, head=row.sequence
    )
    event = Event(
        author="user",
        invocation_id=f"e-{services.store.clock.new_name()}",
        actions=Actions(
            state_delta={**changed, **dict.fromkeys(gone)}, rewind_before_invocation_id=wanted
        ),
    )
    made = foreign_event(services, event, now=now_of(services), delete=gone)
    await record_event(request, made)
    read = await read_session(services, row)
    return reply(session_json(services, read), sequence=read.sequence)


ROUTES = (
    create_session,
    create_named_session,
    get_session,
    list_sessions,
    list_sessions_of_app,
    delete_session,
    update_session,
    append_event,
    rewind_session,
)
