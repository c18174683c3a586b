"""Who drives a session: a row decides, and the log tells.

    attach:  the row, if it is free → the event;  refused by a rule, the row is given back
    renew:   the row, if it still holds
    detach:  the event → the row

After a crash between the two there is a lease, or an event that says who gave the lease up; in both
cases the lease runs out by itself.
"""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid5

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.errors import (
    IdempotencyKeyInFlight,
    LeaseHeld,
    OutcomeUnknown,
    StoreUnavailable,
)
from application.ports.clock import Clock
from application.ports.session.leases import Lease, Leases
from application.ports.session.listing import ListedSession
from application.reads.health import facts_of
from application.reads.readable import ReadableSessions
from domain.badges import badge_for_info, drivable
from domain.checks import require_name
from domain.errors import CairnError, Invalid, LeaseNotHeld, NotAttachable
from domain.session.commands import AcquireAttachment, ReleaseAttachment
from domain.values import rfc3339

LEAST_SECONDS = 1
MOST_SECONDS = 24 * 60 * 60
USUAL_SECONDS = 15 * 60


class Attachments:
    """Lends sessions to those who drive them, one at a time.

    Args:
        leases: Where they are; the clock of the store decides.
        sessions: Finds the sessions that may be driven.
        handler: Who has the log say so.
        clock: Makes ids.
    """

    def __init__(
        self, leases: Leases, sessions: ReadableSessions, handler: CommandHandler, clock: Clock
    ) -> None:
        self._leases = leases
        self._sessions = sessions
        self._clock = clock
        self._handler = handler

    async def attach(
        self, caller: Caller, session_id: UUID, holder: str, ttl: timedelta
    ) -> Outcome:
        """Take the lease on a session that nobody drives.

        Args:
            caller: Who asks.
            session_id: Which session.
            holder: Who is to drive it.
            ttl: For how long, unless it is renewed: 1 s to 24 h.

        Returns:
            What became of it; the answer has the `lease_id`, the times and the session.

        Raises:
            Invalid: The holder or the time is not right.
            SessionNotFound: There is no such session.
            SessionIsDeleted: It was deleted.
            StaleSequence: It has moved on since the caller looked.
            NotAttachable: It is not active, or not well.
            LeaseHeld: Somebody else drives it.
        """
        _require_ttl(ttl)
        require_name(holder, "holder")
        replayed = await self._handler.replay(caller.key_in(session_id))
        if replayed is not None:
            return replayed
        self._require_drivable(await self._sessions.living(session_id, caller.expected))
        token = self._token_for(caller, session_id)
        claim = await self._leases.acquire(session_id, token, holder, ttl)
        if not claim.granted:
            raise LeaseHeld(
                f"{claim.lease.holder} drives the session; try again when they have let go",
                holder=claim.lease.holder,
                expires_at=rfc3339(claim.lease.expires_at),
            )
        try:
            return await self._record(caller, claim.lease)
        except (IdempotencyKeyInFlight, OutcomeUnknown):
            # The one that is under way has this lease; or it may be recorded that this one has.
            raise
        except CairnError:
            with suppress(StoreUnavailable):
                await self._leases.release(session_id, token)
            raise

    async def renew(
        self, caller: Caller, session_id: UUID, holder: str, lease_id: UUID, ttl: timedelta
    ) -> Outcome:
        """Prolong a lease; nothing is recorded of it.

        Args:
            caller: Who asks.
            session_id: Which session.
            holder: Who drives the session.
            lease_id: Which lease.
            ttl: For how long from now, unless it is renewed again: 1 s to 24 h.

        Raises:
            Invalid: The time is not right.
            SessionNotFound: There is no such session.
            SessionIsDeleted: It was deleted.
            StaleSequence: It has moved on since the caller looked.
            LeaseNotHeld: It has run out, was released, or belongs to somebody else.
        """
        _require_ttl(ttl)
        replayed = await self._handler.replay(caller.key_in(session_id))
        if replayed is not None:
            return replayed
        await self._sessions.living(session_id, caller.expected)
        held = (await self._leases.of([session_id])).get(session_id)
        lease = None
        if held is not None and (held.token, held.holder) == (lease_id, holder):
            lease = await self._leases.renew(session_id, lease_id, ttl)
        if lease is None:
            raise LeaseNotHeld(
                "this lease is not in force any more, or not yours; attach again",
                lease_id=str(lease_id),
            )
        return await self._record(caller, lease)

    async def detach(self, caller: Caller, session_id: UUID, lease_id: UUID) -> Outcome:
        """Let go of a session.

        Args:
            caller: Who asks.
            session_id: Which session.
            lease_id: The lease it was attached with.

        Raises:
            SessionNotFound: There is no such session.
            SessionIsDeleted: It was deleted.
            StaleSequence: It has moved on since the caller looked.
            LeaseNotHeld: It is not attached with this lease.
        """
        command = ReleaseAttachment(lease_id=lease_id)
        try:
            outcome = await self._handler.handle(caller.asks(session_id, command))
        except LeaseNotHeld:
            # A crash may have left the lease without its event.
            await self._leases.release(session_id, lease_id)
            raise
        await self._leases.release(session_id, lease_id)
        return outcome

    def _require_drivable(self, session: ListedSession) -> None:
        info = facts_of(session).info
        if not drivable(info):
            badge = badge_for_info(info)
            raise NotAttachable(
                f"the session is {session.status} and its badge {badge}; it must be active,"
                " not stalled, and not wait to be authorised",
                badge=badge,
                session_status=session.status,
            )

    def _token_for(self, caller: Caller, session_id: UUID) -> UUID:
        """Return the id of the lease that a request takes: the same one when it is sent again."""
        key = caller.key
        if key is None:
            return self._clock.new_id()
        return uuid5(session_id, f"lease {key.fingerprint.hex()} {key.key}")

    async def _record(self, caller: Caller, lease: Lease) -> Outcome:
        command = AcquireAttachment(
            lease_id=lease.token,
            holder=lease.holder,
            acquired_at=lease.acquired_at,
            expires_at=lease.expires_at,
        )
        return await self._handler.handle(caller.asks(lease.session_id, command))


def _require_ttl(ttl: timedelta) -> None:
    if not LEAST_SECONDS <= ttl.total_seconds() <= MOST_SECONDS:
        raise Invalid(
            f"ttl_seconds must be from {LEAST_SECONDS} to {MOST_SECONDS}", field="ttl_seconds"
        )
