"""The jobs that one process does for all: what is due is done, orphans end, old keys go."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from uuid import UUID

from application.errors import ApplicationError
from application.handle import Handler
from application.ports import DueSession, Orphan, Store
from application.request import Request
from domain.errors import DomainError
from domain.session.commands import MeetDeadlines, StopSession
from domain.session.lineage import PARENT_STOPPED
from domain.session.supervision import next_deadline
from domain.values import Timers

_AT_ONCE = 100
_EVERY = 1.0
_ORPHANS_EVERY = 15.0
_ORPHANED = "orphaned"

_logger = logging.getLogger("cairn.jobs")


class Supervisor:
    """Looks after sessions, by the database's clock; it only ever appends events.

    Args:
        store: Where they are.
        handler: Who decides what is due.
        timers: How long turns may be silent or run.
    """

    def __init__(self, store: Store, handler: Handler, timers: Timers) -> None:
        self._store = store
        self._handler = handler
        self._timers = timers
        self._orphans_at = 0.0

    async def round(self) -> float:
        """Do what is due, and return the seconds until the next look at the latest."""
        due = await self._store.deadlines.due(_AT_ONCE)
        for one in due:
            await self._meet(one)
        orphans = await self._orphans()
        for orphan in orphans:
            await self._end(orphan)
        if len(due) == _AT_ONCE or len(orphans) == _AT_ONCE:
            return 0.0
        following = await self._store.deadlines.next_due()
        return _EVERY if following is None else min(max(following, 0.0), _EVERY)

    async def _orphans(self) -> Sequence[Orphan]:
        """Return children whose parent's process died before it could end them."""
        # Looking takes longer the more children live, and is hardly ever worth it.
        if monotonic() < self._orphans_at:
            return ()
        found = await self._store.deadlines.orphans(_AT_ONCE)
        if len(found) < _AT_ONCE:
            self._orphans_at = monotonic() + _ORPHANS_EVERY
        return found

    async def _meet(self, due: DueSession) -> None:
        command = MeetDeadlines(at=due.now, timers=self._timers)
        if not await self._ask(due.session_id, command):
            return
        session = (await self._handler.load(due.session_id)).session
        # The row says when it was written that it would be due; since then it may have moved on.
        until = next_deadline(session, self._timers)
        if until is not None and until <= due.now:
            # It became due between the two clocks: the next look finds it.
            return
        await self._store.deadlines.postpone(due.session_id, due.due_at, until)

    async def _end(self, orphan: Orphan) -> None:
        detail = _ORPHANED if orphan.parent_status is None else PARENT_STOPPED
        await self._ask(orphan.session_id, StopSession(cause="user_requested", detail=detail))

    async def _ask(self, session_id: UUID, command: MeetDeadlines | StopSession) -> bool:
        try:
            await self._handler.handle(
                Request(session_id, command, actor="system", origin="supervision")
            )
        except (DomainError, ApplicationError) as error:
            _logger.warning("%s of %s: %s", type(command).__name__, session_id, error.detail)
            return False
        return True


class KeyPruner:
    """Forgets idempotency keys that nobody will send again.

    Args:
        store: Where they are kept.
        after: How long they are kept.
    """

    def __init__(self, store: Store, after: timedelta) -> None:
        self._store = store
        self._after = after

    async def round(self) -> float:
        """Forget some, and return the seconds until the next look."""
        forgotten = await self._store.read_models.forget_answers(self._after, 5000)
        return 0.1 if forgotten == 5000 else 600.0
