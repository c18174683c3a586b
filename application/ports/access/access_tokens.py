"""Access tokens as they are kept: never the token itself, only its hash."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.principal import Right


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What a token allows, and to whom.

    Args:
        token_id: Names it where the token itself must not stand.
        name: The actor of what is done with it.
        rights: What it allows.
        app: The only app that it sees; None is all of them.
        user: The only user of that app that it sees; None is all of them.
        created_at: By the clock of the store.
        expires_at: The same; None is never.
        expires_in: How long it was still good when it was read; None is for ever.
        last_used_at: To the minute; None is never.
    """

    token_id: UUID
    name: str
    rights: frozenset[Right]
    app: str | None
    user: str | None
    created_at: datetime
    expires_at: datetime | None = None
    expires_in: timedelta | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccessToken:
    """A token to be kept.

    Args:
        hashed: SHA-256 of the token, 32 bytes.
        lifetime: How long it is good; None is for ever.
    """

    token_id: UUID
    name: str
    rights: frozenset[Right]
    app: str | None
    user: str | None
    hashed: bytes
    lifetime: timedelta | None


class AccessTokens(Protocol):
    """The tokens that are good, of all processes."""

    async def add(self, new: NewAccessToken) -> AccessToken:
        """Keep a token, and have every process hear of it."""
        ...

    async def revoke(self, token_id: UUID) -> bool:
        """Take a token away, and have every process hear of it; False when there is none."""
        ...

    async def all(self) -> Sequence[AccessToken]:
        """Return all tokens, of those that have expired too, in the order they were made."""
        ...

    async def revision(self) -> int:
        """Return a number that is another one after each token that was added or taken away."""
        ...

    async def hashes(self) -> Sequence[tuple[bytes, AccessToken]]:
        """Return the tokens that have not expired, each with its hash."""
        ...

    async def used(self, token_ids: Collection[UUID]) -> None:
        """Note that tokens are in use."""
        ...
