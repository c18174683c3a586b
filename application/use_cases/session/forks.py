"""Forks, and past states: what begins with what another session knew after one of its events."""

from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller, Outcome
from application.errors import CursorAhead, require_sequence
from application.ports.clock import Clock
from application.reads.readable import ReadableSessions
from application.reads.transcript.names import TranscriptNames
from domain.errors import Invalid
from domain.session.commands import CreateSession
from domain.session.family.forks import fork, inherited
from domain.session.state import Session
from domain.values import Origin

_LONGEST_LINE = 16


class Forks:
    """Forks sessions.

    Args:
        clock: Makes ids.
        sessions: Finds the sessions that may be forked.
        names: Finds the entries of transcripts that requests name.
        repository: Loads the states of sessions.
        handler: Has forks begin.
    """

    def __init__(
        self,
        clock: Clock,
        sessions: ReadableSessions,
        names: TranscriptNames,
        repository: SessionRepository,
        handler: CommandHandler,
    ) -> None:
        self._clock = clock
        self._sessions = sessions
        self._names = names
        self._repository = repository
        self._handler = handler

    async def fork(
        self,
        caller: Caller,
        origin_id: UUID,
        wanted: CreateSession,
        *,
        at: int | None = None,
        message_id: str | None = None,
        fork_id: UUID | None = None,
    ) -> Outcome:
        """Begin a session with what another one said and knew after one of its events.

        Args:
            caller: Who asks; the sequences it expects are those of the origin.
            origin_id: The session to fork.
            wanted: What is to be different; the owner never is.
            at: The sequence after which the fork goes its own way; None is the newest.
            message_id: In the place of a sequence, an entry of the transcript: after all of it.
            fork_id: A new one by default.

        Raises:
            SessionNotFound: There is no such session.
            SessionIsDeleted: It was deleted.
            StaleSequence: It is at another sequence than the caller allows.
            CursorAhead: It has not come to that sequence.
        """
        key = caller.key_in(origin_id)
        # Before anything is looked at: the origin may be another one by now.
        replayed = await self._handler.replay(key)
        if replayed is not None:
            return replayed
        at = await self.place_of(origin_id, at, message_id)
        command, inherits = await self.forked(origin_id, at, wanted, caller.expected)
        request = caller.asks(fork_id or self._clock.new_id(), command)
        return await self._handler.handle(
            request._replace(expected=None, idempotency=key, inherits=inherits)
        )

    async def place_of(
        self, session_id: UUID, at: int | None, message_id: str | None
    ) -> int | None:
        """Return the sequence that a request names, by itself or by an entry of the transcript.

        Args:
            session_id: Of which session.
            at: The sequence.
            message_id: The id of an entry: the last event that is part of it.

        Raises:
            Invalid: Both are given, or the entry is that of another log.
            MessageNotFound: The transcript has no such entry.
        """
        if message_id is None:
            return at
        if at is not None:
            raise Invalid("name an event or a message, not both", field="message_id")
        return await self._names.end_of(session_id, message_id)

    async def forked(
        self,
        origin_id: UUID,
        at: int | None,
        command: CreateSession,
        expected: frozenset[int] | None = None,
    ) -> tuple[CreateSession, Session]:
        """Return the command that begins a fork, and the state that it inherits.

        Args:
            origin_id: The session to fork.
            at: The sequence after which the fork goes its own way; None is the newest.
            command: What is to be different; the owner never is.
            expected: The newest sequences that the caller allows; None allows any.

        Raises:
            SessionNotFound: There is no such session.
            SessionIsDeleted: It was deleted.
            StaleSequence: It is at another sequence than the caller allows.
            CursorAhead: It has not come to that sequence.
        """
        row = await self._sessions.living(origin_id)
        require_sequence(row.sequence, expected)
        if at is not None and at > row.sequence:
            raise CursorAhead(None, head=row.sequence, cursor=at)
        loaded = await self._repository.load_at(origin_id, at or row.sequence)
        if loaded.origins >= _LONGEST_LINE:
            # So a cold fork of forks never has to fold more logs than this.
            await self._repository.save(origin_id, loaded.session)
        source = Origin(
            session_id=origin_id, sequence=loaded.session.sequence, digest=loaded.digest.hex()
        )
        return fork(loaded.session, command, source), inherited(loaded.session)

    async def state_at(self, session_id: UUID, sequence: int) -> Session:
        """Return the state of a session as it was after a past event.

        Args:
            session_id: Which.
            sequence: The event.

        Raises:
            SessionNotFound: There is no such session.
            SessionIsDeleted: It was deleted.
            CursorAhead: It has not come to that sequence.
        """
        row = await self._sessions.living(session_id)
        if sequence > row.sequence:
            raise CursorAhead(None, head=row.sequence, cursor=sequence)
        return (await self._repository.load_at(session_id, sequence)).session
