"""Inputs: have some run one after the other."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.ports.clock import Clock
from domain.session.commands import NewInput, QueueInputs
from domain.values import JsonObject, Part, TurnSource


class WantedInput(NamedTuple):
    """An input that is to have a turn of its own.

    Args:
        parts: What it says.
        input_id: Also the id of its turn; a new one by default.
        message_id: Of the input in the transcript; a new one by default.
        meta: What the caller says of it.
    """

    parts: tuple[Part, ...]
    input_id: str | None = None
    message_id: str | None = None
    meta: JsonObject | None = None


class Inputs:
    """Asks for inputs.

    Args:
        handler: Handles commands.
        clock: Makes ids.
    """

    def __init__(self, handler: CommandHandler, clock: Clock) -> None:
        self._handler = handler
        self._clock = clock

    async def queue(
        self,
        caller: Caller,
        session_id: UUID,
        inputs: Sequence[WantedInput],
        *,
        source: TurnSource = "followup",
        hold: bool = False,
    ) -> Outcome:
        """Have inputs run one after the other: all are taken or none.

        Args:
            caller: Who asks.
            session_id: In which session.
            inputs: In their order.
            source: Where they come from.
            hold: None of them begins because of this.
        """
        command = QueueInputs(
            inputs=tuple(
                NewInput(
                    input_id=one.input_id or self._clock.new_name(),
                    message_id=one.message_id or self._clock.new_name(),
                    parts=one.parts,
                    meta=one.meta,
                )
                for one in inputs
            ),
            source=source,
            hold=hold,
        )
        return await self._handler.handle(caller.asks(session_id, command))
