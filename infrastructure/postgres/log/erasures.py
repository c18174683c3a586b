"""Erasures on Postgres: functions of the database do what the program itself may not."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from application.ports.log.erasures import Footprint, PendingErasure, Relation, SharedKey
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("erasures")


class PostgresErasures:
    """Carries erasures out; see `application.ports.log.erasures.Erasures`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, limit: int) -> Sequence[PendingErasure]:
        """Return logs that are to be erased."""
        rows = await self._database.fetch(_STATEMENTS["pending"], {"limit": limit})
        return [PendingErasure(*row) for row in rows]

    async def erase_events(self, log_id: UUID, limit: int) -> tuple[int, int]:
        """Erase the next events of a log."""
        values = {"log": log_id, "limit": limit}
        rows = await self._database.fetch(_STATEMENTS["erase_events"], values)
        return rows[0][0], rows[0][1]

    async def finish(self, log_id: UUID) -> None:
        """Take away what was kept beside the events of a log."""
        await self._database.fetch(_STATEMENTS["finish"], {"log": log_id})

    async def footprint(self, session_id: UUID) -> Footprint:
        """Return how much there is of a session."""
        rows = await self._database.fetch(_STATEMENTS["footprint"], {"session": session_id})
        return Footprint(*rows[0])

    async def forks_of(self, session_id: UUID) -> Sequence[Relation]:
        """Return the forks of a session that are not erased."""
        return await self._relations("forks", {"session": session_id})

    async def children_of(self, session_id: UUID) -> Sequence[Relation]:
        """Return the children of a session that are not erased."""
        return await self._relations("children", {"session": session_id})

    async def sessions_of(self, app: str, user: str, after: UUID, limit: int) -> Sequence[Relation]:
        """Return sessions of a user that are not erased."""
        values = {"app": app, "user": user, "after": after, "limit": limit}
        return await self._relations("sessions_of", values)

    async def _relations(self, statement: str, values: Mapping[str, Any]) -> Sequence[Relation]:
        rows = await self._database.fetch(_STATEMENTS[statement], values)
        return [Relation(*row) for row in rows]

    async def keys_in_force(self, session_id: UUID) -> Sequence[SharedKey]:
        """Return the values in force of shared keys that a session has written last."""
        rows = await self._database.fetch(_STATEMENTS["keys_in_force"], {"session": session_id})
        return [SharedKey(*row) for row in rows]
