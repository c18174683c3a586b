"""Which logs there are, in memory."""

from collections.abc import Sequence
from uuid import UUID

from application.ports.log.census import Positions
from infrastructure.memory.tables import Tables


class MemoryCensus:
    """Counts what is there; see `application.ports.log.census.Census`.

    Args:
        tables: What it shares with the log.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def sessions(self, after: UUID, limit: int, *, changed_since: int) -> Sequence[UUID]:
        """Return ids that have events, in order."""
        return sorted(log_id for log_id in self._changed(changed_since) if log_id > after)[:limit]

    async def count(self, changed_since: int) -> int:
        """Return how many there are."""
        return len(self._changed(changed_since))

    async def positions(self) -> Positions:
        """Return which positions have events: here they are the places of a list."""
        return Positions(len(self._tables.events), 0, 0)

    def _changed(self, since: int) -> list[UUID]:
        return [log_id for log_id, log in self._tables.logs.items() if log[-1].position > since]
