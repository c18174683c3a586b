"""The list rows of sessions on Postgres."""

import json
from collections.abc import Sequence
from uuid import UUID

from application.ports.session.listing import After, ListedSession, SessionFilter, SessionOrder
from application.ports.session.session_row import SessionRow
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.session.session_list import (
    CALLED,
    SESSION,
    listed_session,
    session_list,
)
from infrastructure.postgres.writing.batch import row_columns

_STATEMENTS = sql.load("session_rows")


class PostgresSessionRows:
    """The list rows; see `application.ports.session.session_rows.SessionRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def session(self, session_id: UUID) -> ListedSession | None:
        """Return a session's row."""
        rows = await self._database.fetch(SESSION, {"session": session_id})
        return listed_session(rows[0]) if rows else None

    async def called(self, external_id: str, limit: int) -> Sequence[ListedSession]:
        """Return the sessions that have an external id, in whatever app."""
        rows = await self._database.fetch(CALLED, {"external_id": external_id, "limit": limit})
        return [listed_session(row) for row in rows]

    async def sessions(
        self, where: SessionFilter, order: SessionOrder, after: After | None, limit: int
    ) -> Sequence[ListedSession]:
        """Return a page of rows."""
        asked = session_list(where, order, after, limit)
        rows = await self._database.fetch(
            asked.statement, asked.values, planned_anew=asked.planned_anew
        )
        return [listed_session(row) for row in rows]

    async def rows_older_than(self, version: int, limit: int) -> Sequence[tuple[UUID, int]]:
        """Return sessions whose row an older projection made."""
        values = {"version": version, "limit": limit}
        rows = await self._database.fetch(_STATEMENTS["rows_older_than"], values)
        return [(session_id, sequence) for session_id, sequence in rows]

    async def replace_row(self, session_id: UUID, sequence: int, row: SessionRow) -> None:
        """Put another row in the place of one that an older projection made."""
        columns = json.dumps(row_columns(row))
        await self._database.run(
            _STATEMENTS["replace_row"],
            {"session": session_id, "sequence": sequence, "row": columns},
        )

    async def apps(self, limit: int) -> Sequence[str]:
        """Return the apps that have sessions."""
        rows = await self._database.fetch(_STATEMENTS["apps"], {"limit": limit})
        return [app for (app,) in rows]

    async def living_children(self, parent_id: UUID) -> Sequence[UUID]:
        """Return the children of a session that have not ended."""
        rows = await self._database.fetch(_STATEMENTS["living_children"], {"parent": parent_id})
        return [session_id for (session_id,) in rows]
