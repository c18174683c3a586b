"""Folded states that are kept."""

from typing import Protocol
from uuid import UUID

from domain.session.state import Session


class SnapshotStore(Protocol):
    """Folded states kept so that a cold session need not be folded from its first event."""

    async def load(self, session_id: UUID, *, upto: int | None = None) -> Session | None:
        """Return the newest kept state at or before `upto`; None when no kept state can be used."""
        ...

    def weigh(self, session: Session) -> int:
        """Return the bytes that a state has when it is kept."""
        ...

    async def save(self, session_id: UUID, session: Session) -> None:
        """Keep a state."""
        ...
