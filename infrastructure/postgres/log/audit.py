"""The events that an auditor asks for, on Postgres."""

from collections.abc import Sequence

from application.ports.log.audit import AuditFilter
from application.ports.log.events import OwnedEvent
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.records.unreadable import stored_event

_STATEMENTS = sql.load("audit")


class PostgresAuditEvents:
    """Finds events; see `application.ports.log.audit.AuditEvents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self, wanted: AuditFilter, *, after: int, upto: int, limit: int
    ) -> Sequence[OwnedEvent]:
        """Return events in order of position."""
        of_record = {
            "actor": wanted.actor,
            "origins": None if wanted.origins is None else list(wanted.origins),
            "since": wanted.since,
            "until": wanted.until,
            "tool": wanted.tool,
        }
        values = {
            **of_record,
            "after": after,
            "upto": upto,
            "limit": limit,
            "session": wanted.session,
            "all_types": not wanted.events.types,
            "exact": wanted.events.exact,
            "prefixes": wanted.events.prefixes,
            "app": wanted.events.app,
            "user": wanted.events.user,
            "text": wanted.text,
            "plain": all(value is None for value in of_record.values()),
        }
        rows = await self._database.fetch(_STATEMENTS["events"], values, planned_anew=True)
        return [OwnedEvent(stored_event(*row[:6]), row[6], row[7]) for row in rows]
