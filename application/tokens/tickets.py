"""Tickets for those who cannot send a header: an `EventSource` in a browser."""

from dataclasses import replace
from datetime import timedelta
from secrets import token_urlsafe
from uuid import UUID

from application.errors import TooManyTickets
from application.ports.access.tickets import Ticket, Tickets
from application.tokens.manage import hash_of
from application.tokens.sight import Sight
from domain.checks import require_name
from domain.errors import Invalid
from domain.principal import Principal, Right

LIFETIME = timedelta(seconds=60)
MOST_TICKETS = 1000
"""Of one token, of those that are not spent and have not run out."""
PREFIX = "ticket_"

_SECRET_BYTES = 32
_RIGHTS: frozenset[Right] = frozenset({"read", "stream"})


class TicketRegistry:
    """Makes tickets, and takes them at the door.

    Args:
        tickets: Where they are kept.
        sight: Tells which sessions there are for whoever asks.
    """

    def __init__(self, tickets: Tickets, sight: Sight) -> None:
        self._tickets = tickets
        self._sight = sight

    async def create(
        self,
        by: Principal,
        *,
        session_id: UUID | None = None,
        app: str | None = None,
        user: str | None = None,
    ) -> tuple[str, Ticket]:
        """Make a ticket, and return it: it can never be read again.

        Args:
            by: Who asks: a ticket shows no more than that of its maker.
            session_id: The session whose events it opens; None is the feed.
            app: Of the feed, the only app.
            user: The same.

        Raises:
            Invalid: A session and a filter are both named.
            SessionNotFound: It is not there for whoever asks.
            TooManyTickets: Whoever asks has `MOST_TICKETS`.
        """
        require_name(app, "app")
        require_name(user, "user")
        if session_id is None:
            app, user = by.narrowed(app, user)
            path = "/v1/events"
        else:
            if app is not None or user is not None:
                raise Invalid("Name a session, or an app and a user.", field="session_id")
            await self._sight.require_stored(by, session_id)
            app, user = by.app, by.user
            path = f"/v1/sessions/{session_id}/events"
        secret = PREFIX + token_urlsafe(_SECRET_BYTES)
        # What sees less counts with its maker all the same.
        shown = replace(by, rights=by.rights & _RIGHTS, app=app, user=user, counted_by=by.key)
        ticket = Ticket(path, shown)
        if not await self._tickets.add(hash_of(secret), ticket, LIFETIME, MOST_TICKETS):
            raise TooManyTickets
        return secret, ticket

    async def spend(self, ticket: str, path: str) -> Principal | None:
        """Return who shows a ticket; None when it is none, was used, or is for another path.

        Args:
            ticket: As it was shown.
            path: Where.
        """
        if not ticket.startswith(PREFIX):
            return None
        found = await self._tickets.spend(hash_of(ticket))
        if found is None or path.lower() != found.path:
            return None
        return found.principal
