"""What can be asked of access tokens: make one, list them, revoke one."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID

from application.errors import TokenNotFound
from application.ports.access.access_tokens import AccessToken, AccessTokens, NewAccessToken
from application.ports.clock import Clock
from domain.checks import require_name
from domain.errors import Invalid
from domain.principal import Principal, Right

PREFIX = "cairn_"
"""What every token begins with, so that scanners of code and logs find one that has leaked."""

_SECRET_BYTES = 32
MOST_NAME = 100
LONGEST = timedelta(days=3650)


def hash_of(token: str) -> bytes:
    """Return the bytes by which a token is kept: it has 256 random bits, so no salt is needed.

    Args:
        token: As its holder shows it.
    """
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


class TokenRegistry:
    """Makes, lists and revokes tokens.

    Args:
        tokens: Where they are kept.
        clock: Makes ids.
    """

    def __init__(self, tokens: AccessTokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    async def create(
        self,
        *,
        name: str | None,
        rights: frozenset[Right],
        app: str | None = None,
        user: str | None = None,
        lifetime: timedelta | None = None,
        by: Principal | None = None,
    ) -> tuple[str, AccessToken]:
        """Make a token, and return it: it can never be read again.

        Args:
            name: The actor of what is done with it; `token:` and the begin of its id by default.
            rights: What it allows, at least one.
            app: The only app that it sees; None is all of them.
            user: The only user of that app; None is all of them.
            lifetime: How long it is good, at most ten years; None is for ever.
            by: Who asks: a token allows and sees no more than that of its maker.

        Raises:
            Invalid: It would allow nothing, or more than its maker may, or a value makes no sense.
        """
        token_id = self._clock.new_id()
        require_name(name, "name", most=MOST_NAME)
        require_name(app, "app")
        require_name(user, "user")
        if not rights:
            raise Invalid("It must allow at least one right.", field="allow")
        if user is not None and app is None:
            raise Invalid("A user is one of an app: name the app as well.", field="user")
        if lifetime is not None and not timedelta(0) < lifetime <= LONGEST:
            raise Invalid(
                f"A token is good for at most {LONGEST.days} days, or for ever.",
                field="expires_in_seconds",
            )
        if by is not None:
            _require_within(by, rights, app, user)
        secret = PREFIX + token_urlsafe(_SECRET_BYTES)
        kept = await self._tokens.add(
            NewAccessToken(
                token_id=token_id,
                name=name or f"token:{token_id.hex[-8:]}",
                rights=rights,
                app=app,
                user=user,
                hashed=hash_of(secret),
                lifetime=lifetime,
            )
        )
        return secret, kept

    async def all(self, by: Principal) -> Sequence[AccessToken]:
        """Return the tokens that somebody may see, of those that have expired too.

        Args:
            by: Who asks.
        """
        return [one for one in await self._tokens.all() if _sees(by, one)]

    async def revoke(self, token_id: UUID, by: Principal) -> None:
        """Take a token away: from now on nobody is let in with it.

        Args:
            token_id: Which.
            by: Who asks.

        Raises:
            TokenNotFound: They see no token of this id.
        """
        seen = {one.token_id for one in await self.all(by)}
        if token_id not in seen or not await self._tokens.revoke(token_id):
            raise TokenNotFound


def _sees(by: Principal, token: AccessToken) -> bool:
    return by.covers(token.app, token.user)


def _require_within(
    by: Principal, rights: frozenset[Right], app: str | None, user: str | None
) -> None:
    if rights - by.rights:
        more = ", ".join(sorted(rights - by.rights))
        raise Invalid(f"Your own token does not allow {more}.", field="allow")
    if not by.covers(app, user):
        raise Invalid("It must see no more than your own token does.", field="app")
