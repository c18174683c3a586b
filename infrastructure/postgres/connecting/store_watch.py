"""Notices that this process no longer fits its database: then it must drain and end.

The schema may have become that of a newer release, whose servers write beside this one meanwhile.
Or the database is another store than it was: a backup of it was restored, or a standby without the
newest events took its place. What this process has in memory is then not what the log says.
"""

import asyncio
import logging
from collections.abc import Callable

from application.background import Background
from application.errors import StoreUnavailable
from application.ports.readiness import Trouble
from infrastructure.metrics import OUTDATED
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("store")
_LOOK_EVERY = 1.0

SCHEMA_NEWER = Trouble(
    "schema_newer",
    "The database is that of a newer release; this process ends, use the newer ones.",
)
STORE_REPLACED = Trouble(
    "store_replaced",
    "The database was restored, or lost what it had acknowledged; this process ends.",
)

_logger = logging.getLogger("cairn.store")


async def identify(database: Database, identity: str | None = None, seen: int = 0) -> str:
    """Return the identity of the store, which changes when it goes back to an earlier state.

    Args:
        database: Where it is.
        identity: What it was when this process began; None when it begins now.
        seen: The newest position that this process knows to be durable.

    Raises:
        StoreUnavailable: The database did not answer in time.
    """
    values = {"identity": identity, "seen": seen}
    rows = await database.fetch(_STATEMENTS["identify"], values)
    return str(rows[0][0])


class StoreWatch:
    """Looks at the store once a second.

    Args:
        database: Where it is.
        identity: What it was when this process began.
        migration: The newest one that this program knows.
        position: Returns the newest position that is known to be durable.
        leave: Called once, when this process is to drain and end.
    """

    def __init__(
        self,
        database: Database,
        identity: str,
        migration: int,
        position: Callable[[], int],
        leave: Callable[[Trouble], None],
    ) -> None:
        self._database = database
        self._identity = identity
        self._migration = migration
        self._position = position
        self._leave = leave
        self._work = Background(self._keep_looking)
        self.trouble: Trouble | None = None
        """Why this process is to end; None while it is not."""

    async def start(self) -> None:
        """Begin to look."""
        self._work.start()

    async def stop(self) -> None:
        """End it."""
        await self._work.stop()

    async def look(self) -> None:
        """Look once.

        Raises:
            StoreUnavailable: The database did not answer in time.
        """
        rows = await self._database.fetch(_STATEMENTS["newest_migration"], {})
        if rows[0][0] > self._migration:
            self._end(SCHEMA_NEWER)
            return
        if await identify(self._database, self._identity, self._position()) != self._identity:
            self._end(STORE_REPLACED)

    def _end(self, trouble: Trouble) -> None:
        self.trouble = trouble
        OUTDATED.labels(trouble.reason).set(1)
        _logger.error("this process is to end (%s): %s", trouble.reason, trouble.sentence)
        self._leave(trouble)

    async def _keep_looking(self) -> None:
        while self.trouble is None:
            # This process has asked for the identity as it began.
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self.look()
            except StoreUnavailable:
                pass
            except Exception:
                _logger.exception("the store could not be looked at; trying again")
