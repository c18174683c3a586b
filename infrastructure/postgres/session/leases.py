"""Leases and signs of life on Postgres."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from application.errors import Busy
from application.ports.session.leases import Claim, Lease, Process, Sign
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("leases")
_ATTEMPTS = 20


class PostgresLeases:
    """Leases; see `application.ports.session.leases.Leases`.

    Args:
        database: Whose clock decides.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, session_id: UUID, token: UUID, holder: str, ttl: timedelta) -> Claim:
        """Take the lease if it is free."""
        asked = {"session": session_id, "token": token, "holder": holder, "ttl": ttl}
        for _ in range(_ATTEMPTS):
            rows = await self._database.fetch(_STATEMENTS["acquire"], asked)
            if rows:
                return Claim(Lease(*rows[0]), granted=True)
            # Whoever had it may have let go since: then it is free after all.
            held = (await self.of([session_id])).get(session_id)
            if held is not None:
                return Claim(held, granted=False)
        raise Busy("the lease changes hands too fast; try again in a moment")

    async def renew(self, session_id: UUID, token: UUID, ttl: timedelta) -> Lease | None:
        """Prolong a lease that has not run out."""
        rows = await self._database.fetch(
            _STATEMENTS["renew"], {"session": session_id, "token": token, "ttl": ttl}
        )
        return Lease(*rows[0]) if rows else None

    async def release(self, session_id: UUID, token: UUID) -> bool:
        """Free a lease, and return whether it was in force until now."""
        rows = await self._database.fetch(
            _STATEMENTS["release"], {"session": session_id, "token": token}
        )
        return bool(rows)

    async def of(self, session_ids: Iterable[UUID]) -> Mapping[UUID, Lease]:
        """Return the leases that are in force."""
        rows = await self._database.fetch(_STATEMENTS["leases"], {"sessions": list(session_ids)})
        return {row[0]: Lease(*row) for row in rows}


class PostgresPresence:
    """Signs of life; see `application.ports.session.leases.Presence`.

    Args:
        database: Whose clock decides.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def touch(
        self, session_id: UUID, reporter: str, process: Process, detail: str | None
    ) -> Sign:
        """Keep a sign of life in the place of the one before it."""
        rows = await self._database.fetch(
            _STATEMENTS["touch"],
            {"session": session_id, "reporter": reporter, "process": process, "detail": detail},
        )
        return Sign(*rows[0])

    async def of(self, session_ids: Iterable[UUID]) -> Mapping[UUID, Sign]:
        """Return the last sign from each session that ever gave one."""
        rows = await self._database.fetch(_STATEMENTS["presence"], {"sessions": list(session_ids)})
        return {row[0]: Sign(*row) for row in rows}
