"""Kept states on Postgres."""

import asyncio
import logging
from uuid import UUID

from domain.session.state import FORMAT, OLDEST_FORMAT, Session
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.records.state_codec import encode_state, read_state

_logger = logging.getLogger("cairn.store")
_STATEMENTS = sql.load("snapshots")
_LAST_SEQUENCE = 2**63 - 1
_LARGE = 128 * 1024
"""From so many bytes on a state takes milliseconds, in which the loop has other things to do."""


async def state_of(raw: bytes, sequence: int) -> Session | None:
    """Return the state of kept bytes; None where they are damaged, or are of another event.

    Args:
        raw: Of a format between `OLDEST_FORMAT` and `FORMAT`.
        sequence: Of the event that the state is kept after.
    """
    if len(raw) < _LARGE:
        return read_state(raw, sequence)
    return await asyncio.to_thread(read_state, raw, sequence)


class PostgresSnapshots:
    """Kept states; see `application.ports.session.snapshots.SnapshotStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, session_id: UUID, *, upto: int | None = None) -> Session | None:
        """Return the newest kept state of a format that gives the right state.

        One that is damaged is passed over: what it was made of is in the log.
        """
        values = {"session": session_id, "oldest": OLDEST_FORMAT, "format": FORMAT}
        before = _LAST_SEQUENCE if upto is None else upto
        while rows := await self._database.fetch(
            _STATEMENTS["load_snapshot"], {**values, "upto": before}
        ):
            sequence, raw = rows[0]
            session = await state_of(raw, sequence)
            if session is not None:
                return session
            _logger.warning(
                "the state of session %s that is kept at %s is damaged, and passed over;"
                " `cairn rebuild` makes it anew",
                session_id,
                sequence,
            )
            before = sequence - 1
        return None

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
