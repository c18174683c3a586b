"""Events of other frameworks: recorded beside what they mean here, and runs begun with one."""

from typing import Any
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.errors import StaleSequence
from application.ports.log.session_logs import SessionLogs
from application.use_cases.session.forks import Forks
from application.use_cases.session.sessions import Sessions
from domain.errors import SessionIsStopped
from domain.log.catalogue import NAMES
from domain.session.commands import BeginForeignTurn, Command, ForeignEvent, RecordForeignEvents
from domain.session.content.conversation import Past, past_at
from domain.session.content.shared_state import difference
from domain.session.events import (
    AgentMessage,
    AgentThought,
    ConversationCleared,
    ConversationRewound,
    InputSteered,
    MessageAdded,
    RuntimeEvent,
    StatePatched,
    ToolCalled,
    ToolReturned,
    TurnFailed,
    TurnStarted,
)
from domain.values import JsonObject

_ATTEMPTS = 20
_SAID = (
    *(AgentMessage, AgentThought, ConversationCleared, ConversationRewound, InputSteered),
    *(MessageAdded, RuntimeEvent, StatePatched, ToolCalled, ToolReturned, TurnFailed, TurnStarted),
)
SHOWN = tuple(sorted(NAMES[one][0] for one in _SAID))
"""The types of events of which other frameworks are shown something."""


class ForeignEvents:
    """Records what other frameworks do.

    Args:
        log: Where sessions are.
        handler: Handles commands.
        sessions: Resumes those that were stopped: other frameworks know no stop.
        forks: Knows past states.
    """

    def __init__(
        self, log: SessionLogs, handler: CommandHandler, sessions: Sessions, forks: Forks
    ) -> None:
        self._log = log
        self._handler = handler
        self._sessions = sessions
        self._forks = forks

    async def record(
        self,
        caller: Caller,
        session_id: UUID,
        events: tuple[ForeignEvent, ...],
        *,
        known: int | None = None,
    ) -> Outcome:
        """Record events, all or none.

        Args:
            caller: Who asks.
            session_id: In which session.
            events: In their order.
            known: The sequence up to which the caller knows the session: what came after it may
                only be such as its framework does not show. None takes whatever came.

        Raises:
            StaleSequence: Something came that the caller does not know.
            TurnInProgress: One goes back, and a turn runs.
        """
        command = RecordForeignEvents(events=events)
        if known is None:
            return await self._do(caller, session_id, command)
        for _ in range(_ATTEMPTS):
            expecting = caller._replace(expected=frozenset({known}))
            try:
                return await self._do(expecting, session_id, command)
            except StaleSequence as stale:
                head = int(stale.facts["head"])
                if head < known or await self._has_moved(session_id, known, head):
                    raise
                known = head
        raise StaleSequence(None, head=known)

    async def begin(
        self,
        caller: Caller,
        session_id: UUID,
        turn_id: str,
        event: ForeignEvent,
        meta: JsonObject,
    ) -> Outcome:
        """Begin a turn with an event, or have it wait behind what runs.

        Args:
            caller: Who asks.
            session_id: In which session.
            turn_id: Of the turn.
            event: What its agent is given.
            meta: What whoever drives the session is to know of it.
        """
        command = BeginForeignTurn(turn_id=turn_id, event=event, meta=meta)
        return await self._do(caller, session_id, command)

    async def past(self, session_id: UUID, sequence: int) -> Past:
        """Return what had been said after a past event.

        Args:
            session_id: In which session.
            sequence: Of the event.
        """
        return past_at(sequence, await self._forks.state_at(session_id, sequence))

    async def keys_then(
        self, session_id: UUID, sequence: int, *, head: int
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return what has to be set and deleted for the plain keys to be as they once were.

        Args:
            session_id: Whose keys.
            sequence: Of the event after which they were so.
            head: The sequence of the newest event.
        """
        then = await self._forks.state_at(session_id, sequence)
        now = await self._forks.state_at(session_id, head)
        return difference(now.state, then.state)

    async def _has_moved(self, session_id: UUID, known: int, head: int) -> bool:
        page = await self._log.read_page(
            session_id, after=known, upto=head, limit=1, most_bytes=1, types=SHOWN
        )
        return page is None or bool(page.events)

    async def _do(self, caller: Caller, session_id: UUID, command: Command) -> Outcome:
        """Do something in a session, and again when it was stopped and is resumed."""
        request = caller.asks(session_id, command)
        try:
            return await self._handler.handle(request)
        except SessionIsStopped:
            await self._sessions.resume(Caller(caller.actor, caller.origin), session_id)
            return await self._handler.handle(request._replace(expected=None))
