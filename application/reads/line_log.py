"""The log of a session with what came before it: that of the session it was forked from, and on."""

from collections.abc import Sequence
from uuid import UUID

from application.commands.repository import SessionRepository
from application.memory_budget import MEBIBYTE
from application.ports.log.events import StoredEvent
from application.ports.store import Store

_PAGE = 1000
_PAGE_BYTES = 2 * MEBIBYTE


class LineLog:
    """Reads logs as one line.

    Args:
        store: Where the logs are.
        repository: Knows where a session was forked.
    """

    def __init__(self, store: Store, repository: SessionRepository) -> None:
        self._log = store.log
        self._repository = repository

    async def events(
        self, session_id: UUID, *, upto: int | None = None
    ) -> Sequence[Sequence[StoredEvent]]:
        """Return all events in stretches, one a log, the oldest first.

        Args:
            session_id: The last session of the line.
            upto: The last sequence in its log; None is the head.
        """
        stretches: list[Sequence[StoredEvent]] = []
        at: UUID | None = session_id
        while at is not None:
            stretches.append(await self._stretch(at, upto))
            origin = (await self._repository.load(at)).session.lifecycle.forked_from
            at, upto = (None, None) if origin is None else (origin.session_id, origin.sequence)
        return stretches[::-1]

    async def newest(self, session_id: UUID, last: int) -> Sequence[StoredEvent]:
        """Return the newest events of its own log.

        Args:
            session_id: Whose log.
            last: How many, at most.
        """
        return await self._log.read_newest(session_id, last=last, most_bytes=_PAGE_BYTES)

    async def _stretch(self, session_id: UUID, upto: int | None) -> Sequence[StoredEvent]:
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
            found += page
