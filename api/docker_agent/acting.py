"""Commands through this door: docker-agent knows no session that was stopped and not deleted."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from api.http.incoming.requests import AnyRequest, session_id_of
from api.services import caller_of, services_of
from application.commands.request import Caller, Outcome
from domain.errors import SessionIsStopped
from domain.session.commands import Command


async def in_session(
    request: AnyRequest, do: Callable[[Caller, UUID], Awaitable[Outcome]]
) -> Outcome:
    """Do something in the session that the path names, and resume one that was stopped first.

    Args:
        request: Who asks.
        do: What.

    Raises:
        CairnError: It cannot be done.
    """
    caller, session_id = await caller_of(request), session_id_of(request)
    try:
        return await do(caller, session_id)
    except SessionIsStopped:
        sessions = services_of(request).use_cases.sessions
        await sessions.resume(Caller(caller.actor, caller.origin), session_id)
        return await do(caller._replace(expected=None), session_id)


async def perform_plainly(request: AnyRequest, session_id: UUID, command: Command) -> Outcome:
    """Do something that belongs to another command, so that no key and no condition is its own.

    Args:
        request: Who asks.
        session_id: In which session.
        command: What.
    """
    caller = (await caller_of(request))._replace(expected=None, key=None)
    return await services_of(request).use_cases.do(caller, session_id, command)
