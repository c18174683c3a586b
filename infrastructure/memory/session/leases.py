"""Leases and signs of life in memory: what Postgres promises, by a clock that tests can move."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from application.ports.clock import Clock
from application.ports.session.leases import Claim, Lease, Process, Sign
from infrastructure.memory.tables import Tables


class MemoryLeases:
    """Leases; see `application.ports.session.leases.Leases`.

    Args:
        tables: What it shares with the log: a session that stops is let go.
        clock: The one that decides.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._held = tables.leases
        self._clock = clock

    async def acquire(self, session_id: UUID, token: UUID, holder: str, ttl: timedelta) -> Claim:
        """Take the lease if it is free."""
        now, held = self._clock.now(), self._in_force(session_id)
        if held is not None and (held.token, held.holder) != (token, holder):
            return Claim(held, granted=False)
        since = now if held is None else held.acquired_at
        lease = Lease(session_id, token, holder, since, now, now + ttl)
        self._held[session_id] = lease
        return Claim(lease, granted=True)

    async def renew(self, session_id: UUID, token: UUID, ttl: timedelta) -> Lease | None:
        """Prolong a lease that has not run out."""
        now, held = self._clock.now(), self._in_force(session_id)
        if held is None or held.token != token:
            return None
        lease = self._held[session_id] = held._replace(renewed_at=now, expires_at=now + ttl)
        return lease

    async def release(self, session_id: UUID, token: UUID) -> bool:
        """Free a lease, and return whether it was in force until now."""
        held = self._in_force(session_id)
        if held is None or held.token != token:
            return False
        del self._held[session_id]
        return True

    async def of(self, session_ids: Iterable[UUID]) -> Mapping[UUID, Lease]:
        """Return the leases that are in force."""
        found = map(self._in_force, session_ids)
        return {lease.session_id: lease for lease in found if lease is not None}

    def _in_force(self, session_id: UUID) -> Lease | None:
        held = self._held.get(session_id)
        return held if held is not None and held.expires_at > self._clock.now() else None


class MemoryPresence:
    """Signs of life; see `application.ports.session.leases.Presence`.

    Args:
        tables: What it shares with the log: of a deleted session none is kept.
        clock: The one that decides.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._last = tables.presence
        self._clock = clock

    async def touch(
        self, session_id: UUID, reporter: str, process: Process, detail: str | None
    ) -> Sign:
        """Keep a sign of life in the place of the one before it."""
        now, last = self._clock.now(), self._last.get(session_id)
        since = last.process_since if last is not None and last.process == process else now
        sign = Sign(session_id, reporter, process, detail, now, since, timedelta(0))
        self._last[session_id] = sign
        return sign

    async def of(self, session_ids: Iterable[UUID]) -> Mapping[UUID, Sign]:
        """Return the last sign from each session that ever gave one."""
        found = map(self._last.get, session_ids)
        return {sign.session_id: self._aged(sign) for sign in found if sign is not None}

    def _aged(self, sign: Sign) -> Sign:
        return sign._replace(age=self._clock.now() - sign.presence_at)
