"""The states of sessions: folded from their logs, from a kept state onwards where there is one."""

from uuid import UUID

from application.commands.states import kept_states
from application.commands.states.loaded import Loaded
from application.commands.states.past_states import EVERY, PastStates
from application.commands.states.state_cache import StateCache
from application.memory_budget import MEBIBYTE, Share
from application.ports.log.codec import Codec
from application.ports.log.session_logs import SessionLogs
from application.ports.session.session_rows import RowLookup
from application.ports.session.snapshots import SnapshotStore
from domain.log.chain import genesis
from domain.session.events import Recorded, SessionCreated
from domain.session.evolve import Folding
from domain.session.family.forks import inherited
from domain.session.room import most_kept
from domain.session.state import ABSENT, Session
from domain.values import Origin, Owner

_PAGE = 1000
_PAGE_BYTES = 2 * MEBIBYTE


class SessionRepository:
    """Loads sessions, and keeps the states of those that were used last in memory.

    Args:
        log: What they are folded from.
        codec: Reads it.
        rows: How far sessions have come.
        snapshots: The states that are kept.
        share: The memory for states; the one that was used last is kept in any case.
    """

    def __init__(
        self,
        log: SessionLogs,
        codec: Codec,
        rows: RowLookup,
        snapshots: SnapshotStore,
        *,
        share: Share | None = None,
    ) -> None:
        self._log = log
        self._codec = codec
        self._rows = rows
        self._snapshots = snapshots
        share = share or Share("states", 64 * MEBIBYTE)
        self._past = PastStates(share)
        self._states = StateCache(snapshots, share, self._past)

    async def load(self, session_id: UUID) -> Loaded:
        """Return a session's newest state: the cached one if the log has not moved on.

        Args:
            session_id: Whose; the state of an unknown session is absent.
        """
        row = await self._rows.session(session_id)
        if row is None:
            return Loaded(ABSENT, genesis(session_id), 0)
        cached = self.cached(session_id)
        if cached is not None and cached.session.sequence == row.sequence:
            return cached
        if cached is None or cached.session.sequence < row.sequence:
            return await self.refresh(session_id)
        # An append may have come between the two looks; else an earlier backup was restored.
        row = await self._rows.session(session_id)
        is_cut = row is None or row.sequence < cached.session.sequence
        return await self.refresh(session_id, anew=True) if is_cut else cached

    async def load_at(self, session_id: UUID, sequence: int) -> Loaded:
        """Return the state as it was after an event.

        Args:
            session_id: Whose.
            sequence: The event; the log has come to it.
        """
        cached = self._states.look_at(session_id)
        # The cached state of a fork does not say how many other logs stand behind it.
        if (
            cached is not None
            and cached.session.sequence == sequence
            and cached.session.lifecycle.forked_from is None
        ):
            return cached
        known = self._past.near(session_id, sequence)
        if known is not None and sequence - known.session.sequence < EVERY:
            # One that is kept in the store may be nearer, and costs more than it spares.
            is_it = known.session.sequence == sequence
            return known if is_it else await self._fold(session_id, known.session, sequence)
        kept = await self._snapshots.load(session_id, upto=sequence) or ABSENT
        start = kept if known is None or known.session.sequence < kept.sequence else known.session
        loaded = await self._fold_in_steps(session_id, start, sequence)
        if sequence - kept.sequence > kept_states.apart(sequence):
            await self.save(session_id, loaded.session)
        return loaded

    async def _fold_in_steps(self, session_id: UUID, session: Session, upto: int) -> Loaded:
        """Return the state after an event, and keep those on the way to it in memory."""
        while True:
            step = min(upto, (session.sequence // EVERY + 1) * EVERY)
            loaded = await self._fold(session_id, session, step)
            session = loaded.session
            # That of a fork does not say how many other logs stand behind it.
            if step % EVERY == 0 and session.lifecycle.forked_from is None:
                await self._states.weigh(session_id, loaded)
                self._past.keep(session_id, loaded)
            if step == upto:
                return loaded

    async def look_at(self, session_id: UUID, sequence: int) -> Session:
        """Return the state as it was after an event, and keep nothing of it anywhere.

        Args:
            session_id: Whose.
            sequence: The event; the log has come to it.
        """
        kept = await self._snapshots.load(session_id, upto=sequence)
        return (await self._fold(session_id, kept or ABSENT, sequence)).session

    async def state_before(self, first: Recorded) -> Session:
        """Return the state before a log's first event: nothing, or what a fork inherits.

        Args:
            first: That event.
        """
        return (await self._before(first))[0]

    def cached(self, session_id: UUID) -> Loaded | None:
        """Return the state in memory, which may be behind the log; None when there is none."""
        return self._states.use(session_id)

    def owner_in_memory(self, session_id: UUID) -> Owner | None:
        """Return whose a session is, if its state is in memory; None when it is not.

        Args:
            session_id: Which.
        """
        cached = self._states.look_at(session_id)
        return None if cached is None else cached.session.lifecycle.owner

    async def refresh(self, session_id: UUID, *, anew: bool = False) -> Loaded:
        """Return the state at the end of the log, and cache it.

        Args:
            session_id: Whose.
            anew: Forget what is in memory: the log may have been cut behind this process' back.
        """
        if anew:
            self.forget(session_id)
        cached = self.cached(session_id)
        start = cached.session if cached else await self._snapshots.load(session_id)
        loaded = await self._fold(session_id, start or ABSENT, None)
        if cached is None and start is not None:
            await self._states.weigh(session_id, loaded)
        elif cached is not None:
            loaded.written, loaded.weighed = loaded.written + cached.written, cached.weighed
        self.cache(session_id, loaded)
        # Folded for a read or for a command, before this release or after it: once is enough.
        if loaded.session.sequence - (start or ABSENT).sequence > kept_states.KEPT_EVERY:
            await self.save(session_id, loaded.session)
        return loaded

    def cache(self, session_id: UUID, loaded: Loaded) -> None:
        """Keep a state in memory, unless a newer one is there.

        Args:
            session_id: Whose.
            loaded: What the log comes to.
        """
        self._states.keep(session_id, loaded)

    async def weigh(self, session_id: UUID, loaded: Loaded) -> None:
        """Look how large a state is, when what is decided on it depends on that.

        Args:
            session_id: Whose.
            loaded: Whose weight is noted.
        """
        await self._states.weigh(session_id, loaded)

    async def weight_of(self, session: Session) -> int:
        """Return the bytes that a state has when it is kept.

        Args:
            session: Of any size.
        """
        return await self._states.weight_of(session)

    def forget(self, session_id: UUID) -> None:
        """Drop what is in memory, when it is not known what the log has come to."""
        self._past.forget(session_id)
        self._states.forget(session_id)

    async def is_newest(self, session_id: UUID, loaded: Loaded) -> bool:
        """Return whether the log has not moved on: only then may a state refuse anything.

        An append needs no such question: it is refused itself when the state was not the newest.

        Args:
            session_id: Whose.
            loaded: The state.
        """
        row = await self._rows.session(session_id)
        if row is not None:
            return loaded.session.sequence == row.sequence
        # The log of a shared scope, which has no row, may have the id.
        newest = await self._log.read_newest(session_id, last=1)
        return loaded.session.sequence == (newest[0].sequence if newest else 0)

    async def save(self, session_id: UUID, session: Session) -> None:
        """Keep a state in the store, if all of its events were understood.

        What an older release folds over events of a newer one lacks something, and must not be
        taken by the newer one for the whole.

        Args:
            session_id: Whose.
            session: The state.
        """
        if session.unrecognised:
            return
        await self._snapshots.save(session_id, session)

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
        folding = Folding(session)
        reached = session.sequence
        digest, position, origins, written = genesis(session_id), 0, 0, 0
        while True:
            page = await self._log.read(
                session_id, after=after, upto=upto, limit=_PAGE, most_bytes=_PAGE_BYTES
            )
            for stored in page:
                if stored.sequence > reached:
                    recorded = self._codec.decode(stored)
                    if recorded.sequence == 1:
                        if before is None:
                            before, origins = await self._before(recorded)
                            written += await self.weight_of(before) if origins else 0
                        folding = Folding(before)
                    folding.take(recorded)
                    reached = recorded.sequence
                    written += most_kept(recorded.event, len(stored.record))
            if page:
                after, digest, position = page[-1].sequence, page[-1].digest, page[-1].position
            size = sum(len(stored.record) for stored in page)
            if len(page) < _PAGE and size < _PAGE_BYTES:
                return Loaded(folding.session, digest, position, origins, written)

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
            kept = await self._snapshots.load(origin.session_id, upto=origin.sequence)
            if kept is None:
                (begun,) = await self._log.read(origin.session_id, limit=1)
                origin = _origin_of(self._codec.decode(begun))
        before = ABSENT
        for origin in reversed(line):
            start, kept = kept or ABSENT, None
            folded = await self._fold(origin.session_id, start, origin.sequence, before)
            before = inherited(folded.session)
        return before, len(line)


def _origin_of(first: Recorded) -> Origin | None:
    return first.event.forked_from if isinstance(first.event, SessionCreated) else None
