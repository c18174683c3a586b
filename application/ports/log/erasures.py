"""What is left to do of erasures: an event has said that a log is erased, and it is carried out."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID


class PendingErasure(NamedTuple):
    """A log that is to be erased.

    Args:
        log_id: Which.
        upto: The sequence of the event that says so: all before it goes.
        done: The sequence up to which it is done.
    """

    log_id: UUID
    upto: int
    done: int


class SharedKey(NamedTuple):
    """The value in force of a key that sessions share.

    Args:
        scope_id: Of the scope.
        key: With its prefix.
        value: JSON.
    """

    scope_id: UUID
    key: str
    value: bytes


class Footprint(NamedTuple):
    """How much a session has left beside its log.

    Args:
        record_bytes: Of all records that are still there.
        kept_states: Folded states that are kept.
        answers: Answers to idempotency keys.
        shared_writes: Writes in the history of keys that sessions share.
        pieces: Pieces of messages that are being written.
        blobs: That it names.
        blob_bytes: Of those.
        artifact_bytes: Of all versions of its artifacts.
    """

    record_bytes: int
    kept_states: int
    answers: int
    shared_writes: int
    pieces: int
    blobs: int
    blob_bytes: int
    artifact_bytes: int


class Relation(NamedTuple):
    """A session, and where it comes from."""

    session_id: UUID
    status: str
    sequence: int


class Erasures(Protocol):
    """Carries erasures out; what it does is safe to be done twice, and by two."""

    async def pending(self, limit: int) -> Sequence[PendingErasure]:
        """Return logs that are to be erased.

        Args:
            limit: The most.
        """
        ...

    async def erase_events(self, log_id: UUID, limit: int) -> tuple[int, int]:
        """Erase the next events of a log that says it is erased.

        Args:
            log_id: Which.
            limit: The most events.

        Returns:
            How many were erased, and how many are left.
        """
        ...

    async def finish(self, log_id: UUID) -> None:
        """Take away what was kept beside the events of a log, when they all are erased.

        Args:
            log_id: Which.
        """
        ...

    async def footprint(self, session_id: UUID) -> Footprint:
        """Return how much there is of a session.

        Args:
            session_id: Which.
        """
        ...

    async def forks_of(self, session_id: UUID) -> Sequence[Relation]:
        """Return the forks of a session that are not erased, deleted ones too.

        Args:
            session_id: Which.
        """
        ...

    async def children_of(self, session_id: UUID) -> Sequence[Relation]:
        """Return the children of a session that are not erased, deleted ones too.

        Args:
            session_id: Which.
        """
        ...

    async def sessions_of(self, app: str, user: str, after: UUID, limit: int) -> Sequence[Relation]:
        """Return sessions of a user that are not erased, deleted ones too, in order of their ids.

        Args:
            app: The app.
            user: The user.
            after: Only higher ids.
            limit: The most.
        """
        ...

    async def keys_in_force(self, session_id: UUID) -> Sequence[SharedKey]:
        """Return the values in force of shared keys that a session has written last.

        Args:
            session_id: Which.
        """
        ...
