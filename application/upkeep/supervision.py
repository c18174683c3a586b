"""The jobs that one process does for all: what is due is done, orphans end, old keys go."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Request
from application.errors import OutcomeUnknown, StoreUnavailable
from application.ports.session.deadlines import Deadlines, DueSession, Orphan
from application.ports.session.idempotency import IdempotencyKeys
from domain.errors import CairnError
from domain.session.commands import ExpireDue, StopSession
from domain.session.family.children import PARENT_STOPPED
from domain.session.life.supervision import next_deadline
from domain.timers import Timers

_AT_ONCE = 100
_EVERY = 1.0
_AGAIN = timedelta(seconds=30)
_ORPHANS_EVERY = 15.0
_ORPHANED = "orphaned"

_logger = logging.getLogger("cairn.jobs")


class Supervision:
    """Looks after sessions, by the database's clock; it only ever appends events.

    Args:
        deadlines: What is due, and which children are orphans.
        repository: Loads the states of sessions.
        handler: Decides what is due.
        timers: How long turns may be silent or run.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        repository: SessionRepository,
        handler: CommandHandler,
        timers: Timers,
    ) -> None:
        self._deadlines = deadlines
        self._repository = repository
        self._handler = handler
        self._timers = timers
        self._orphans_at = 0.0
        self._has_marked = False

    async def round(self) -> float:
        """Do what is due, and return the seconds until the next look at the latest."""
        await self._mark_due_now()
        due = await self._deadlines.due(_AT_ONCE)
        # Together, so that their events share transactions.
        await asyncio.gather(*(self._expire(one) for one in due))
        orphans = await self._orphans()
        ended = await asyncio.gather(*(self._end(orphan) for orphan in orphans))
        if orphans and not any(ended):
            self._orphans_at = monotonic() + _ORPHANS_EVERY
            orphans = ()
        if len(due) == _AT_ONCE or len(orphans) == _AT_ONCE:
            return 0.0
        following = await self._deadlines.next_due()
        return _EVERY if following is None else min(max(following, 0.0), _EVERY)

    async def _mark_due_now(self) -> None:
        """Look at turns that were to be given up later, or never, when the timers were others."""
        if self._has_marked:
            return
        timers = self._timers
        limits = (timers.progress, timers.warning, timers.silence, timers.turn)
        soonest = min((one for one in limits if one is not None), default=None)
        if soonest is not None:
            await self._deadlines.mark_due_now(soonest)
        self._has_marked = True

    async def _orphans(self) -> Sequence[Orphan]:
        """Return children whose parent's process died before it could end them."""
        # Looking takes longer the more children live, and is hardly ever worth it.
        if monotonic() < self._orphans_at:
            return ()
        found = await self._deadlines.orphans(_AT_ONCE)
        if len(found) < _AT_ONCE:
            self._orphans_at = monotonic() + _ORPHANS_EVERY
        return found

    async def _expire(self, due: DueSession) -> None:
        command = ExpireDue(at=due.now, timers=self._timers)
        if not await self._ask(due.session_id, command):
            # One session that fails must not keep the others waiting.
            await self._deadlines.reschedule(due.session_id, due.due_at, due.now + _AGAIN)
            return
        session = (await self._repository.load(due.session_id)).session
        # The row says when it was written that it would be due; since then it may have moved on.
        until = next_deadline(session, self._timers)
        if until is not None and until <= due.now:
            # It became due between the two clocks: the next look finds it.
            return
        await self._deadlines.reschedule(due.session_id, due.due_at, until)

    async def _end(self, orphan: Orphan) -> bool:
        detail = _ORPHANED if orphan.parent_status is None else PARENT_STOPPED
        return await self._ask(
            orphan.session_id, StopSession(cause="user_requested", detail=detail)
        )

    async def _ask(self, session_id: UUID, command: ExpireDue | StopSession) -> bool:
        try:
            await self._handler.handle(
                Request(session_id, command, actor="system", origin="supervision")
            )
        except (StoreUnavailable, OutcomeUnknown):
            raise
        except CairnError as error:
            _logger.warning("%s of %s: %s", type(command).__name__, session_id, error.detail)
            return False
        except Exception:
            _logger.exception("%s of %s failed", type(command).__name__, session_id)
            return False
        return True


class KeyPruner:
    """Forgets idempotency keys that nobody will send again.

    Args:
        keys: Where they are kept.
        after: How long they are kept.
    """

    def __init__(self, keys: IdempotencyKeys, after: timedelta) -> None:
        self._keys = keys
        self._after = after

    async def round(self) -> float:
        """Forget some, and return the seconds until the next look."""
        forgotten = await self._keys.forget_answers(self._after, 5000)
        return 0.1 if forgotten == 5000 else 600.0
