"""Turns: start one, and show pieces of what is said in it."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller, Outcome
from application.fan_out import FanOut
from application.partials import Partial
from application.ports.store import Store
from domain.session.commands import RecordActivity, StartTurn
from domain.session.decide import decide
from domain.session.events import ActivityEvent, AgentMessage
from domain.values import JsonObject, Part, TurnSource


class Piece(NamedTuple):
    """A part of an event that is still being made.

    Args:
        type: The stored name of the event.
        event: What it says so far.
        data: The same as followers get it.
    """

    type: str
    event: ActivityEvent
    data: Any


class Turns:
    """Asks for turns.

    Args:
        store: Its clock and codec, and who tells other processes of pieces.
        repository: Loads the states of sessions.
        handler: Handles commands.
        hub: Who hears of pieces here.
    """

    def __init__(
        self, store: Store, repository: SessionRepository, handler: CommandHandler, hub: FanOut
    ) -> None:
        self._store = store
        self._repository = repository
        self._handler = handler
        self._hub = hub

    async def start(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        parts: tuple[Part, ...],
        turn_id: str | None = None,
        message_id: str | None = None,
        source: TurnSource = "user",
        mode: Literal["queue", "interrupt", "steer"] | None = None,
        expected_turn_id: str | None = None,
        meta: JsonObject | None = None,
    ) -> Outcome:
        """Give the agent input: now, in its turn, or within the running one.

        Args:
            caller: Who asks.
            session_id: Whose agent.
            parts: The input.
            turn_id: Of the new turn, and of the input should it wait; a new one by default.
            message_id: Of the input in the transcript; a new one by default.
            source: Where the input comes from.
            mode: What to do when a turn runs already; None refuses.
            expected_turn_id: The running turn that the caller means.
            meta: What the caller says of the input.
        """
        new_id = self._store.clock.new_id
        command = StartTurn(
            turn_id=turn_id or str(new_id()),
            message_id=message_id or str(new_id()),
            parts=parts,
            source=source,
            mode=mode,
            expected_turn_id=expected_turn_id,
            meta=meta,
        )
        return await self._handler.handle(caller.asks(session_id, command))

    async def show(self, session_id: UUID, turn_id: str, pieces: Sequence[Piece]) -> int:
        """Pass pieces on without recording them, if they could be recorded in a running turn.

        Args:
            session_id: Of which session.
            turn_id: Of which turn.
            pieces: In their order.

        Returns:
            The sequence of the session.

        Raises:
            CairnError: Whatever recording them would be refused for.
        """
        session = (await self._repository.load(session_id)).session
        decide(session, RecordActivity(turn_id=turn_id, events=tuple(one.event for one in pieces)))
        for one in pieces:
            content = self._store.codec.to_json(
                {
                    "session_id": session_id,
                    "type": one.type,
                    "partial": True,
                    "turn_id": turn_id,
                    "data": one.data,
                }
            )
            partial = Partial(one.type, turn_id, session.sequence, _text_of(one.event), content)
            self._hub.show(session_id, partial)
            self._store.announcer.announce_piece(session_id, partial)
        return session.sequence


def _text_of(event: ActivityEvent) -> str:
    if not isinstance(event, AgentMessage):
        return ""
    return "".join(part["text"] for part in event.parts if part["type"] == "text")
