"""Access tokens in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from application.ports.access.access_tokens import AccessToken, NewAccessToken
from application.ports.clock import Clock

_OFTEN = timedelta(minutes=1)


class MemoryAccessTokens:
    """The tokens; see `application.ports.access.access_tokens.AccessTokens`.

    Args:
        clock: Tells what has expired.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[UUID, tuple[bytes, AccessToken]] = {}
        self._revision = 0

    async def add(self, new: NewAccessToken) -> AccessToken:
        """Keep a token."""
        now = self._clock.now()
        kept = AccessToken(
            token_id=new.token_id,
            name=new.name,
            rights=new.rights,
            app=new.app,
            user=new.user,
            created_at=now,
            expires_at=None if new.lifetime is None else now + new.lifetime,
        )
        self._kept[new.token_id] = (new.hashed, kept)
        self._revision += 1
        return self._read(kept)

    async def revoke(self, token_id: UUID) -> bool:
        """Take a token away."""
        gone = self._kept.pop(token_id, None) is not None
        self._revision += gone
        return gone

    async def all(self) -> Sequence[AccessToken]:
        """Return all tokens."""
        tokens = [self._read(token) for _, token in self._kept.values()]
        return sorted(tokens, key=lambda one: (one.created_at, one.token_id))

    async def revision(self) -> int:
        """Return what changes with every change."""
        return self._revision

    async def hashes(self) -> Sequence[tuple[bytes, AccessToken]]:
        """Return the tokens that have not expired."""
        now = self._clock.now()
        return [
            (hashed, self._read(token))
            for hashed, token in self._kept.values()
            if token.expires_at is None or token.expires_at > now
        ]

    async def used(self, token_ids: Collection[UUID]) -> None:
        """Note that tokens are in use."""
        now = self._clock.now()
        for token_id in token_ids:
            if token_id in self._kept:
                hashed, token = self._kept[token_id]
                if token.last_used_at is None or token.last_used_at < now - _OFTEN:
                    self._kept[token_id] = (hashed, replace(token, last_used_at=now))

    def _read(self, token: AccessToken) -> AccessToken:
        if token.expires_at is None:
            return token
        return replace(token, expires_in=token.expires_at - self._clock.now())
