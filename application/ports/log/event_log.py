"""The log: what joins it, and how it is read."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from application.ports.access.seen_signatures import SignedRequest
from application.ports.log.events import (
    EventFilter,
    FeedPage,
    JoinedEvents,
    NewEvent,
    OwnedPage,
    SessionPage,
    StoredEvent,
)
from application.ports.session.idempotency import StoredAnswer
from application.ports.session.session_rows import NO_ACTIVITY, Activity, Hold, SessionRow
from application.ports.session.shared_state import ScopeOwner, ScopeVersion, SharedWrite
from domain.access.events import ACCESS_LOG
from domain.errors import SessionExists

_ACCESS_LOG = ACCESS_LOG.int
"""Python code compares UUIDs; the numbers that they are, the interpreter itself does."""


@dataclass(slots=True)
class Append:
    """Events that join the log of one session together, with all rows that go with them.

    Args:
        session_id: Whose log.
        before: The sequence it must have, or the append is refused.
        events: In order; may be empty when only idempotency keys are kept.
        at: The time of the last event, UTC.
        row: The list row, when what it shows has changed; None leaves it as it is.
        activity: What else moves in the list row; a session's append without a row needs it.
        shared: Writes to the scopes that sessions share.
        keys: Answers to keep; their position counts from the append's first event (offset + 1).
        expected_scopes: The versions that shared scopes must have, or the append is refused.
        companions: Appends to other logs that are written or refused together with this one, each
            to a log of its own and without companions of its own.
        scope: Whose shared scope the log belongs to, which has no list row; None for a session's.
        of_store: The log is that of the store's accesses, or of another program, and has no list
            row either.
        by_import: An importer writes it, who may append to a log that is held; it has a row.
        hold: Keep everybody else from appending to the log, and why; with `by_import` only.
        waited: Seconds that whoever asks has waited already, which count as part of the patience.
        app: Whose work it is: when many wait, apps take turns.
        signatures: The signed requests that it does, or the append is refused: none is done twice.
    """

    session_id: UUID
    before: int
    events: Sequence[NewEvent]
    at: datetime
    row: SessionRow | None = None
    activity: Activity = NO_ACTIVITY
    shared: Sequence[SharedWrite] = ()
    keys: Sequence[StoredAnswer] = ()
    expected_scopes: Sequence[ScopeVersion] = ()
    companions: Sequence["Append"] = ()
    scope: ScopeOwner | None = None
    of_store: bool = False
    by_import: bool = False
    hold: Hold | None = None
    waited: float = 0.0
    app: str = ""
    signatures: Sequence[SignedRequest] = ()

    @property
    def of_session(self) -> bool:
        """Whether the log belongs to a session, and so has a row in lists."""
        return self.scope is None and not self.of_store

    @property
    def streams(self) -> tuple["Append", ...]:
        """This append and its companions, in the order of their positions.

        Raises:
            ValueError: Two are to one log, or a companion has companions.
            SessionExists: A session would have the id of the store's own log.
        """
        together = (self, *self.companions)
        for one in together:
            if one.session_id.int == _ACCESS_LOG and not one.of_store:
                raise SessionExists("this id is that of the log of accesses; choose another id")
        if not self.companions:
            return together
        if len({one.session_id for one in together}) < len(together):
            raise ValueError("two appends to one log cannot be companions")
        if any(companion.companions for companion in self.companions):
            raise ValueError("a companion has no companions of its own")
        return together


class EventLog(Protocol):
    """The append-only log, ordered per session by sequence and over all by position."""

    def append(self, append: Append) -> Coroutine[Any, Any, int]:
        """Make an append and its companions durable, all or none.

        Returns:
            The position of its own last event; that of the one before it when it has none. Those
            of its companions' events follow directly, in the order of the companions.

        Raises:
            VersionConflict: A log is not at `before`, which is not asked of an append without
                events; the facts are its `session_id`, as a string, and its `head`.
            StaleScope: A shared scope is not at its expected version; `head` is the one it has.
            SessionHeld: A log is being imported, or is in quarantine.
            KeysTaken: An idempotency key of one of them is already stored.
            SignaturesSeen: A signature of one of them is that of another request.
            StoreUnavailable: The store cannot be reached; nothing was stored.
            OutcomeUnknown: The store was lost on the way and did not come back in time.
        """
        ...

    async def read(
        self,
        session_id: UUID,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int,
        most_bytes: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return events of one session in order of sequence, `after` excluded, `upto` included.

        With `most_bytes` it ends with the event whose record reaches so many bytes in all.
        """
        ...

    async def read_joined(
        self,
        session_id: UUID,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int,
        most_bytes: int,
    ) -> JoinedEvents | None:
        """Return events of one session in their public form, many times faster than `read`.

        Args:
            session_id: Whose log.
            after: A sequence, exclusive.
            upto: The last sequence; None is the newest.
            limit: The most events.
            most_bytes: It ends with the event whose record reaches so many bytes in all.

        Returns:
            The events; None when one of them has more than 8 KiB, cannot be read, is erased, or
            says that others are: then ask `read` for them.
        """
        ...

    async def read_page(
        self,
        session_id: UUID,
        *,
        after: int,
        upto: int,
        limit: int,
        most_bytes: int,
        types: Sequence[str] = (),
    ) -> SessionPage | None:
        """Return events of one session and its head; None when there is no such session.

        Args:
            session_id: Whose log.
            after: A sequence, exclusive.
            upto: The last sequence that is looked at; it may be beyond the head.
            limit: The most events.
            most_bytes: It ends with the event whose record reaches so many bytes in all.
            types: Only events of these types; none are all.
        """
        ...

    async def read_newest(
        self,
        session_id: UUID,
        *,
        last: int,
        upto: int | None = None,
        most_bytes: int | None = None,
        types: Sequence[str] = (),
        turn: str | None = None,
    ) -> Sequence[StoredEvent]:
        """Return the newest `last` events of one session, `upto` included, in order of sequence.

        With `most_bytes` it begins with the event whose record, counted from the newest one,
        reaches so many bytes in all.
        """
        ...

    async def newest_before(
        self, sequences: Mapping[UUID, int], types: Sequence[str]
    ) -> Mapping[UUID, StoredEvent]:
        """Return the newest event of some types before a sequence of each of some sessions.

        Args:
            sequences: Exclusive, by session; a session without such an event is left out.
            types: At least one.
        """
        ...

    async def key_writes(
        self, session_id: UUID, key: str, *, before: int | None = None, limit: int
    ) -> Sequence[StoredEvent]:
        """Return the events of one session that set or delete a key of its state, newest first.

        Args:
            session_id: Whose log.
            key: As events name it; which events do: `domain/session/content/key_writes.py`.
            before: Only events with a lower sequence; None is from the newest.
            limit: The most events.
        """
        ...

    async def read_all(
        self,
        *,
        after: int,
        upto: int,
        limit: int,
        most_bytes: int | None = None,
        types: Sequence[str] = (),
        app: str | None = None,
        user: str | None = None,
    ) -> FeedPage:
        """Return events of all sessions and the head of the log.

        Args:
            after: A position, exclusive.
            upto: The last position that is looked at; it may be beyond the head.
            limit: The most events.
            most_bytes: It ends with the event whose record reaches so many bytes in all.
            types: Only events of these types; none are all.
            app: Only events of sessions of this app.
            user: Only events of sessions of this user.
        """
        ...

    async def read_owned(
        self, *, after: int, upto: int, limit: int, most_bytes: int, wanted: EventFilter
    ) -> OwnedPage:
        """Return wanted events with their owners.

        Args:
            after: A position, exclusive.
            upto: The last position that is looked at; the log has come to it.
            limit: The most events.
            most_bytes: It ends with the event whose stored record reaches so many bytes in all.
            wanted: Which events.
        """
        ...

    async def left_of_erased(self, positions: Sequence[int]) -> Mapping[int, bytes]:
        """Return what is left of the events that are erased, or are said to be and soon will.

        Args:
            positions: Of the events that are asked about.

        Returns:
            The records of the erased ones among them, by position.
        """
        ...

    async def head(self) -> int:
        """Return the newest position; 0 when the log is empty."""
        ...

    async def changed_since(self, position: int) -> tuple[int, Mapping[UUID, int]]:
        """Return the newest position, and the newest sequence of each session changed since."""
        ...
