"""Who drives a session, and who vouches for it: rows beside the log, by the clock of the store.

Renewals and signs of life come often and mean nothing afterwards, so they are not events. Only the
clock of the store counts: processes on several machines judge a lease alike, however their own
clocks are set.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

Process = Literal["healthy", "unhealthy", "unknown"]


class Lease(NamedTuple):
    """The right to drive a session for a while; times are UTC, by the clock of the store.

    Args:
        session_id: Which session.
        token: What its holder shows to renew or release it; clients know it as `lease_id`.
        holder: Who has it.
        acquired_at: Since when.
        renewed_at: When it was last prolonged.
        expires_at: From this very moment on it is free.
    """

    session_id: UUID
    token: UUID
    holder: str
    acquired_at: datetime
    renewed_at: datetime
    expires_at: datetime


class Claim(NamedTuple):
    """What came of asking for a lease.

    Args:
        lease: The one that is in force now.
        granted: It belongs to whoever asked.
    """

    lease: Lease
    granted: bool


class Leases(Protocol):
    """Leases on sessions, at most one on each. They are freed when the session stops."""

    async def acquire(self, session_id: UUID, token: UUID, holder: str, ttl: timedelta) -> Claim:
        """Take the lease if it is free or has run out; asked again, it is prolonged.

        Args:
            session_id: On which session; whether there is one is not asked.
            token: New for each lease. The same again, by the same holder, is the same lease.
            holder: Who asks.
            ttl: How long from now.
        """
        ...

    async def renew(self, session_id: UUID, token: UUID, ttl: timedelta) -> Lease | None:
        """Prolong a lease that has not run out; None when it has, or is another one.

        Args:
            session_id: On which session.
            token: Of the lease.
            ttl: How long from now.
        """
        ...

    async def release(self, session_id: UUID, token: UUID) -> bool:
        """Free a lease, and return whether it was in force until now."""
        ...

    async def of(self, session_ids: Iterable[UUID]) -> Mapping[UUID, Lease]:
        """Return the leases that are in force."""
        ...


class Sign(NamedTuple):
    """The last sign of life of whoever runs a session's agent.

    Args:
        session_id: Which session.
        reporter: Who gave it.
        process: What it said of the agent's process.
        detail: More on that, for people.
        presence_at: When, UTC, by the clock of the store.
        process_since: Since when the same is said of the process.
        age: How long ago that was when it was looked up.
    """

    session_id: UUID
    reporter: str
    process: Process
    detail: str | None
    presence_at: datetime
    process_since: datetime
    age: timedelta


class Presence(Protocol):
    """The last sign of life from each session."""

    async def touch(
        self, session_id: UUID, reporter: str, process: Process, detail: str | None
    ) -> Sign:
        """Keep a sign of life in the place of the one before it.

        Args:
            session_id: From which session; whether there is one is not asked.
            reporter: Who gives it.
            process: What it says of the agent's process.
            detail: More on that.
        """
        ...

    async def of(self, session_ids: Iterable[UUID]) -> Mapping[UUID, Sign]:
        """Return the last sign from each session that ever gave one."""
        ...
