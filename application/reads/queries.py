"""What can be read of sessions: lists, status, snapshots, transcripts, history and shared state."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from application.commands.repository import SessionRepository
from application.commands.states.loaded import Loaded
from application.errors import BeforeFirstEvent
from application.ports.log.codec import Codec
from application.ports.session.listing import After, ListedSession, SessionFilter, SessionOrder
from application.ports.session.session_rows import SessionLists
from application.ports.session.shared_state import SharedState
from application.projections.session_document import session_document
from application.projections.shared_state import app_scope, user_scope
from application.reads.moments import Moment, Moments
from application.reads.query_results import PastSession, Snapshot, TranscriptRead
from application.reads.readable import ReadableSessions
from application.reads.transcript.entry_json import EntryJson
from application.reads.transcript.transcripts import Transcripts
from domain.errors import AmbiguousName, MessageNotFound, SessionNotFound
from domain.values import Owner

_LOOKS = 5
_CANDIDATES = 50


class Queries:
    """Reads.

    Args:
        rows: What lists show.
        shared_state: The keys that sessions share.
        codec: Reads JSON that is stored.
        readable: Refuses what is erased.
        moments: Finds what was the newest event at a time.
        repository: Loads the states of sessions.
        transcripts: Who folds what readers see.
    """

    def __init__(
        self,
        rows: SessionLists,
        shared_state: SharedState,
        codec: Codec,
        readable: ReadableSessions,
        moments: Moments,
        repository: SessionRepository,
        transcripts: Transcripts,
    ) -> None:
        self._rows = rows
        self._shared_state = shared_state
        self._codec = codec
        self._readable = readable
        self._moments = moments
        self._repository = repository
        self._transcripts = transcripts

    async def session(self, session_id: UUID) -> ListedSession:
        """Return a session as lists show it.

        Raises:
            SessionNotFound: There is none, or it was deleted.
        """
        row = await self._readable.row(session_id)
        if row.status == "deleted":
            raise SessionNotFound("the session was deleted; only its events can still be read")
        return row

    async def sequence_at(self, session_id: UUID, at: Moment) -> int:
        """Return the sequence of the last event at or before a moment, of deleted sessions too.

        Raises:
            SessionNotFound: There is none.
            CursorAhead: The session has not come to that sequence.
            BeforeFirstEvent: The session had not begun at that time.
        """
        row = await self._readable.row(session_id)
        return await self._moments.sequence_at(row, at)

    async def sequence_before(self, session_id: UUID, time: datetime) -> int:
        """Return the sequence of the last event before a time, 0 when there is none.

        Args:
            session_id: Of which session, be it deleted.
            time: With a time zone.

        Raises:
            SessionNotFound: There is none.
        """
        try:
            return await self.sequence_at(session_id, time - timedelta(microseconds=1))
        except (BeforeFirstEvent, OverflowError):
            return 0

    async def session_at(self, session_id: UUID, at: Moment) -> PastSession:
        """Return a session as lists showed it after a past event.

        Args:
            session_id: Which one.
            at: A sequence, or a time.

        Raises:
            SessionNotFound: There is none, or it was deleted.
            CursorAhead: The session has not come to that sequence.
            BeforeFirstEvent: The session had not begun at that time.
        """
        sequence = await self._moments.sequence_at(await self.session(session_id), at)
        loaded = await self._repository.load_at(session_id, sequence)
        document = session_document(session_id, loaded.session)
        updated_at = (await self._moments.event(session_id, sequence)).at
        return PastSession(document, loaded.session, loaded.position, updated_at)

    async def called(self, external_id: str) -> UUID:
        """Return the one session that has an external id, in whatever app.

        Args:
            external_id: What its maker calls it.

        Raises:
            SessionNotFound: There is none.
            AmbiguousName: There are several, each in an app of its own.
        """
        found = await self._rows.called(external_id, _CANDIDATES)
        found = [one for one in found if one.status not in ("deleted", "erased")] or found
        if not found:
            raise SessionNotFound("no session has this external id")
        if len(found) > 1:
            told = [{"session_id": str(one.session_id), "app": one.app} for one in found]
            raise AmbiguousName(None, candidates=told)
        return found[0].session_id

    async def sessions(
        self, where: SessionFilter, order: SessionOrder, after: After | None, limit: int
    ) -> Sequence[ListedSession]:
        """Return a page of sessions."""
        return await self._rows.sessions(where, order, after, limit)

    async def snapshot(self, session_id: UUID, at: Moment | None = None) -> Snapshot:
        """Return a session as it is, or as it was after a past event.

        Args:
            session_id: Which one.
            at: A sequence, or a time; None is the newest.

        Raises:
            SessionNotFound: There is none, or it was deleted.
            CursorAhead: The session has not come to that sequence.
            BeforeFirstEvent: The session had not begun at that time.
        """
        loaded, state = await self.state(session_id, at)
        entries = await self._transcripts.entries(session_id, loaded.session.sequence)
        return _snapshot(session_id, loaded, entries, state)

    async def snapshots(
        self, session_id: UUID, earlier: Moment, later: Moment | None
    ) -> tuple[Snapshot, Snapshot]:
        """Return a session as it was after two events.

        Args:
            session_id: Which one.
            earlier: A sequence, or a time.
            later: The same; None is the newest.

        Raises:
            SessionNotFound: There is none, or it was deleted.
            CursorAhead: The session has not come to one of the sequences.
            BeforeFirstEvent: The session had not begun at one of the times.
        """
        first, first_state = await self.state(session_id, earlier)
        second, second_state = await self.state(session_id, later)
        one, two = first.session.sequence, second.session.sequence
        # The later one first: from there it is a short way back to the earlier one.
        entries = {
            sequence: await self._transcripts.entries(session_id, sequence)
            for sequence in (max(one, two), min(one, two))
        }
        return (
            _snapshot(session_id, first, entries[one], first_state),
            _snapshot(session_id, second, entries[two], second_state),
        )

    async def transcript(self, session_id: UUID, at: Moment | None = None) -> TranscriptRead:
        """Return a sequence, the epoch then, and the JSON of each entry at it.

        Args:
            session_id: Whose transcript.
            at: A sequence, or a time; None is the newest.

        Raises:
            SessionNotFound: There is none, or it was deleted.
            CursorAhead: The session has not come to that sequence.
            BeforeFirstEvent: The session had not begun at that time.
        """
        row = await self.session(session_id)
        sequence = await self._moments.sequence_at(row, at)
        epoch = self._listed_epoch(row) if at is None else None
        if epoch is None:
            loaded = await self._repository.load_at(session_id, sequence)
            epoch = loaded.session.lifecycle.epoch
        entries = await self._transcripts.entries(session_id, sequence)
        return TranscriptRead(sequence, epoch, entries)

    async def entry(
        self, session_id: UUID, entry_id: str, at: Moment | None = None
    ) -> tuple[int, bytes]:
        """Return the sequence and the JSON of one entry, as it is or was.

        Args:
            session_id: Whose transcript.
            entry_id: Which entry.
            at: A sequence, or a time; None is the newest.

        Raises:
            MessageNotFound: The transcript has no such entry.
            SessionNotFound: There is none, or it was deleted.
            CursorAhead: The session has not come to that sequence.
            BeforeFirstEvent: The session had not begun at that time.
        """
        sequence = await self._moments.sequence_at(await self.session(session_id), at)
        entries = await self._transcripts.entries(session_id, sequence)
        begin = self._begin_of(entry_id)
        for entry in reversed(entries):
            if entry.startswith(begin):
                return sequence, entry
        raise MessageNotFound(None, message_id=entry_id)

    async def has_entry(self, session_id: UUID, entry_id: str, *, at: int) -> bool:
        """Return whether the transcript had an entry after a past event."""
        begin = self._begin_of(entry_id)
        entries = await self._transcripts.entries(session_id, at)
        return any(entry.startswith(begin) for entry in entries)

    def _listed_epoch(self, row: ListedSession) -> int | None:
        """Return the epoch that a row tells; None when the row is damaged."""
        try:
            epoch: int = self._codec.from_json(row.doc)["epoch"]
        except (ValueError, TypeError, KeyError):
            return None
        return epoch

    def _begin_of(self, entry_id: str) -> bytes:
        """Return what the JSON of an entry begins with; each has an id of its own."""
        return b'{"id":%s,' % self._codec.to_json(entry_id)

    async def state(
        self, session_id: UUID, at: Moment | None = None
    ) -> tuple[Loaded, Mapping[str, Any]]:
        """Return the session and its state with the shared keys, as they are or were.

        Args:
            session_id: Which one.
            at: A sequence, or a time: the shared keys too are those of the moment of the last event
                then. None is now.

        Raises:
            SessionNotFound: There is none, or it was deleted.
            CursorAhead: The session has not come to that sequence.
            BeforeFirstEvent: The session had not begun at that time.
        """
        row = await self.session(session_id)
        owner = Owner(app=row.app, user=row.user)
        scopes = (app_scope(owner.app), user_scope(owner.app, owner.user))
        if at is None:
            return await self._newest(session_id, scopes)
        sequence = await self._moments.sequence_at(row, at)
        loaded = await self._repository.load_at(session_id, sequence)
        shared: dict[str, bytes] = {}
        for scope in scopes:
            shared |= (await self._shared_state.scope(scope, at=loaded.position)).values
        return loaded, self._whole_state(loaded, shared)

    async def _newest(
        self, session_id: UUID, scopes: Sequence[UUID]
    ) -> tuple[Loaded, Mapping[str, Any]]:
        # What one patch wrote to all three scopes is seen in all of them, or in none.
        for _ in range(_LOOKS):
            loaded = await self._repository.load(session_id)
            sequence, shared = await self._shared_state.shared_with(session_id, scopes)
            if sequence == loaded.session.sequence:
                return loaded, self._whole_state(loaded, shared)
        # Somebody never stops writing to it.
        sequence, shared = await self._shared_state.shared_with(session_id, scopes)
        loaded = await self._repository.load_at(session_id, sequence)
        return loaded, self._whole_state(loaded, shared)

    def _whole_state(self, loaded: Loaded, shared: Mapping[str, bytes]) -> Mapping[str, Any]:
        from_json = self._codec.from_json
        return {**loaded.session.state} | {key: from_json(value) for key, value in shared.items()}


def _snapshot(
    session_id: UUID, loaded: Loaded, entries: EntryJson, state: Mapping[str, Any]
) -> Snapshot:
    session = loaded.session
    document = session_document(session_id, session)
    return Snapshot(document, session, session.sequence, loaded.position, entries, state)
