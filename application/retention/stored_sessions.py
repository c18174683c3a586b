"""Sessions that policies keep no longer, in the store of this process."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import cast

from application.commands.access_handler import AccessHandler
from application.commands.request import Caller
from application.erasure.erasing import Erasing
from application.erasure.proof import ErasureProofs
from application.errors import StaleSequence
from application.ports.session.listing import After, SessionFilter, SessionOrder
from application.ports.session.retention import (
    ExpiredSession,
    KeptMeanwhile,
    RetentionPolicy,
    UnderHold,
)
from application.ports.session.session_rows import SessionLists
from domain.access.events import AccessGranted
from domain.errors import SessionNotFound, UnderLegalHold

_PAGE = 200
_OLDEST_FIRST = SessionOrder("created_at", descending=False)
BY_RETENTION = Caller("system", "retention")


class StoredSessions:
    """Finds and erases sessions; see `application.ports.session.retention.ExpiredSessions`.

    Args:
        rows: Finds them.
        erasing: Erases them.
        proofs: Signs the log before.
        accesses: Records that they are erased.
    """

    def __init__(
        self, rows: SessionLists, erasing: Erasing, proofs: ErasureProofs, accesses: AccessHandler
    ) -> None:
        self._rows = rows
        self._erasing = erasing
        self._proofs = proofs
        self._accesses = accesses

    async def of(self, policy: RetentionPolicy, before: datetime) -> AsyncGenerator[ExpiredSession]:
        """Yield the sessions that a policy is about."""
        where, place = filter_of(policy, before), cast("After | None", None)
        while True:
            page = await self._rows.sessions(where, _OLDEST_FIRST, place, _PAGE)
            for row in page:
                try:
                    plan = await self._erasing.plans.of_session(row.session_id, children=False)
                except SessionNotFound:
                    continue
                heads = {one.session_id: one.events for one in plan.sessions}
                if heads:
                    yield ExpiredSession(row.session_id, heads, bool(plan.held))
            if len(page) < _PAGE:
                return
            place = After(page[-1].created_at, page[-1].session_id)

    async def erase(self, session: ExpiredSession, reason: str) -> None:
        """Erase a session with its forks, as far as it was found."""
        session_id = session.session_id
        plan = await self._erasing.plans.of_session(session_id, children=False)
        if session.went_on({one.session_id: one.events for one in plan.sessions}):
            raise KeptMeanwhile
        if not plan.sessions:
            return
        where = {"reason": reason, "dry_run": "false"}
        access = AccessGranted(to="erasure", session_id=session_id, where=where)
        await self._accesses.record(BY_RETENTION, access)
        await self._proofs.sign()
        steps = self._erasing.carry_out(BY_RETENTION, plan, reason, heads=session.heads)
        try:
            async with aclosing(steps):
                async for _ in steps:
                    pass
        except UnderLegalHold as held:
            raise UnderHold from held
        except StaleSequence as stale:
            raise KeptMeanwhile from stale


def filter_of(policy: RetentionPolicy, before: datetime) -> SessionFilter:
    """Return what a policy is about as a list is asked for it.

    Args:
        policy: Which.
        before: Nothing was said since.
    """
    told = policy.where
    return SessionFilter(
        app=told["app"],
        user=told.get("user"),
        workspace=told.get("workspace"),
        agent=told.get("agent"),
        type=(told["type"],) if "type" in told else None,
        tag=told.get("tag"),
        status=(told["status"],) if "status" in told else None,
        active_before=before,
    )
