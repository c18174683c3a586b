"""Who asks: whoever shows a token of ours, one of the issuer, or a ticket; for every door."""

from application.errors import Unauthorized
from application.ports.access.issued_tokens import IssuedTokens
from application.ports.clock import Clock
from application.tokens.known import KnownTokens
from application.tokens.manage import PREFIX
from application.tokens.tickets import TicketRegistry
from domain.principal import Principal


class Authentication:
    """Tells who asks.

    Args:
        known: The tokens of this store.
        tickets: Takes tickets.
        issued: The tokens of an issuer; None when there is none.
        clock: Tells what has run out.
    """

    def __init__(
        self, known: KnownTokens, tickets: TicketRegistry, issued: IssuedTokens | None, clock: Clock
    ) -> None:
        self._known = known
        self._tickets = tickets
        self._issued = issued
        self._clock = clock

    @property
    def is_asked_for(self) -> bool:
        """Whether everybody has to say who they are."""
        return self._issued is not None or self._known.are_asked_for

    async def of_bearer(self, token: str) -> Principal | None:
        """Return who shows a bearer token; None when the token is not ours.

        Args:
            token: As it was shown.

        Raises:
            Unauthorized: It is one of the issuer, and not good.
            IssuerUnavailable: The keys of the issuer were never read.
        """
        # A token of ours was not made by the issuer, whether it is good or not.
        if token.startswith(PREFIX):
            return await self._known.principal(token)
        return None if self._issued is None else await self._issued.principal(token)

    async def of_ticket(self, ticket: str, path: str) -> Principal:
        """Return who shows a ticket, which is then spent.

        Args:
            ticket: As it was shown.
            path: Where.

        Raises:
            Unauthorized: It is none, was used, has run out, or its maker is let in no longer.
        """
        found = await self._tickets.spend(ticket, path)
        if found is None or not self.is_good(found):
            raise Unauthorized("this ticket was used, has run out, or is for another path")
        return found

    def is_good(self, principal: Principal) -> bool:
        """Return whether somebody who was let in would still be.

        Args:
            principal: Who.
        """
        if principal.is_anybody:
            return not self.is_asked_for
        if principal.token_id is not None and not self._known.is_good(principal.token_id):
            return False
        return principal.expires_at is None or self._clock.now() < principal.expires_at
