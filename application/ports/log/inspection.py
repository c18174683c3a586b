"""Looking at one log as it lies in the store, without trust in any of it and without writing."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from domain.repair.integrity import Placed
from domain.session.state import Session


class FoundEvent(NamedTuple):
    """A row of the log as it was found.

    Args:
        sequence: As it is stored.
        position: As it is stored.
        type: As it is stored.
        record: As it is stored.
        digest: As it is stored.
        erased_hash: What is left of an erased record; None while the record is there.
    """

    sequence: int
    position: int
    type: str
    record: bytes
    digest: bytes
    erased_hash: bytes | None = None


class FoundRow(NamedTuple):
    """The list row of a session as it was found.

    Args:
        sequence: Of the last event, it says.
        position: Of that event.
        digest: Of that event.
        shown: What lists show, by the names of `SessionRow`.
        projected_with: The version of the projection that made it.
    """

    sequence: int
    position: int
    digest: bytes
    shown: Mapping[str, Any]
    projected_with: int


class OwnWrite(NamedTuple):
    """The last write of a session to a key that sessions share.

    Args:
        scope_id: Of the scope.
        key: With its prefix.
        position: Of the event.
        value: JSON; None when it was deleted.
    """

    scope_id: UUID
    key: str
    position: int
    value: bytes | None


class FoundKey(NamedTuple):
    """What the store has of such a key; each write is a position and a value, or None.

    Args:
        key: With its prefix.
        own: What the history has at the position of the session's own last write.
        newest: The newest write of the history.
        current: What is kept as the value now.
    """

    key: str
    own: tuple[int, bytes | None] | None
    newest: tuple[int, bytes | None] | None
    current: tuple[int, bytes | None] | None


class Inspection(Protocol):
    """One session at one moment."""

    async def row(self) -> FoundRow | None:
        """Return its list row."""
        ...

    def events(self) -> AsyncGenerator[Sequence[Placed]]:
        """Give its log a piece at a time, in order of sequence and then of position.

        The next piece is read while one is looked at, so whoever stops before the end closes this.
        """
        ...

    async def kept(self) -> Sequence[int]:
        """Return the sequences of its kept states, of the formats that are still right."""
        ...

    async def kept_state(self, sequence: int) -> Session | None:
        """Return one of these states; None where it is damaged.

        Args:
            sequence: One that `kept` has returned.
        """
        ...

    async def keys(self, writes: Sequence[OwnWrite]) -> Sequence[FoundKey]:
        """Return what the store has of keys, in their order.

        Args:
            writes: The session's last write to each.
        """
        ...


class ShortOnes(Protocol):
    """Those of some sessions that have few events, at one moment."""

    @property
    def inspections(self) -> Mapping[UUID, Inspection]:
        """Each of them; what they give was read already."""
        ...

    async def keys(self, writes: Sequence[OwnWrite]) -> Sequence[FoundKey]:
        """Return what the store has of keys, in their order.

        Args:
            writes: The last write to each, of any of them.
        """
        ...


class Inspector(Protocol):
    """Opens what can be looked at; whoever it connects as needs no right but to read."""

    def look_at(self, session_id: UUID) -> AbstractAsyncContextManager[Inspection]:
        """Give a session at one moment, in a transaction that cannot write.

        Args:
            session_id: Which.

        Raises:
            StoreUnavailable: The store cannot be reached.
        """
        ...

    def look_at_short(self, session_ids: Sequence[UUID]) -> AbstractAsyncContextManager[ShortOnes]:
        """Give those of some sessions that have few events, at one moment, as `look_at` does one.

        Args:
            session_ids: Which, not many.

        Raises:
            StoreUnavailable: The store cannot be reached.
        """
        ...
