"""Sessions that nobody drives any more, in memory and by a clock that tests can move."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from application.ports.clock import Clock
from application.ports.session.recovery import AT_WORK, Patience, Undriven
from infrastructure.memory.tables import Tables


class MemoryDriverWatch:
    """Finds them; see `application.ports.session.recovery.DriverWatch`.

    Args:
        tables: What it shares with the log, the leases and the signs of life.
        clock: The one clock.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def undriven(
        self,
        patience: Patience,
        *,
        after: UUID | None = None,
        only: UUID | None = None,
        limit: int,
    ) -> Sequence[Undriven]:
        """Return sessions that nobody drives any more, in order of their ids."""
        now = self._clock.now()
        return [
            self._found(session_id, now)
            for session_id in sorted(self._tables.listed)
            if (only is None or session_id == only)
            and (after is None or session_id > after)
            and self._is_left_behind(session_id, patience, now)
        ][:limit]

    def _is_left_behind(self, session_id: UUID, patience: Patience, now: datetime) -> bool:
        listed = self._tables.listed[session_id]
        if not listed.is_live or listed.held or listed.row.status not in AT_WORK:
            return False
        sign = self._tables.presence.get(session_id)
        if sign is not None and sign.presence_at + patience.vouched > now:
            return False
        held = self._tables.leases.get(session_id)
        if held is not None:
            return held.expires_at + patience.grace <= now
        waits = listed.row.status in ("starting", "stopping")
        return waits and listed.updated_at + patience.unattended <= now

    def _found(self, session_id: UUID, now: datetime) -> Undriven:
        held = self._tables.leases.get(session_id)
        sign = self._tables.presence.get(session_id)
        return Undriven(
            session_id,
            len(self._tables.logs[session_id]),
            None if held is None else held.expires_at,
            None if sign is None else sign.presence_at,
            now,
        )
