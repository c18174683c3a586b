"""What is being written in all sessions that this process writes to or that are followed here."""

import asyncio
from collections import OrderedDict
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from time import monotonic
from uuid import UUID

from application.memory_budget import Share
from application.partials.partial import Mark
from application.partials.session_partials import SessionPartials, ending_of
from application.ports.log.events import NewEvent
from application.ports.session.partials import Ending, KeptPiece

__all__ = ["KEPT_WITHIN", "PartialBook"]

_BYTES = 64 * 1024 * 1024
_SESSIONS = 4096
_COUNTED_EVERY = 1024 * 1024
KEPT_WITHIN = 0.05
"""Seconds between two writes of what one session has said."""


class PartialBook:
    """The sessions in which something is being written, those that were used last at the end.

    Args:
        share: The memory that it may take.
    """

    def __init__(self, share: Share | None = None) -> None:
        self._share = share or Share("partials", _BYTES)
        self._sessions: OrderedDict[int, SessionPartials] = OrderedDict()
        """By the numbers that ids are: Python code compares UUIDs, and hashes them."""
        self._added = 0
        self.to_keep = asyncio.Event()
        """Set when something is to be kept, or can be forgotten."""
        self._unkept: dict[UUID, SessionPartials] = {}
        self._endings: set[Ending] = set()

    def get(self, session_id: UUID) -> SessionPartials | None:
        """Return what is known of a session, None for nothing."""
        return self._sessions.get(session_id.int)

    @contextmanager
    def used(self, session_id: UUID) -> Generator[SessionPartials]:
        """Keep up with a session while the context lasts.

        Args:
            session_id: Which one.
        """
        session = self._sessions.get(session_id.int)
        if session is None:
            session = self._sessions[session_id.int] = SessionPartials(session_id)
            if len(self._sessions) > _SESSIONS:
                self._let_go(1)
        self._sessions.move_to_end(session_id.int)
        session.users += 1
        try:
            yield session
        finally:
            session.users -= 1
            self._close(session)

    def publish(self, session_id: UUID, before: int, events: Sequence[NewEvent]) -> None:
        """Hear what this process has recorded.

        Args:
            session_id: In which session.
            before: Its sequence before.
            events: What was recorded.
        """
        session = self._sessions.get(session_id.int)
        if session is None:
            return
        for sequence, event in enumerate(events, before + 1):
            ending = ending_of(session_id, sequence, event.type, event.record, session.turn_id)
            if ending is not None:
                self.end(session, ending)
        if before == session.checked:
            session.checked = before + len(events)

    def end(self, session: SessionPartials, ending: Ending) -> None:
        """Note that something is written no more."""
        if session.end(ending):
            self.forget(ending)
        if ending.type is None:
            self._close(session)

    def forget(self, ending: Ending) -> None:
        """Have forgotten, where it is kept, what is written no more."""
        self._endings.add(ending)
        self.to_keep.set()

    def keep(self, session: SessionPartials) -> None:
        """Have kept what is new in a session."""
        session.unkept = session.written = True
        self._unkept[session.session_id] = session
        self.to_keep.set()

    def take_work(self) -> tuple[list[SessionPartials], list[Ending]]:
        """Return what is to be kept and what can be forgotten, each once."""
        work = list(self._unkept.values()), list(self._endings)
        self._unkept, self._endings = {}, set()
        self.to_keep.clear()
        return work

    def settle(self, sessions: Iterable[SessionPartials]) -> None:
        """Note that sessions are kept, less what has come meanwhile."""
        for session in sessions:
            session.unkept = session.session_id in self._unkept
            self._close(session)

    def keep_again(self, sessions: Iterable[SessionPartials], endings: Iterable[Ending]) -> None:
        """Write again what could not be written.

        A database that crashed has lost all pieces that it kept. So all that came through this
        process is written again; where it was not lost, that does no harm.
        """
        for session in (*self._sessions.values(), *sessions):
            own = [one for one in session.messages.values() if one.own]
            for partial in own:
                partial.kept = Mark()
            if own:
                self.keep(session)
        for session in sessions:
            self.keep(session)
        for ending in endings:
            self.forget(ending)

    def hear(self, kept: KeptPiece) -> bool:
        """Take a piece that another process has taken; return whether anybody here wants it."""
        session = self._sessions.get(kept.session_id.int)
        if session is None:
            return False
        if not session.join(kept):
            session.put_off(kept)
            self.look_soon(session)
        self.has_room(len(kept.piece.text))
        return True

    def look_soon(self, session: SessionPartials) -> None:
        """Have what is kept read when what was said until now is surely there."""
        session.look_at = monotonic() + KEPT_WITHIN * (1.5 + session.tries)

    def has_room(self, added: int) -> bool:
        """Count what is added, let go of what is not needed here, and return whether that does.

        Args:
            added: Characters.
        """
        self._added += added
        if self._added < _COUNTED_EVERY:
            return True
        sizes = {key: session.size for key, session in self._sessions.items()}
        used = sum(sizes.values())
        over = used - self._share.limit
        gone = self._let_go(over, sizes) if over > 0 else 0
        self._share.count(used - gone - self._share.used)
        if gone < over:
            return False
        self._added = 0
        return True

    def _close(self, session: SessionPartials) -> None:
        """Let go of a session that nobody needs here."""
        needed = session.users or session.unkept or session.written
        if not needed and self._sessions.get(session.session_id.int) is session:
            del self._sessions[session.session_id.int]

    def _let_go(self, least: int, sizes: dict[int, int] | None = None) -> int:
        """Let go of sessions that are kept and not followed, and return how much that is."""
        gone = 0
        for key, session in list(self._sessions.items()):
            if gone >= least:
                break
            if not session.users and not session.unkept:
                del self._sessions[key]
                gone += 1 if sizes is None else sizes[key]
        return gone
