"""An append that is tried and taken back: whether what appends need works, with nothing stored."""

from datetime import UTC, datetime
from uuid import uuid4

from psycopg import AsyncConnection

from application.ports.log.append import Append
from application.ports.log.events import NewEvent
from application.ports.session.idempotency import StoredAnswer
from application.ports.session.session_row import SessionRow
from infrastructure.postgres import sql
from infrastructure.postgres.writing.batch import arguments

_APPEND = sql.load("log")["append"]
_STATEMENTS = sql.load("writer")
_NAME = "rehearsal"
_DIGEST = bytes(32)


def _append() -> Append:
    """Return an append to a session that nobody has, with a list row and a key."""
    session_id, at = uuid4(), datetime.now(UTC)
    row = SessionRow(
        app=_NAME,
        user=_NAME,
        workspace=None,
        team=None,
        scope=None,
        agent=None,
        type="user",
        status="idle",
        title=None,
        marks=(),
        tags=(),
        created_at=at,
        deleted=False,
        doc="{}",
    )
    key = StoredAnswer(session_id, _NAME, _DIGEST, session_id, 1, 0, b"{}")
    return Append(session_id, 0, [NewEvent(_NAME, b"{}", _DIGEST)], at, row=row, keys=[key])


async def rehearse(connection: AsyncConnection) -> None:
    """Try an append, and take it back, and a MiB of the disk.

    Args:
        connection: Of a writer, in autocommit mode, on which nothing runs.

    Raises:
        psycopg.Error: The database would refuse an append now.
    """
    async with connection.transaction(force_rollback=True):
        # An append that is taken back fits into what Postgres has of a disk that is full.
        await connection.execute(_STATEMENTS["spill_little"])
        await connection.execute(_STATEMENTS["take_space"])
        await connection.cursor(binary=True).execute(_APPEND, arguments([_append()]))
