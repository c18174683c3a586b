"""Reading for a stream, however long the database is away: whoever follows need not notice."""

from collections.abc import Sequence
from uuid import UUID

from application.errors import StoreUnavailable
from application.fan_out import FanOut
from application.ports.log.codec import Codec
from application.ports.log.events import StoredEvent
from application.ports.log.session_logs import SessionLogs
from application.reads.streams.selecting import Filter, Selecting, selecting
from application.reads.streams.stream_items import LOOK_AGAIN, READ, READ_BYTES

ENDS = ("session.deleted", "session.erased")
"""The events after which none comes."""


class PatientReading:
    """Reads the log of a session again and again until it can be read, or the server closes.

    Args:
        log: Where it is.
        codec: Reads events.
        fan_out: Says when the server closes.
    """

    def __init__(self, log: SessionLogs, codec: Codec, fan_out: FanOut) -> None:
        self._log = log
        self._codec = codec
        self._fan_out = fan_out

    async def was_deleted(self, session_id: UUID, cursor: int) -> bool:
        """Return whether the event at a cursor is the last there will ever be.

        Args:
            session_id: Whose log.
            cursor: The sequence that was read last.
        """
        if not cursor:
            return False
        # Only that event counts: what was recorded since it was read is still to be told.
        there = await self.read(session_id, cursor - 1)
        return bool(there) and there[0].type in ENDS

    async def selecting(self, session_id: UUID, since: int, wanted: Filter) -> Selecting:
        """Return what selects events from a cursor on.

        Args:
            session_id: Whose log.
            since: The sequence to go on from, exclusive.
            wanted: Which events.
        """
        while True:
            try:
                return await selecting(self._log, self._codec, session_id, since, wanted)
            except StoreUnavailable:
                if await self._fan_out.closes_within(LOOK_AGAIN):
                    return Selecting(wanted, self._codec)

    async def read(self, session_id: UUID, after: int) -> Sequence[StoredEvent]:
        """Return the next events; none at the head, and when the server closes.

        Args:
            session_id: Whose log.
            after: The sequence to go on from, exclusive.
        """
        while True:
            try:
                return await self._log.read(
                    session_id, after=after, limit=READ, most_bytes=READ_BYTES
                )
            except StoreUnavailable:
                if await self._fan_out.closes_within(LOOK_AGAIN):
                    return []
