"""Kept states on Postgres."""

import asyncio
from uuid import UUID

from domain.session.state import FORMAT, OLDEST_FORMAT, Session
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.records.state_codec import decode_state, encode_state

_STATEMENTS = sql.load("snapshots")
_LAST_SEQUENCE = 2**63 - 1
_LARGE = 128 * 1024
"""From so many bytes on a state takes milliseconds, in which the loop has other things to do."""


async def state_of(raw: bytes) -> Session:
    """Return the state of kept bytes.

    Args:
        raw: Of a format between `OLDEST_FORMAT` and `FORMAT`.
    """
    if len(raw) < _LARGE:
        return decode_state(raw)
    return await asyncio.to_thread(decode_state, raw)


class PostgresSnapshots:
    """Kept states; see `application.ports.session.snapshots.SnapshotStore`."""

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
        if not rows:
            return None
        return await state_of(rows[0][0])

    def weigh(self, session: Session) -> int:
        """Return the bytes that a state has when it is kept."""
        return len(encode_state(session))

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
