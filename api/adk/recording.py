"""Events of google-adk, as they are recorded in the log."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from api.adk.log import KIND
from api.adk.requests import Refusal
from api.adk.sessions import named_in, place_before
from api.adk.wire import Event, event_record
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.responses import to_json
from api.services import Services, caller_of, services_of
from application.commands.request import Caller, IdempotencyKey, Outcome
from domain.replacing import replace
from domain.session.commands import ForeignEvent


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
        back_before=event.actions.rewind_before_invocation_id or None,
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
        TurnInProgress: It goes back, and a turn runs.
        Refusal: 400, it goes back to before this session was forked.
    """
    caller = await caller_of(request)
    if caller.key is None:
        caller = caller._replace(key=_key_of(event, timed=timed))
    services = services_of(request)

    async def record(session_id: UUID) -> Outcome:
        made = event
        if event.back_before is not None:
            before = await place_before(services, session_id, event.back_before)
            if before is not None:
                past = await services.foreign_events.past(session_id, before)
                made = replace(event, past=past)
        return await services.foreign_events.record(caller, session_id, (made,), known=known)

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
