"""Reading what is being written: for snapshots, for streams, and for whoever writes on."""

from math import inf
from time import monotonic
from uuid import UUID

from application.errors import StoreUnavailable
from application.fan_out import FanOut
from application.partials.partial import Mark, Partial
from application.partials.session_partials import RECORDING, SessionPartials, ending_of
from application.ports.log.announcer import Announcer
from application.ports.log.session_logs import SessionLogs
from application.ports.session.partials import Ending, Key, PartialStore, Piece
from application.ports.session.session_rows import RowLookup

_READ = 500
_READ_BYTES = 256 * 1024
_LOOK_AGAIN = 0.25


class PartialReader:
    """Brings what this process knows of a session up to date with what is kept and recorded.

    Args:
        log: What is recorded.
        rows: How far sessions have come.
        kept: The pieces that are kept.
        announcer: Tells whether other processes take pieces too.
        fan_out: What this process knows.
    """

    def __init__(
        self,
        log: SessionLogs,
        rows: RowLookup,
        kept: PartialStore,
        announcer: Announcer,
        fan_out: FanOut,
    ) -> None:
        self._log = log
        self._rows = rows
        self._kept = kept
        self._announcer = announcer
        self._fan_out = fan_out

    async def at(self, session_id: UUID, sequence: int, turn_id: str) -> list[Piece]:
        """Return what is being written, each message as one piece.

        Args:
            session_id: In which session.
            sequence: What was recorded until then is written no more; what began later is not yet.
            turn_id: The turn that runs then.

        Raises:
            StoreUnavailable: The database did not answer in time.
        """
        session = self._fan_out.partials.get(session_id) or SessionPartials(session_id)
        known = session.joined and session.checked >= sequence
        if not known or self._announcer.others:
            await self.refresh(session, sequence)
        if session.turn_id != turn_id:
            return []
        return [one.after(Mark()) for one in session.live() if one.since <= sequence]

    async def refresh(self, session: SessionPartials, reached: int = 0) -> None:
        """Read what is kept, and what has ended since.

        Args:
            session: Whom it is told.
            reached: The sequence that it is known to have reached.

        Raises:
            StoreUnavailable: The database did not answer in time.
        """
        session_id, book = session.session_id, self._fan_out.partials
        kept = await self._kept.read(session_id)
        if not (kept or session.messages or session.early or self._announcer.others):
            session.joined, session.checked = True, max(session.checked, reached)
            return
        row = await self._rows.session(session_id)
        head, turn_id = (0, None) if row is None else (row.sequence, row.turn_id)
        began = [one.piece.since for one in (*kept, *session.early) if one.turn_id == turn_id]
        began += [partial.since for partial in session.messages.values()]
        endings = await self._endings(session_id, min(began), head, turn_id) if began else []
        if session.checked <= head:
            session.run(turn_id)
            session.checked = head
        for ending in endings:
            book.end(session, ending)
        for one in kept:
            session.join(one, verified=True, stored=True)
            ended = session.ended.get(one.piece.key[:2], 0)
            if one.turn_id != session.turn_id:
                book.forget(Ending(session_id, one.piece.since + 1))
            elif one.piece.since < ended:
                book.forget(Ending(session_id, ended, *one.piece.key[:2]))
        session.joined = True
        session.catch_up()

    async def keep_up(self, session: SessionPartials, head: int) -> bool:
        """Bring a session that is followed up to date if it is not, and return whether it is.

        Args:
            session: Which one.
            head: The sequence that it is known to have reached.
        """
        due = session.look_at is not None and session.look_at <= monotonic()
        if session.joined and session.checked >= head and not due:
            return True
        first = not session.joined
        session.look_at = None
        try:
            await self.refresh(session, head)
        except StoreUnavailable:
            session.look_at = monotonic() + _LOOK_AGAIN
            return False
        except BaseException:
            session.look_at = monotonic()
            raise
        # What another process has taken a moment before is kept a moment later.
        if session.early or (first and self._announcer.others):
            self._fan_out.partials.look_soon(session)
        return session.checked >= head

    async def _endings(
        self, session_id: UUID, after: int, head: int, turn_id: str | None
    ) -> list[Ending]:
        endings: list[Ending] = []
        while after < head:
            page = await self._log.read_page(
                session_id,
                after=after,
                upto=head,
                limit=_READ,
                most_bytes=_READ_BYTES,
                types=sorted(RECORDING),
            )
            if page is None:
                break
            found = (
                ending_of(session_id, one.sequence, one.type, one.record, turn_id)
                for one in page.events
            )
            endings += [one for one in found if one is not None]
            after = page.reached
        return endings


class PieceCursor:
    """How far one reader has got with all that is being written in a session.

    Args:
        session: What this process knows of it.
    """

    def __init__(self, session: SessionPartials) -> None:
        self._session = session
        self._had: dict[Key, tuple[Partial, Mark]] = {}

    def next(self) -> list[Piece]:
        """Return what the reader has not had, one piece for each message."""
        pieces: list[Piece] = []
        for partial in self._session.messages.values():
            had, mark = self._had.get(partial.key, (None, Mark()))
            if had is not partial:
                mark = Mark()
            if partial.count > mark.count or partial.length > mark.length:
                pieces.append(partial.after(mark))
                self._had[partial.key] = (partial, partial.mark)
        if len(self._had) > len(self._session.messages):
            live = self._session.messages
            self._had = {key: had for key, had in self._had.items() if key in live}
        return pieces

    def due(self) -> float:
        """Return the seconds until what is kept is to be read again."""
        at = self._session.look_at
        return inf if at is None else max(at - monotonic(), 0.0)
