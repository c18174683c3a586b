"""Allowances in memory."""

from collections import defaultdict
from datetime import datetime, timedelta
from uuid import UUID

from application.ports.access.allowances import Granted, Kind
from application.ports.clock import Clock

_SILENCE = timedelta(seconds=15)


class MemoryAllowances:
    """The allowances; see `application.ports.access.allowances.Allowances`.

    Args:
        clock: Tells the period, and who was heard of lately.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._used: dict[tuple[str, Kind], tuple[int, int]] = {}
        self._streams: dict[UUID, defaultdict[str, int]] = {}
        self._seen: dict[UUID, datetime] = {}

    async def take(
        self,
        principal: str,
        kind: Kind,
        wanted: int,
        *,
        most: int,
        period: float,
        least: int = 1,
    ) -> Granted:
        """Give out as much as is left of what was wanted."""
        now = self.clock.now().timestamp()
        number = int(now // period)
        before, used = self._used.get((principal, kind), (number, 0))
        if before < number:
            used = 0
        amount = 0 if most - used < least else min(wanted, most - used)
        self._used[principal, kind] = (number, used + amount)
        return Granted(amount, max(0, most - used - amount), (number + 1) * period - now)

    async def open_stream(self, process: UUID, principal: str, most: int) -> bool:
        """Count one more open stream."""
        now = self.clock.now()
        heard = [one for one, seen in self._seen.items() if seen > now - _SILENCE]
        if sum(self._streams[one][principal] for one in heard) >= most:
            return False
        self._streams.setdefault(process, defaultdict(int))[principal] += 1
        self._seen[process] = now
        return True

    async def close_stream(self, process: UUID, principal: str) -> None:
        """Count one open stream less."""
        self._streams[process][principal] -= 1

    async def keep_streams(self, process: UUID) -> None:
        """Say that a process is there."""
        if process in self._streams:
            self._seen[process] = self.clock.now()

    async def sweep(self) -> None:
        """Forget what was counted in periods that are long over; here there is little of it."""
