"""The events that an auditor asks for, on Postgres."""

from application.memory_budget import MEBIBYTE
from application.ports.log.audit import AuditFilter
from application.ports.log.events import OwnedEvent, OwnedPage
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database
from infrastructure.records.unreadable import stored_event

_STATEMENTS = sql.load("audit")
_LOOKS = 10_000
"""The most events whose records one read looks into."""
_LOOKED_BYTES = 32 * MEBIBYTE
"""The bytes of those records at which that is enough: they are read within the patience."""


class PostgresAuditEvents:
    """Finds events; see `application.ports.log.audit.AuditEvents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self, wanted: AuditFilter, *, after: int, upto: int, limit: int, most_bytes: int
    ) -> OwnedPage:
        """Return events in order of position."""
        of_record = {
            "actor": wanted.actor,
            "origins": None if wanted.origins is None else list(wanted.origins),
            "since": wanted.since,
            "until": wanted.until,
            "tool": wanted.tool,
        }
        is_plain = all(value is None for value in of_record.values())
        values = {
            **of_record,
            "after": after,
            "upto": upto,
            "limit": limit,
            "bytes": most_bytes,
            "session": wanted.session,
            "all_types": not wanted.events.types,
            "exact": wanted.events.exact,
            "prefixes": wanted.events.prefixes,
            "app": wanted.events.app,
            "user": wanted.events.user,
            "text": wanted.text,
            "plain": is_plain,
            "looks": limit if is_plain and wanted.text is None else _LOOKS,
            "looked_bytes": _LOOKED_BYTES,
        }
        rows = await self._database.fetch(_STATEMENTS["events"], values, planned_anew=True)
        events = [OwnedEvent(stored_event(*row[:6]), row[6], row[7]) for row in rows if row[8]]
        is_full = bool(rows) and (len(events) == limit or rows[-1][9])
        return OwnedPage(events, rows[-1][2] if is_full else upto)
