"""Kept states in memory."""

from uuid import UUID

from domain.session.state import Session
from infrastructure.records.state_codec import encode_state


class MemorySnapshots:
    """Kept states; see `application.ports.session.snapshots.SnapshotStore`."""

    def __init__(self) -> None:
        self._kept: dict[UUID, dict[int, Session]] = {}

    async def load(self, session_id: UUID, *, upto: int | None = None) -> Session | None:
        """Return the newest kept state."""
        kept = self._kept.get(session_id, {})
        sequences = [sequence for sequence in kept if upto is None or sequence <= upto]
        return kept[max(sequences)] if sequences else None

    def weigh(self, session: Session) -> int:
        """Return the bytes that a state has when it is kept."""
        return len(encode_state(session))

    async def save(self, session_id: UUID, session: Session) -> None:
        """Keep a state."""
        self._kept.setdefault(session_id, {})[session.sequence] = session
