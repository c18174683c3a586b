"""What an auditor asks of the log, event by event."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports.log.events import EventFilter, OwnedPage


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which events an auditor wants; what is None does not matter.

    Args:
        events: By type and owner.
        session: Of this session.
        actor: That this one asked for.
        origins: That came through one of these doors.
        tool: Calls of this tool, and permissions for it.
        since: At or after this time.
        until: Before this time.
        text: With this text anywhere in the record, its ASCII letters in any case.
    """

    events: EventFilter
    session: UUID | None = None
    actor: str | None = None
    origins: tuple[str, ...] | None = None
    tool: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


class AuditEvents(Protocol):
    """Finds events in the log."""

    async def read(
        self, wanted: AuditFilter, *, after: int, upto: int, limit: int, most_bytes: int
    ) -> OwnedPage:
        """Return events in order of position; with filters there may be none before the next page.

        Args:
            wanted: Which.
            after: The position after which to look, exclusive.
            upto: The position up to which to look, inclusive.
            limit: The most.
            most_bytes: The page ends with the event whose record reaches so many bytes in all.
        """
        ...
