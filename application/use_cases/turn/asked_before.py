"""The same permission asked for again: an agent that came back is told what has become of it."""

from typing import Any
from uuid import UUID

from application.commands.repository import SessionRepository
from application.commands.request import Outcome
from application.ports.log.codec import Codec
from application.ports.log.event_log import EventLog
from domain.session.commands import RequestPermission
from domain.session.events import PermissionDecided, PermissionRequested, Recorded
from domain.values import rfc3339

_AT_ONCE = 100
_TYPES = ("permission.requested", "permission.decided")


class AskedBefore:
    """Looks up what a session was asked before, and what was decided.

    Args:
        repository: Knows where the session is.
        log: Has what was asked.
        codec: Reads it.
    """

    def __init__(self, repository: SessionRepository, log: EventLog, codec: Codec) -> None:
        self._repository = repository
        self._log = log
        self._codec = codec

    async def outcome(self, session_id: UUID, command: RequestPermission) -> Outcome | None:
        """Return what has become of the same request; None if another one has its id.

        It is the same when it was asked in the same turn, of the same call, tool and arguments,
        with the same title and options.

        Args:
            session_id: In which session.
            command: The request that came again.
        """
        asked: PermissionRequested | None = None
        decided: PermissionDecided | None = None
        upto: int | None = None
        while asked is None:
            newest = await self._log.read_newest(
                session_id, last=_AT_ONCE, upto=upto, types=_TYPES, turn=command.turn_id
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
    asked: PermissionRequested | None,
    decided: PermissionDecided | None,
) -> tuple[PermissionRequested | None, PermissionDecided | None]:
    match recorded.event:
        case PermissionRequested() as event if event.request_id == request_id:
            return event, decided
        case PermissionDecided() as event if event.request_id == request_id:
            return asked, event
        case _:
            return asked, decided


def _content(of: PermissionRequested | RequestPermission) -> tuple[Any, ...]:
    return of.turn_id, of.options, of.tool_call_id, of.title, of.tool, of.arguments


def _answer(asked: PermissionRequested, decided: PermissionDecided | None) -> dict[str, Any]:
    return {
        "request_id": asked.request_id,
        "expires_at": None if asked.expires_at is None else rfc3339(asked.expires_at),
        "decision": decided and decided.decision,
        "option_id": decided and decided.option_id,
        "arguments": decided and decided.arguments,
        "reason": decided and decided.reason,
    }
