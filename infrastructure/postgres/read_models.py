"""The read models and kept states on Postgres."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from uuid import UUID

from application.ports.store import (
    After,
    KeyWrite,
    ListedSession,
    Scope,
    SessionFilter,
    SessionOrder,
    SessionRow,
    StoredAnswer,
)
from domain.session.evolve import FORMAT, OLDEST_FORMAT
from domain.session.state import Session
from infrastructure.postgres import sql
from infrastructure.postgres.batch import row_columns
from infrastructure.postgres.database import Database
from infrastructure.postgres.session_list import session_list
from infrastructure.state_codec import decode_state, encode_state

_STATEMENTS = sql.load("read_models")
_LAST_SEQUENCE = _LAST_POSITION = 2**63 - 1


class PostgresReadModels:
    """Rows written with the events; see `application.ports.store.ReadModels`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def session(self, session_id: UUID) -> ListedSession | None:
        """Return a session's row."""
        rows = await self._database.fetch(_STATEMENTS["session"], {"session": session_id})
        return ListedSession(*rows[0]) if rows else None

    async def sessions(
        self, where: SessionFilter, order: SessionOrder, after: After | None, limit: int
    ) -> Sequence[ListedSession]:
        """Return a page of rows."""
        asked = session_list(where, order, after, limit)
        rows = await self._database.fetch(
            asked.statement, asked.values, planned_anew=asked.planned_anew
        )
        return [ListedSession(*row) for row in rows]

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

    async def living_children(self, parent_id: UUID) -> Sequence[UUID]:
        """Return the children of a session that have not ended."""
        rows = await self._database.fetch(_STATEMENTS["living_children"], {"parent": parent_id})
        return [session_id for (session_id,) in rows]

    async def answer(self, scope: UUID, key: str) -> StoredAnswer | None:
        """Return what a request with this idempotency key was answered."""
        rows = await self._database.fetch(_STATEMENTS["answer"], {"scope": scope, "key": key})
        return StoredAnswer(*rows[0]) if rows else None

    async def shared_with(
        self, session_id: UUID, scope_ids: Sequence[UUID]
    ) -> tuple[int, Mapping[str, bytes]]:
        """Return the sequence of a session and the keys of shared scopes."""
        rows = await self._database.fetch(
            _STATEMENTS["shared_with"], {"session": session_id, "scopes": list(scope_ids)}
        )
        values = {str(key): bytes(value) for _, key, value in rows if key is not None}
        return int(rows[0][0]) if rows else 0, values

    async def scope(self, scope_id: UUID, *, at: int | None = None) -> Scope:
        """Return the version and the keys of a shared scope."""
        if at is not None:
            rows = await self._database.fetch(
                _STATEMENTS["scope_at"], {"scope": scope_id, "at": at}
            )
            values = {str(key): bytes(value) for _, key, value in rows if value is not None}
            return Scope(max((int(position) for position, _, _ in rows), default=0), values)
        rows = await self._database.fetch(_STATEMENTS["scope"], {"scope": scope_id})
        values = {str(key): bytes(value) for _, key, value in rows if key is not None}
        return Scope(int(rows[0][0]) if rows else 0, values)

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
            KeyWrite(position, session_id, sequence, value, at.astimezone(UTC), actor)
            for position, session_id, sequence, value, at, actor in rows
        ]

    async def forget_answers(self, older_than: timedelta, limit: int) -> int:
        """Forget the oldest answers."""
        rows = await self._database.fetch(
            _STATEMENTS["forget_answers"], {"older_than": older_than, "limit": limit}
        )
        return int(rows[0][0])


class PostgresSnapshots:
    """Kept states; see `application.ports.store.SnapshotStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, session_id: UUID, *, upto: int | None = None) -> Session | None:
        """Return the newest kept state of a format that gives the right state."""
        rows = await self._database.fetch(
            _STATEMENTS["load_snapshot"],
            {
                "session": session_id,
                "upto": _LAST_SEQUENCE if upto is None else upto,
                "oldest": OLDEST_FORMAT,
                "format": FORMAT,
            },
        )
        return decode_state(rows[0][0]) if rows else None

    async def sequences(self, session_id: UUID) -> Sequence[int]:
        """Return the sequences of all kept states that `load` would give."""
        values = {"session": session_id, "oldest": OLDEST_FORMAT, "format": FORMAT}
        rows = await self._database.fetch(_STATEMENTS["snapshot_sequences"], values)
        return [row[0] for row in rows]

    async def save(self, session_id: UUID, session: Session) -> None:
        """Keep a state."""
        # A long one takes a while to write down, and the loop has other things to do.
        state = await asyncio.to_thread(encode_state, session)
        await self._database.run(
            _STATEMENTS["save_snapshot"],
            {
                "session": session_id,
                "sequence": session.sequence,
                "format": FORMAT,
                "state": state,
            },
        )


async def store_identity(database: Database) -> str:
    """Return the identity of the log: another database is another log."""
    rows = await database.fetch(_STATEMENTS["store_identity"], {})
    return str(rows[0][0])
