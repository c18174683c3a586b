"""The keys that the sessions of an app or of a user share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SharedWrite:
    """One `app:` or `user:` key that an event of the append sets or, with value None, deletes.

    `offset` is the index of the event in its append; `value` is JSON.
    """

    scope_id: UUID
    key: str
    value: bytes | None
    offset: int


class ScopeOwner(NamedTuple):
    """Whose shared scope it is: an app's, or with a user that of one user of it."""

    app: str
    user: str | None


class ScopeVersion(NamedTuple):
    """How far a shared scope has come: the position of the newest write to it, 0 before any."""

    scope_id: UUID
    version: int


class ScopeKeys(NamedTuple):
    """A shared scope at one moment: its version, and its keys as JSON."""

    version: int
    values: Mapping[str, bytes]


class KeyWrite(NamedTuple):
    """One write to a key of a shared scope.

    Args:
        position: Of the event that wrote it.
        session_id: In whose log that event is.
        sequence: In that log.
        value: JSON; None when the key was deleted.
        at: UTC.
        actor: Who asked.
        user: Whose session it is; None of a log that is no session's.
    """

    position: int
    session_id: UUID
    sequence: int
    value: bytes | None
    at: datetime
    actor: str
    user: str | None = None


class KeyValue(NamedTuple):
    """One write to any key of a shared scope; what the fields mean is told at `KeyWrite`."""

    key: str
    position: int
    session_id: UUID
    sequence: int
    value: bytes | None


class SharedState(Protocol):
    """The keys that sessions share, written in the transaction of the events they follow from."""

    async def shared_with(
        self, session_id: UUID, scope_ids: Sequence[UUID]
    ) -> tuple[int, Mapping[str, bytes]]:
        """Return the sequence of a session and the keys of shared scopes, all of one moment.

        Args:
            session_id: Which session; one that there is not is at 0.
            scope_ids: Of the scopes, whose keys do not overlap.
        """
        ...

    async def scope(self, scope_id: UUID, *, at: int | None = None) -> ScopeKeys:
        """Return the version and the keys of a shared scope, both of one moment.

        Args:
            scope_id: Of the scope.
            at: A position: as it was then; None is now.
        """
        ...

    async def key_history(
        self, scope_id: UUID, key: str, *, before: int | None = None, limit: int
    ) -> Sequence[KeyWrite]:
        """Return the writes to a key of a shared scope, newest first.

        Args:
            scope_id: Of the scope.
            key: With its prefix.
            before: Only writes at a lower position; None is from the newest.
            limit: The most writes.
        """
        ...

    async def writes(self, scope_id: UUID, *, after: int, limit: int) -> Sequence[KeyValue]:
        """Return the writes to all keys of a shared scope, oldest first.

        Those of one event come all together, whatever the limit.

        Args:
            scope_id: Of the scope.
            after: Only writes at a higher position.
            limit: About the most writes.
        """
        ...
