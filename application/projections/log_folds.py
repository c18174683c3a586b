"""What one log comes to: the row of its session, and its writes to keys that sessions share."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from application.commands.repository import SessionRepository
from application.ports.log.codec import Codec
from application.ports.log.events import StoredEvent
from application.ports.read_models.logged import LoggedEvent
from application.ports.read_models.made import HistoryRow, ListRow, Made
from application.ports.session.session_row import NEVER
from application.projections.session_row import session_row
from application.projections.shared_state import shared_writes
from domain.scope.events import ScopeOpened
from domain.session.content.key_writes import WRITER_NAMES
from domain.session.events import Recorded, SessionCreated, Unrecognised
from domain.session.evolve import Folding
from domain.session.state import Session
from domain.timers import Timers

_WORTH_KEEPING = 200
"""Events from which on a folded state is kept: fewer are folded again as fast."""


class LogFold:
    """Folds one log, a piece at a time.

    Args:
        log: Which.
        codec: Reads the records.
        repository: Knows what a fork begins with.
        is_whole: Tells whether a log can be folded up to an event.
        timers: How long turns may be silent or run.
        base: The state to go on from, of a session.
        kept: The states that are kept of it, to be compared.
    """

    def __init__(
        self,
        log: UUID,
        codec: Codec,
        repository: SessionRepository,
        is_whole: Callable[[UUID, int], Awaitable[bool]],
        timers: Timers,
        *,
        base: Session | None = None,
        kept: Mapping[int, Session] | None = None,
    ) -> None:
        self.log = log
        self.is_unfoldable = False
        self.sequence = 0 if base is None else base.sequence
        self._codec = codec
        self._repository = repository
        self._is_whole = is_whole
        self._timers = timers
        self._folding = None if base is None else Folding(base)
        self._owner: tuple[str, str | None] | None = None
        if base is not None:
            self._owner = (base.lifecycle.owner.app, base.lifecycle.owner.user)
        self._kept = kept or {}
        self._last: LoggedEvent | None = None
        self._at: datetime = NEVER

    @property
    def is_of_nobody(self) -> bool:
        """Whether nothing follows from it: another program has written it, or the store itself."""
        return self.sequence > 0 and self._owner is None and not self.is_unfoldable

    async def take(self, events: Sequence[LoggedEvent], made: Made) -> None:
        """Fold the next events of the log.

        Args:
            events: In their order, the first one following what was folded.
            made: Gets the writes to shared keys, and kept states that are wrong.
        """
        made.events += len(events)
        for event in events:
            if self.is_unfoldable:
                return
            await self._one(event, made)
            self._last = event

    async def _one(self, event: LoggedEvent, made: Made) -> None:
        if event.erased or event.sequence != self.sequence + 1:
            self.is_unfoldable = True
            return
        self.sequence = event.sequence
        if event.sequence > 1 and self._owner is None:
            return
        recorded = self._codec.decode(StoredEvent(*event[:6]))
        self._at = recorded.at
        if isinstance(recorded.event, Unrecognised) and not self._is_readable(event.record):
            self.is_unfoldable = True
            return
        if event.sequence == 1:
            await self._begin(recorded)
        if self._folding is not None:
            self._folding.take(recorded)
            if event.sequence in self._kept:
                self._compare(event.sequence, self._folding.session, made)
        if self._owner is not None and event.type in WRITER_NAMES:
            made.history += [
                HistoryRow(
                    one.scope_id, one.key, event.position, one.value, self.log, self.sequence
                )
                for one in shared_writes(*self._owner, recorded.event, 0, self._codec)
            ]

    async def _begin(self, first: Recorded) -> None:
        """Learn whose log it is; one of another program is nobody's here."""
        # The log of a scope has events that no session has.
        match cast("object", first.event):
            case SessionCreated(owner=owner, forked_from=origin):
                self._owner = (owner.app, owner.user)
                if origin and not await self._is_whole(origin.session_id, origin.sequence):
                    self.is_unfoldable = True
                    return
                before = await self._repository.state_before(first)
                self._folding = Folding(before)
            case ScopeOpened(app=app, user=user):
                self._owner = (app, user)
            case _:
                pass

    def _is_readable(self, record: bytes) -> bool:
        try:
            self._codec.from_json(record)
        except ValueError:
            return False
        return True

    def _compare(self, sequence: int, session: Session, made: Made) -> None:
        if self._kept[sequence] != session and not session.unrecognised:
            made.states.append((self.log, session))

    def end(self, made: Made, *, keep_state: bool = False) -> None:
        """Say what the log comes to.

        Args:
            made: Gets it.
            keep_state: Keep the state however short the log is.
        """
        if self.is_unfoldable:
            made.unfoldable.append(self.log)
        elif self._folding is not None and self._last is not None:
            session, last = self._folding.session, self._last
            is_worth = keep_state or self.sequence >= _WORTH_KEEPING
            made.rows.append(
                ListRow(
                    self.log,
                    last.sequence,
                    last.position,
                    last.digest,
                    self._at,
                    session_row(self.log, session, self._codec, self._timers),
                    session if is_worth else None,
                )
            )
