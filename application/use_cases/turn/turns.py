"""Turns: start one."""

from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.ports.clock import Clock
from domain.session.commands import StartTurn
from domain.values import InputMode, JsonObject, ModelChoice, Part, TurnSource


class Turns:
    """Asks for turns.

    Args:
        handler: Handles commands.
        clock: Makes ids.
    """

    def __init__(self, handler: CommandHandler, clock: Clock) -> None:
        self._handler = handler
        self._clock = clock

    async def start(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        parts: tuple[Part, ...],
        turn_id: str | None = None,
        message_id: str | None = None,
        source: TurnSource = "user",
        mode: InputMode | None = None,
        expected_turn_id: str | None = None,
        meta: JsonObject | None = None,
        model: ModelChoice | None = None,
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
            model: That answers in this turn alone; None is that of the agent.
        """
        new_name = self._clock.new_name
        command = StartTurn(
            turn_id=turn_id or new_name(),
            message_id=message_id or new_name(),
            parts=parts,
            source=source,
            mode=mode,
            expected_turn_id=expected_turn_id,
            meta=meta,
            model=model,
        )
        return await self._handler.handle(caller.asks(session_id, command))
