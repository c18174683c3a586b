"""Finds the entries of a transcript that a request names, whoever said them."""

from typing import NamedTuple
from uuid import UUID

from application.commands.repository import SessionRepository
from application.ports.log.codec import Codec
from application.reads.queries import Queries
from domain.errors import Erased, Invalid


class NamedEntry(NamedTuple):
    """Where an entry of the transcript stands.

    Args:
        sequence: Of the event that it begins with.
        ends_at: Of the last event that is part of it.
        kind: What it is.
    """

    sequence: int
    ends_at: int
    kind: str


class TranscriptNames:
    """Finds entries by their ids.

    Args:
        repository: Loads the states of sessions.
        queries: Reads transcripts.
        codec: Reads their entries.
    """

    def __init__(self, repository: SessionRepository, queries: Queries, codec: Codec) -> None:
        self._repository = repository
        self._queries = queries
        self._codec = codec

    async def find(self, session_id: UUID, entry_id: str) -> NamedEntry:
        """Return where an entry of the transcript stands.

        Args:
            session_id: In which session.
            entry_id: As the transcript has it.

        Raises:
            MessageNotFound: The transcript has no such entry.
            SessionNotFound: There is no such session, or it was deleted.
        """
        _, stored = await self._queries.entry(session_id, entry_id)
        entry = self._codec.from_json(stored)
        sequence: int = entry["sequence"]
        ends = (entry.get(name, 0) for name in ("ends_at_sequence", "returned_at_sequence"))
        return NamedEntry(sequence, max(sequence, *ends), entry["kind"])

    async def find_unknown(self, session_id: UUID, entry_id: str) -> NamedEntry | None:
        """Return where an entry stands; None where the rules of the session can tell by themselves.

        Args:
            session_id: In which session.
            entry_id: As the transcript has it.

        Raises:
            MessageNotFound: The transcript has no such entry.
        """
        session = (await self._repository.load(session_id)).session
        lifecycle = session.lifecycle
        if lifecycle.phase == "erased":
            raise Erased
        if lifecycle.phase in ("absent", "deleted"):
            return None
        is_whole = lifecycle.epoch == 0 and lifecycle.forked_from is None
        if is_whole and (entry_id in session.messages or entry_id in session.said):
            return None
        return await self.find(session_id, entry_id)

    async def end_of(self, session_id: UUID, entry_id: str) -> int:
        """Return the sequence of the last event that is part of an entry.

        Args:
            session_id: In which session.
            entry_id: As the transcript has it.

        Raises:
            Invalid: The events are in the log of the session that this one was forked from.
            MessageNotFound: The transcript has no such entry.
            SessionNotFound: There is no such session, or it was deleted.
        """
        found = await self.find(session_id, entry_id)
        origin = (await self._repository.load(session_id)).session.lifecycle.forked_from
        if origin is not None and await self._queries.has_entry(session_id, entry_id, at=1):
            raise Invalid(
                f"it was said before the fork: name it in the session {origin.session_id}",
                field="message_id",
            )
        return found.ends_at
