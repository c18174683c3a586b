"""Messages: add one to the transcript."""

from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.ports.clock import Clock
from domain.session.commands import AddMessage
from domain.values import Part, Role


class Messages:
    """Asks for messages.

    Args:
        handler: Handles commands.
        clock: Makes ids.
    """

    def __init__(self, handler: CommandHandler, clock: Clock) -> None:
        self._handler = handler
        self._clock = clock

    async def add(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        role: Role,
        parts: tuple[Part, ...],
        message_id: str | None = None,
        author: str | None = None,
        implicit: bool = False,
    ) -> Outcome:
        """Add a message to the transcript.

        Args:
            caller: Who asks.
            session_id: To which session.
            role: Who speaks.
            parts: What is said.
            message_id: A new one by default.
            author: The name of who speaks.
            implicit: It was made by a program, not written by a person.
        """
        command = AddMessage(
            message_id=message_id or str(self._clock.new_id()),
            role=role,
            parts=parts,
            author=author,
            implicit=implicit,
        )
        return await self._handler.handle(caller.asks(session_id, command))
