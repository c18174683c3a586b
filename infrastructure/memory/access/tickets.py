"""Tickets of streams in memory."""

from datetime import datetime, timedelta

from application.ports.access.tickets import Ticket
from application.ports.clock import Clock


class MemoryTickets:
    """The tickets; see `application.ports.access.tickets.Tickets`.

    Args:
        clock: Tells what has run out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[Ticket, datetime]] = {}

    async def add(self, hashed: bytes, ticket: Ticket, lifetime: timedelta, most: int) -> bool:
        """Keep a ticket."""
        now = self._clock.now()
        self._kept = {key: kept for key, kept in self._kept.items() if kept[1] > now}
        maker = ticket.principal.key
        if sum(one.principal.key == maker for one, _ in self._kept.values()) >= most:
            return False
        self._kept[hashed] = (ticket, now + lifetime)
        return True

    async def spend(self, hashed: bytes) -> Ticket | None:
        """Take a ticket away and return it."""
        ticket, end = self._kept.pop(hashed, (None, None))
        return ticket if end is not None and self._clock.now() < end else None
