"""Tickets of streams: each lets its holder in once, within a minute."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from domain.principal import Principal


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket is for.

    Args:
        path: The only path that it opens.
        principal: Whom it lets in there.
    """

    path: str
    principal: Principal


class Tickets(Protocol):
    """The tickets that are not spent, of all processes."""

    async def add(self, hashed: bytes, ticket: Ticket, lifetime: timedelta, most: int) -> bool:
        """Keep a ticket; False when its maker has as many as they may.

        Args:
            hashed: SHA-256 of the ticket, 32 bytes.
            ticket: What it is for.
            lifetime: How long it is good.
            most: How many one token may have at a time.
        """
        ...

    async def spend(self, hashed: bytes) -> Ticket | None:
        """Take a ticket away and return it; None when there is none, or it has run out.

        Of several that ask at once, in whatever process, one gets it.
        """
        ...
