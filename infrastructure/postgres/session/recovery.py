"""Sessions that nobody drives any more, on Postgres and by its clock."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from application.ports.session.recovery import Patience, Undriven
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("recovery")


class PostgresDriverWatch:
    """Finds them; see `application.ports.session.recovery.DriverWatch`.

    Args:
        database: Whose clock decides.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def undriven(
        self,
        patience: Patience,
        *,
        after: UUID | None = None,
        only: UUID | None = None,
        limit: int,
    ) -> Sequence[Undriven]:
        """Return sessions that nobody drives any more, in order of their ids."""
        rows = await self._database.fetch(
            _STATEMENTS["undriven"],
            {
                "grace": patience.grace,
                "vouched": patience.vouched,
                "unattended": patience.unattended,
                "after": after,
                "only": only,
                "limit": limit,
            },
        )
        return [
            Undriven(session_id, sequence, _utc(ended), _utc(sign), now.astimezone(UTC))
            for session_id, sequence, ended, sign, now in rows
        ]


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC)
