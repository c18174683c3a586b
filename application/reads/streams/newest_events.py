"""The newest events of a session that somebody wants, however far back they are."""

from collections.abc import Sequence
from uuid import UUID

from application.ports.log.codec import Codec
from application.ports.log.events import StoredEvent
from application.ports.log.session_logs import SessionLogs
from application.reads.streams.answering import newest_of
from application.reads.streams.selecting import Filter, selecting
from application.reads.streams.stream_items import READ, READ_BYTES


class NewestEvents:
    """Reads a log from its end.

    Args:
        log: Where it is.
        codec: Reads events.
    """

    def __init__(self, log: SessionLogs, codec: Codec) -> None:
        self._log = log
        self._codec = codec

    async def read(
        self, session_id: UUID, last: int, upto: int | None, most_bytes: int, wanted: Filter
    ) -> Sequence[StoredEvent]:
        """Return the newest wanted events, the one included whose bytes fill the page.

        Args:
            session_id: Of which session.
            last: How many, at most.
            upto: The last event that counts; None is the newest.
            most_bytes: With how many bytes of records the page is full.
            wanted: Which ones.
        """
        if wanted.agent is None:
            return await self._log.read_newest(
                session_id,
                last=last,
                upto=upto,
                most_bytes=most_bytes,
                types=sorted(wanted.types),
                turn=wanted.turn,
            )
        if not wanted.types and wanted.turn is None:
            return await newest_of(
                self._log,
                self._codec,
                session_id,
                wanted.agent,
                last=last,
                upto=upto,
                most_bytes=most_bytes,
            )
        found: list[StoredEvent] = []
        while last > len(found) and (
            events := await self._log.read_newest(
                session_id, last=READ, upto=upto, most_bytes=READ_BYTES, types=wanted.read_types
            )
        ):
            upto = events[0].sequence - 1
            selected = await selecting(self._log, self._codec, session_id, upto, wanted)
            for event in reversed(selected.of(events)):
                found.append(event)
                most_bytes -= len(event.record)
                if len(found) == last or most_bytes <= 0:
                    return found[::-1]
        return found[::-1]
