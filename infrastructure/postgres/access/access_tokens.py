"""Access tokens on Postgres."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from application.ports.access.access_tokens import AccessToken, NewAccessToken
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("access_tokens")


class PostgresAccessTokens:
    """The tokens; see `application.ports.access.access_tokens.AccessTokens`.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, new: NewAccessToken) -> AccessToken:
        """Keep a token."""
        values = {
            "token_id": new.token_id,
            "name": new.name,
            "rights": sorted(new.rights),
            "app": new.app,
            "user": new.user,
            "hashed": new.hashed,
            "lifetime": new.lifetime,
        }
        # Asked once more after a lost answer, it finds itself there.
        await self._database.fetch(_STATEMENTS["add"], values)
        rows = await self._database.fetch(_STATEMENTS["get"], {"token_id": new.token_id})
        return _token(rows[0])

    async def revoke(self, token_id: UUID) -> bool:
        """Take a token away."""
        return bool(await self._database.fetch(_STATEMENTS["revoke"], {"token_id": token_id}))

    async def all(self) -> Sequence[AccessToken]:
        """Return all tokens."""
        return [_token(row) for row in await self._database.fetch(_STATEMENTS["all"], {})]

    async def revision(self) -> int:
        """Return what changes with every change."""
        rows = await self._database.fetch(_STATEMENTS["revision"], {})
        return int(rows[0][0])

    async def hashes(self) -> Sequence[tuple[bytes, AccessToken]]:
        """Return the tokens that have not expired."""
        rows = await self._database.fetch(_STATEMENTS["hashes"], {})
        return [(bytes(hashed), _token(row)) for hashed, *row in rows]

    async def used(self, token_ids: Collection[UUID]) -> None:
        """Note that tokens are in use."""
        await self._database.run(_STATEMENTS["used"], {"token_ids": list(token_ids)})


def _token(row: Sequence[Any]) -> AccessToken:
    token_id, name, rights, app, user, created_at, expires_at, expires_in, last_used_at = row
    return AccessToken(
        token_id=token_id,
        name=name,
        rights=frozenset(rights),
        app=app,
        user=user,
        created_at=created_at,
        expires_at=expires_at,
        expires_in=expires_in,
        last_used_at=last_used_at,
    )
