"""The state of a session: folded from its log, from a kept state onwards where there is one."""

from dataclasses import dataclass
from uuid import UUID

from application.ports.store import Store
from domain.chain import genesis
from domain.session.events import Recorded, SessionCreated
from domain.session.evolve import evolve
from domain.session.lineage import inherited
from domain.session.state import ABSENT, Session
from domain.values import Origin

_PAGE = 1000


@dataclass(slots=True)
class Loaded:
    """A session's state and the end of its log.

    Args:
        session: The state.
        digest: Of the last event.
        position: Of the last event.
        origins: How many other logs had to be folded first: that of a fork's origin, its origin's
            and so on, back to a kept state.
    """

    session: Session
    digest: bytes
    position: int
    origins: int = 0


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
        return await self._fold(session_id, start.session, upto)

    async def _fold(
        self, session_id: UUID, session: Session, upto: int | None, before: Session | None = None
    ) -> Loaded:
        """Return the state after the log.

        Args:
            session_id: Whose.
            session: The state to go on from.
            upto: The last event that counts; None is the newest.
            before: The state before the first event, if it is known.
        """
        # The last event before the start is read again for the digest that the next one follows.
        after = max(session.sequence - 1, 0)
        digest, position, origins = genesis(session_id), 0, 0
        while True:
            page = await self._store.log.read(session_id, after=after, upto=upto, limit=_PAGE)
            for stored in page:
                if stored.sequence > session.sequence:
                    recorded = self._store.codec.decode(stored)
                    if recorded.sequence == 1:
                        if before is None:
                            before, origins = await self._before(recorded)
                        session = before
                    session = evolve(session, recorded)
            if page:
                after, digest, position = page[-1].sequence, page[-1].digest, page[-1].position
            if len(page) < _PAGE:
                return Loaded(session, digest, position, origins)

    async def _before(self, first: Recorded) -> tuple[Session, int]:
        """Return the state before a log's first event, and how many logs were folded for it.

        That is nothing, or what a fork inherits. The origins of forks of forks are looked for from
        the newest to the oldest and folded from the oldest to the newest: a line of them may be
        longer than calls can be nested.
        """
        line: list[Origin] = []
        kept: Session | None = None
        origin = _origin_of(first)
        while origin is not None and kept is None:
            line.append(origin)
            kept = await self._store.snapshots.load(origin.session_id, upto=origin.sequence)
            if kept is None:
                (begun,) = await self._store.log.read(origin.session_id, limit=1)
                origin = _origin_of(self._store.codec.decode(begun))
        before = ABSENT
        for origin in reversed(line):
            start, kept = kept or ABSENT, None
            folded = await self._fold(origin.session_id, start, origin.sequence, before)
            before = inherited(folded.session)
        return before, len(line)


def _origin_of(first: Recorded) -> Origin | None:
    return first.event.forked_from if isinstance(first.event, SessionCreated) else None
