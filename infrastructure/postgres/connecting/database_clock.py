"""The time of the database, told by this process.

One process sets a time limit; another process, or the database, judges it. So all of them use the
time of the database. Each process asks for it every few seconds, and between two answers adds what
its monotonic clock says: that one is never set by anybody.
"""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from application.background import Background
from application.errors import StoreUnavailable
from infrastructure.clock import SystemClock
from infrastructure.metrics import CLOCK_SKEW
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("store")
_ASK_EVERY = 5.0
_ASKED_AT_START = 3
_WORTH_A_WORD = 1.0
"""Seconds of skew from which on an operator is told."""
_HELD = timedelta(seconds=1)
"""A correction backwards of less is waited out, so that times do not go back."""

_logger = logging.getLogger("cairn.clock")


class DatabaseClock(SystemClock):
    """A clock that goes by the database's; until that has answered, by the system's.

    Args:
        database: Whose time it is.
    """

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self._set(system_time(), time.monotonic())
        self._last = self._base
        self._work = Background(self._keep)
        self.skew = 0.0
        """Seconds that the system's clock is ahead of the database's."""

    @property
    def is_skewed(self) -> bool:
        """Whether the two clocks differ by so much that an operator should know."""
        return abs(self.skew) >= _WORTH_A_WORD

    async def start(self) -> None:
        """Ask for the time, and go on asking."""
        with suppress(StoreUnavailable):
            for _ in range(_ASKED_AT_START):
                await self.ask()
        self._work.start()

    async def stop(self) -> None:
        """End it."""
        await self._work.stop()

    def now(self) -> datetime:
        """Return the time of the database, UTC, to the microsecond."""
        now = self._base + timedelta(seconds=time.monotonic() - self._anchor)
        if now < self._last < now + _HELD:
            return self._last
        self._last = now
        return now

    def milliseconds(self) -> int:
        """Return the time of the database since 1970."""
        return int((self._base_seconds + time.monotonic() - self._anchor) * 1000)

    async def ask(self) -> None:
        """Ask the database for its time once.

        Raises:
            StoreUnavailable: It does not answer.
        """
        before = time.monotonic()
        rows = await self._database.fetch(_STATEMENTS["time"], {})
        after = time.monotonic()
        told: datetime = rows[0][0].astimezone(UTC)
        uncertain = (after - before) / 2
        # Whatever lies within what the answer leaves open is no news.
        wrong = (told - self._unheld(before + uncertain)).total_seconds()
        if abs(wrong) > uncertain:
            self._set(told, before + uncertain)
        was_skewed, skew = self.is_skewed, (system_time() - self.now()).total_seconds()
        self.skew = skew
        CLOCK_SKEW.set(abs(skew))
        if self.is_skewed and not was_skewed:
            _logger.warning(
                "the clock of this machine is %.1f s %s that of the database, whose time counts;"
                " set both by the same source",
                abs(skew),
                "ahead of" if skew > 0 else "behind",
            )
        elif was_skewed and not self.is_skewed:
            _logger.warning("the clocks of this machine and of the database agree again")

    def _set(self, base: datetime, anchor: float) -> None:
        self._base, self._base_seconds, self._anchor = base, base.timestamp(), anchor

    def _unheld(self, at: float) -> datetime:
        return self._base + timedelta(seconds=at - self._anchor)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_ASK_EVERY)
            with suppress(StoreUnavailable):
                await self.ask()


def system_time() -> datetime:
    """Return what the clock of this machine says, UTC."""
    return datetime.now(UTC)
