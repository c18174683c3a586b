"""Folded states that are kept."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.session.state import Session


class SnapshotStore(Protocol):
    """Folded states kept so that a cold session need not be folded from its first event."""

    async def load(self, session_id: UUID, *, upto: int | None = None) -> Session | None:
        """Return the newest kept state at or before `upto`; None when there is none of use."""
        ...

    async def sequences(self, session_id: UUID) -> Sequence[int]:
        """Return the sequences of all kept states that `load` would give."""
        ...

    def weigh(self, session: Session) -> int:
        """Return the bytes that a state has when it is kept."""
        ...

    async def save(self, session_id: UUID, session: Session) -> None:
        """Keep a state."""
        ...
