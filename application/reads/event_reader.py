"""Single events of logs, read and decoded."""

from collections.abc import Sequence
from uuid import UUID

from application.ports.log.codec import Codec
from application.ports.log.session_logs import SessionLogs
from domain.session.events import Recorded


class EventReader:
    """Reads single events.

    Args:
        log: Where they are.
        codec: Decodes them.
    """

    def __init__(self, log: SessionLogs, codec: Codec) -> None:
        self._log = log
        self._codec = codec

    async def at(self, log_id: UUID, sequence: int) -> Recorded | None:
        """Return one event of a log; None when the log has not come to it.

        Args:
            log_id: Which log.
            sequence: Which event.
        """
        found = await self._log.read(log_id, after=sequence - 1, upto=sequence, limit=1)
        return self._codec.decode(found[0]) if found else None

    async def newest(
        self, log_id: UUID, types: Sequence[str], *, upto: int | None = None
    ) -> Recorded | None:
        """Return the newest event of some types; None when there is none.

        Args:
            log_id: In which log.
            types: At least one.
            upto: The last sequence that counts; None is the newest.
        """
        found = await self._log.read_newest(log_id, last=1, upto=upto, types=types)
        return self._codec.decode(found[0]) if found else None
