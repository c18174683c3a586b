"""Summaries: put what was said so far in short."""

from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.ports.clock import Clock
from application.reads.transcript.names import TranscriptNames
from domain.session.commands import AddSummary


class Summaries:
    """Adds summaries.

    Args:
        handler: Handles commands.
        clock: Makes ids.
        names: Finds entries of the transcript.
    """

    def __init__(self, handler: CommandHandler, clock: Clock, names: TranscriptNames) -> None:
        self._handler = handler
        self._clock = clock
        self._names = names

    async def add(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        text: str,
        summary_id: str | None = None,
        first_kept: str | None = None,
        tokens: int | None = None,
    ) -> Outcome:
        """Put what was said so far in short; the messages stay.

        Args:
            caller: Who asks.
            session_id: Of which session.
            text: The summary.
            summary_id: A new one by default.
            first_kept: The id of the first entry of the transcript that it does not cover.
            tokens: How many it has.

        Raises:
            MessageNotFound: The transcript has no such entry.
        """
        replayed = await self._handler.replay(caller.key_in(session_id))
        if replayed is not None:
            return replayed
        found = None
        if first_kept is not None:
            found = await self._names.find_unknown(session_id, first_kept)
        command = AddSummary(
            summary_id=summary_id or self._clock.new_name(),
            text=text,
            first_kept=first_kept,
            first_kept_at=None if found is None else found.sequence,
            tokens=tokens,
        )
        return await self._handler.handle(caller.asks(session_id, command))
