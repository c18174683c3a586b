"""Keys that sessions share on Postgres."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from uuid import UUID

from application.ports.session.shared_state import KeyValue, KeyWrite, ScopeKeys
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("shared_state")
_LAST_POSITION = 2**63 - 1


class PostgresSharedState:
    """The shared keys; see `application.ports.session.shared_state.SharedState`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def shared_with(
        self, session_id: UUID, scope_ids: Sequence[UUID]
    ) -> tuple[int, Mapping[str, bytes]]:
        """Return the sequence of a session and the keys of shared scopes."""
        rows = await self._database.fetch(
            _STATEMENTS["shared_with"], {"session": session_id, "scopes": list(scope_ids)}
        )
        values = {str(key): bytes(value) for _, key, value in rows if key is not None}
        return int(rows[0][0]) if rows else 0, values

    async def scope(self, scope_id: UUID, *, at: int | None = None) -> ScopeKeys:
        """Return the version and the keys of a shared scope."""
        if at is not None:
            rows = await self._database.fetch(
                _STATEMENTS["scope_at"], {"scope": scope_id, "at": at}
            )
            values = {str(key): bytes(value) for _, key, value in rows if value is not None}
            return ScopeKeys(max((int(position) for position, _, _ in rows), default=0), values)
        rows = await self._database.fetch(_STATEMENTS["scope"], {"scope": scope_id})
        values = {str(key): bytes(value) for _, key, value in rows if key is not None}
        return ScopeKeys(int(rows[0][0]) if rows else 0, values)

    async def key_history(
        self, scope_id: UUID, key: str, *, before: int | None = None, limit: int
    ) -> Sequence[KeyWrite]:
        """Return the writes to a key of a shared scope, newest first."""
        rows = await self._database.fetch(
            _STATEMENTS["key_history"],
            {
                "scope": scope_id,
                "key": key,
                "before": _LAST_POSITION if before is None else before,
                "limit": limit,
            },
        )
        return [
            KeyWrite(position, session_id, sequence, value, at.astimezone(UTC), actor, user)
            for position, session_id, sequence, value, at, actor, user in rows
        ]

    async def writes(self, scope_id: UUID, *, after: int, limit: int) -> Sequence[KeyValue]:
        """Return the writes to all keys of a shared scope, oldest first."""
        values = {"scope": scope_id, "after": after, "limit": limit}
        rows = await self._database.fetch(_STATEMENTS["writes"], values)
        return [KeyValue(*row) for row in rows]
