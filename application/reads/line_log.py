"""The log of a session with what came before it: that of the session it was forked from, and on."""

from collections.abc import Sequence
from contextlib import ExitStack
from uuid import UUID

from application.commands.repository import SessionRepository
from application.memory_budget import MEBIBYTE, Share
from application.ports.log.events import StoredEvent
from application.ports.log.session_logs import SessionLogs

_PAGE = 1000
_PAGE_BYTES = 2 * MEBIBYTE


class LineLog:
    """Reads logs as one line.

    Args:
        log: Where the logs are.
        repository: Knows where a session was forked.
        memory: What may be read at once.
    """

    def __init__(self, log: SessionLogs, repository: SessionRepository, memory: Share) -> None:
        self._log = log
        self._repository = repository
        self._memory = memory

    async def events(
        self, session_id: UUID, *, upto: int | None = None
    ) -> Sequence[Sequence[StoredEvent]]:
        """Return all events in stretches, one a log, the oldest first.

        Args:
            session_id: The last session of the line.
            upto: The last sequence in its log; None is the head.

        Raises:
            Overloaded: There is not so much memory left.
        """
        places = await self.places(session_id, upto=upto)
        with ExitStack() as held:
            return [await self._stretch(*place, held) for place in reversed(places)]

    async def places(
        self, session_id: UUID, *, upto: int | None = None
    ) -> Sequence[tuple[UUID, int | None]]:
        """Return the sessions of a line and the last sequence of each, the last session first.

        Args:
            session_id: The last session of the line.
            upto: The last sequence in its log; None is the head.
        """
        places = [(session_id, upto)]
        while origin := (await self._repository.load(places[-1][0])).session.lifecycle.forked_from:
            places.append((origin.session_id, origin.sequence))
        return places

    async def newest(self, session_id: UUID, last: int) -> Sequence[StoredEvent]:
        """Return the newest events of its own log.

        Args:
            session_id: Whose log.
            last: How many, at most.
        """
        return await self._log.read_newest(session_id, last=last, most_bytes=_PAGE_BYTES)

    async def _stretch(
        self, session_id: UUID, upto: int | None, held: ExitStack
    ) -> Sequence[StoredEvent]:
        found: list[StoredEvent] = []
        while True:
            page = await self._log.read(
                session_id,
                after=found[-1].sequence if found else 0,
                upto=upto,
                limit=_PAGE,
                most_bytes=_PAGE_BYTES,
            )
            if not page:
                return found
            held.enter_context(self._memory.held(sum(len(event.record) for event in page)))
            found += page
