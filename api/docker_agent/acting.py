"""Commands through this door: docker-agent knows no session that was stopped and not deleted."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from api.http.incoming.requests import HttpRequest, session_id_of
from api.services import caller_of, services_of
from application.commands.request import Caller, Outcome
from application.errors import IdempotencyKeyInFlight
from domain.errors import SessionIsStopped
from domain.session.commands import Command

_LOOK_AGAIN, _LOOKS = 0.05, 60
"""Seconds between two looks at what has become of a twin, and how often."""


async def in_session(
    request: HttpRequest, do: Callable[[Caller, UUID], Awaitable[Outcome]]
) -> Outcome:
    """Do something in the session that the path names, and resume one that was stopped first.

    Args:
        request: Who asks.
        do: What.

    Raises:
        CairnError: It cannot be done.
    """
    caller, session_id = await caller_of(request), session_id_of(request)
    services = services_of(request)
    for _ in range(_LOOKS):
        try:
            return await do(caller, session_id)
        except SessionIsStopped:
            plainly = Caller(caller.actor, caller.origin)
            await services.use_cases.sessions.resume(plainly, session_id)
            caller = caller._replace(expected=None)
        except IdempotencyKeyInFlight:
            # The twin of this request is told what becomes of the first: there is no other answer.
            await services.fan_out.closes_within(_LOOK_AGAIN)
    return await do(caller, session_id)


async def perform_plainly(request: HttpRequest, session_id: UUID, command: Command) -> Outcome:
    """Do something that belongs to another command, so that no key and no condition is its own.

    Args:
        request: Who asks.
        session_id: In which session.
        command: What.
    """
    caller = (await caller_of(request))._replace(expected=None, key=None)
    return await services_of(request).use_cases.do(caller, session_id, command)
