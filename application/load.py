"""The state of a session: folded from its log, from a kept state onwards where there is one."""

from dataclasses import dataclass
from uuid import UUID

from application.ports import Store
from domain.chain import genesis
from domain.session.events import Recorded, SessionCreated
from domain.session.evolve import evolve
from domain.session.lineage import inherited
from domain.session.state import ABSENT, Session

_PAGE = 1000


@dataclass(slots=True)
class Loaded:
    """A session's state and the end of its log."""

    session: Session
    digest: bytes
    position: int


class Loader:
    """Folds logs.

    Args:
        store: Where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(
        self, session_id: UUID, start: Loaded | None, *, upto: int | None = None
    ) -> Loaded:
        """Return the state after the log.

        Args:
            session_id: Whose.
            start: A state to go on from; None goes on from a kept one, or from nothing.
            upto: The last event that counts; None is the newest.
        """
        if start is None:
            kept = await self._store.snapshots.load(session_id, upto=upto)
            start = Loaded(kept or ABSENT, b"", 0)
        # The last event before the start is read again for the digest that the next one follows.
        session, after = start.session, max(start.session.sequence - 1, 0)
        digest, position = genesis(session_id), 0
        while True:
            page = await self._store.log.read(session_id, after=after, upto=upto, limit=_PAGE)
            for stored in page:
                if stored.sequence > session.sequence:
                    recorded = self._store.codec.decode(stored)
                    if recorded.sequence == 1:
                        session = await self._beginning(recorded)
                    session = evolve(session, recorded)
            if page:
                after, digest, position = page[-1].sequence, page[-1].digest, page[-1].position
            if len(page) < _PAGE:
                return Loaded(session, digest, position)

    async def _beginning(self, first: Recorded) -> Session:
        """Return the state before a log's first event: nothing, or what a fork inherits."""
        origin = first.event.forked_from if isinstance(first.event, SessionCreated) else None
        if origin is None:
            return ABSENT
        loaded = await self.load(origin.session_id, None, upto=origin.sequence)
        return inherited(loaded.session)
