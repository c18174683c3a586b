"""The same request made again: an agent that came back is told what has become of it."""

from typing import Any
from uuid import UUID

from application.commands.repository import SessionRepository
from application.commands.request import Outcome
from application.ports.log.codec import Codec
from application.ports.log.session_logs import SessionLogs
from domain.session.commands import RequestElicitation, RequestPermission
from domain.session.events import (
    ElicitationAnswered,
    ElicitationRequested,
    PermissionDecided,
    PermissionRequested,
    Recorded,
)
from domain.values import rfc3339

_AT_ONCE = 100
_PERMISSIONS = ("permission.requested", "permission.decided")
_ELICITATIONS = ("elicitation.requested", "elicitation.answered")

_Wanted = RequestPermission | RequestElicitation
_Asked = PermissionRequested | ElicitationRequested
_Decided = PermissionDecided | ElicitationAnswered


class AskedBefore:
    """Looks up what a session was asked before, and what was decided.

    Args:
        repository: Knows where the session is.
        log: Has what was asked.
        codec: Reads it.
    """

    def __init__(self, repository: SessionRepository, log: SessionLogs, codec: Codec) -> None:
        self._repository = repository
        self._log = log
        self._codec = codec

    async def outcome(self, session_id: UUID, command: _Wanted) -> Outcome | None:
        """Return what has become of the same request; None if another one has its id.

        A permission is the same when it was asked in the same turn, of the same call, tool and
        arguments, with the same title and options; an elicitation with the same message and the
        same schema or page.

        Args:
            session_id: In which session.
            command: The request that came again.
        """
        asked: _Asked | None = None
        decided: _Decided | None = None
        types = _PERMISSIONS if isinstance(command, RequestPermission) else _ELICITATIONS
        upto: int | None = None
        while asked is None:
            newest = await self._log.read_newest(
                session_id, last=_AT_ONCE, upto=upto, types=types, turn=command.turn_id
            )
            for recorded in map(self._codec.decode, reversed(newest)):
                asked, decided = _noted(recorded, command.request_id, asked, decided)
            if len(newest) < _AT_ONCE:
                break
            upto = newest[0].sequence - 1
        if asked is None or _content(asked) != _content(command):
            return None
        loaded = await self._repository.load(session_id)
        sequence = loaded.session.sequence
        return Outcome(session_id, sequence + 1, sequence, loaded.position, _answer(asked, decided))


def _noted(
    recorded: Recorded,
    request_id: str,
    asked: _Asked | None,
    decided: _Decided | None,
) -> tuple[_Asked | None, _Decided | None]:
    match recorded.event:
        case PermissionRequested() | ElicitationRequested() as event:
            return (event if event.request_id == request_id else asked), decided
        case PermissionDecided() | ElicitationAnswered() as event:
            return asked, (event if event.request_id == request_id else decided)
        case _:
            return asked, decided


def _content(of: _Asked | _Wanted) -> tuple[Any, ...]:
    match of:
        case PermissionRequested() | RequestPermission():
            return of.turn_id, of.options, of.tool_call_id, of.title, of.tool, of.arguments
        case ElicitationRequested() | RequestElicitation():
            return of.turn_id, of.message, of.schema, of.url


def _answer(asked: _Asked, decided: _Decided | None) -> dict[str, Any]:
    answer = {
        "request_id": asked.request_id,
        "expires_at": None if asked.expires_at is None else rfc3339(asked.expires_at),
        "decision": None,
        "option_id": None,
        "arguments": None,
        "content": None,
        "reason": decided and decided.reason,
    }
    match decided:
        case PermissionDecided(decision=decision, option_id=option_id, arguments=arguments):
            return answer | {"decision": decision, "option_id": option_id, "arguments": arguments}
        case ElicitationAnswered(action=action, content=content):
            return answer | {"decision": action, "content": content}
        case None:
            return answer
