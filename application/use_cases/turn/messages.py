"""Messages: add one to the transcript, and replace what an entry says."""

from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.ports.clock import Clock
from application.reads.transcript.names import TranscriptNames
from domain.errors import Invalid
from domain.replacing import maker
from domain.session.commands import AddMessage, ReviseMessage
from domain.session.content.messages import require_revision
from domain.session.content.transcript_entries import MARKS
from domain.values import JsonObject, Part, Role

_add_message = maker(AddMessage)


class Messages:
    """Asks for messages.

    Args:
        handler: Handles commands.
        clock: Makes ids.
        names: Finds entries of the transcript.
    """

    def __init__(self, handler: CommandHandler, clock: Clock, names: TranscriptNames) -> None:
        self._handler = handler
        self._clock = clock
        self._names = names

    def add(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        role: Role,
        parts: tuple[Part, ...],
        message_id: str | None = None,
        author: str | None = None,
        implicit: bool = False,
        meta: JsonObject | None = None,
    ) -> Coroutine[Any, Any, Outcome]:
        """Add a message to the transcript.

        Args:
            caller: Who asks.
            session_id: To which session.
            role: Who speaks.
            parts: What is said.
            message_id: A new one by default.
            author: The name of who speaks.
            implicit: It was made by a program, not written by a person.
            meta: What is said of it.
        """
        command = _add_message(
            message_id=message_id or self._clock.new_name(),
            role=role,
            parts=parts,
            author=author,
            implicit=implicit,
            meta=meta,
        )
        return self._handler.handle(caller.asks(session_id, command))

    async def revise(
        self,
        caller: Caller,
        session_id: UUID,
        message_id: str,
        parts: tuple[Part, ...] | None,
        *,
        call_input: Any = None,
    ) -> Outcome:
        """Replace what an entry of the transcript says, whoever said it.

        Args:
            caller: Who asks.
            session_id: In which session.
            message_id: The id of a message, a thought or a tool call.
            parts: What it says from now on; of a tool call, what it returned, or None to
                leave that.
            call_input: What a tool call was called with from now on; None leaves it.

        Raises:
            MessageNotFound: The transcript has no such entry.
            Invalid: There is input for what is no tool call, or nobody said the entry.
        """
        replayed = await self._handler.replay(caller.key_in(session_id))
        if replayed is not None:
            return replayed
        require_revision(message_id, parts, call_input)
        found = await self._names.find_unknown(session_id, message_id)
        if found is not None and found.kind in MARKS:
            raise Invalid(f"{found.kind} is no message: nobody said it", field="message_id")
        if call_input is not None and (found is None or found.kind != "tool_call"):
            raise Invalid("only a tool call has input", field="input")
        command = ReviseMessage(
            message_id=message_id,
            parts=parts,
            input=call_input,
            found_at=None if found is None else found.sequence,
        )
        return await self._handler.handle(caller.asks(session_id, command))
