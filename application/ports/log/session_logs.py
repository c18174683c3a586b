"""The log of one session or of something else, as it is read."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from application.ports.log.events import JoinedEvents, SessionPage, StoredEvent


class SessionLogs(Protocol):
    """Reads one log at a time, by sequence."""

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
