"""Which sessions nobody drives any more, by the clock of the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

AT_WORK = ("starting", "running", "waiting", "stopping")
"""The statuses of sessions that somebody has to drive."""


class Undriven(NamedTuple):
    """A session at work that nobody drives and nobody vouches for; times are UTC.

    Args:
        session_id: Which.
        sequence: Where it stood when it was found.
        lease_ended: When the lease on it ran out; None when there was none.
        last_sign: When somebody last vouched for it; None when nobody ever did.
        now: When it was found.
    """

    session_id: UUID
    sequence: int
    lease_ended: datetime | None
    last_sign: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long nobody may drive a session before it counts as left behind.

    Args:
        grace: After its lease has run out.
        vouched: After the last sign of life.
        unattended: After the last event of one that starts or stops and never had a lease.
    """

    grace: timedelta
    vouched: timedelta
    unattended: timedelta


class DriverWatch(Protocol):
    """Finds sessions that were left behind; looking changes nothing."""

    async def undriven(
        self,
        patience: Patience,
        *,
        after: UUID | None = None,
        only: UUID | None = None,
        limit: int,
    ) -> Sequence[Undriven]:
        """Return sessions that nobody drives any more, in order of their ids.

        Args:
            patience: What counts as left behind.
            after: Only sessions with a higher id.
            only: Only this session.
            limit: The most sessions.
        """
        ...
