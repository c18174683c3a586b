"""Pieces of messages that are being written, in memory."""

from collections.abc import Sequence
from uuid import UUID

from application.ports.session.partials import Ending, KeptPiece
from infrastructure.memory.tables import Tables


class MemoryPartials:
    """Pieces; see `application.ports.session.partials.PartialStore`.

    Args:
        tables: What it shares with the log: it says which turns run.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def keep(self, pieces: Sequence[KeptPiece]) -> None:
        """Keep pieces of many sessions at once."""
        self._tables.pieces += [one for one in pieces if self._runs(one)]

    async def forget(self, endings: Sequence[Ending]) -> None:
        """Forget the messages that began before the events that ended them."""
        self._tables.pieces = [
            one for one in self._tables.pieces if not any(_ended(one, ending) for ending in endings)
        ]

    async def read(self, session_id: UUID) -> Sequence[KeptPiece]:
        """Return what is kept of a session, by offset and index."""
        kept = [one for one in self._tables.pieces if one.session_id == session_id]
        return sorted(kept, key=lambda one: (one.piece.offset, one.piece.index))

    async def sweep(self) -> int:
        """Forget what belongs to turns that run no more."""
        before = len(self._tables.pieces)
        self._tables.pieces = [one for one in self._tables.pieces if self._runs(one)]
        return before - len(self._tables.pieces)

    def _runs(self, kept: KeptPiece) -> bool:
        listed = self._tables.listed.get(kept.session_id)
        return listed is not None and listed.row.turn_id == kept.turn_id


def _ended(kept: KeptPiece, ending: Ending) -> bool:
    if kept.session_id != ending.session_id or kept.piece.since >= ending.sequence:
        return False
    return ending.type is None or kept.piece.key[:2] == (ending.type, ending.message_id)
