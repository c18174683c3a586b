"""Projects the rows anew that an older version of the projection made."""

import logging
from uuid import UUID

from application.commands.repository import SessionRepository
from application.ports.log.codec import Codec
from application.ports.session.session_rows import OutdatedRows
from application.projections.session_row import PROJECTION_VERSION, session_row
from domain.timers import Timers

_BATCH = 100
_PAUSE = 60.0

_logger = logging.getLogger("cairn.projections")


class RowRebuilder:
    """Makes rows of an older version like those that are written now; a job runs its rounds.

    While two releases run at once, the older one may write rows of its version again: they are
    projected once more, and for the last time when the older one has gone.

    Args:
        rows: Where they are.
        codec: Writes them.
        repository: Folds the states that they are made of.
        timers: How long turns may be silent or run.
    """

    def __init__(
        self, rows: OutdatedRows, codec: Codec, repository: SessionRepository, timers: Timers
    ) -> None:
        self._rows = rows
        self._codec = codec
        self._repository = repository
        self._timers = timers
        self._failed: set[UUID] = set()

    async def round(self) -> float:
        """Project some rows anew, and return the seconds until the next look."""
        older = await self._rows.rows_older_than(PROJECTION_VERSION, _BATCH + len(self._failed))
        for session_id, sequence in older:
            if session_id not in self._failed:
                await self._project(session_id, sequence)
        return 0.0 if len(older) >= _BATCH + len(self._failed) else _PAUSE

    async def _project(self, session_id: UUID, sequence: int) -> None:
        try:
            loaded = await self._repository.load_at(session_id, sequence)
            row = session_row(session_id, loaded.session, self._codec, self._timers)
        except Exception:
            # A log that cannot be folded must not hold up the other rows.
            self._failed.add(session_id)
            _logger.exception("the row of session %s cannot be projected", session_id)
            return
        await self._rows.replace_row(session_id, sequence, row)
