"""Readiness as the connections, the writers and the jobs see it."""

import asyncio
from collections.abc import Sequence

from application.ports.readiness import Trouble
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.database_clock import DatabaseClock
from infrastructure.postgres.connecting.job_board import JobBoard
from infrastructure.postgres.connecting.outcomes import READ_ONLY
from infrastructure.postgres.connecting.store_watch import StoreWatch
from infrastructure.postgres.log.event_log import PostgresEventLog

_SILENT = Trouble("database_silent", "The database does not answer.")


class PostgresReadiness:
    """Readiness; see `application.ports.readiness.Readiness`.

    Args:
        database: For reads.
        log: Whose writers know whether writes are taken.
        clock: Knows how far the clock of this machine is off.
        watch: Knows whether this process still fits its database.
        board: Knows whether each background job is run.
    """

    def __init__(
        self,
        database: Database,
        log: PostgresEventLog,
        clock: DatabaseClock,
        watch: StoreWatch,
        board: JobBoard,
    ) -> None:
        self._database = database
        self._log = log
        self._clock = clock
        self._watch = watch
        self._board = board

    async def database_answers(self) -> bool:
        """Return whether the database answers now, within a second."""
        return await self._database.state() != "silent"

    def warnings(self) -> Sequence[Trouble]:
        """Return what an operator should see to though requests are served."""
        if not self._clock.is_skewed:
            return ()
        sentence = (
            f"The clock of this machine is {self._clock.skew:+.1f} s from that of the database,"
            " whose time counts; set both by the same source."
        )
        return (Trouble("clock_skew", sentence),)

    async def troubles(self) -> Sequence[Trouble]:
        """Return what keeps requests from being served now."""
        found: list[Trouble] = [] if self._watch.trouble is None else [self._watch.trouble]
        state, _ = await asyncio.gather(self._database.state(), self._log.look())
        refused = self._log.trouble
        if state == "silent":
            found.append(_SILENT)
        if refused is None and state == "read_only":
            # Nothing was to be written here since.
            refused = READ_ONLY
        if refused is not None:
            found.append(Trouble(refused.reason, refused.sentence))
        found += self._board.troubles()
        return found
