"""What sessions were asked for with, in memory."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from application.ports.access.seen_signatures import SeenSignatures, SignedRequest
from application.ports.clock import Clock

_UNUSED_FOR = timedelta(hours=1)


class MemoryProvisionPayloads:
    """The payloads, which need no seal; see `application.ports.managers.provision_payloads`.

    Args:
        clock: Tells how old they are.
        is_there: Tells whether a session has begun.
        signatures: Of requests that were let in.
    """

    def __init__(
        self, clock: Clock, is_there: Callable[[UUID], bool], signatures: SeenSignatures
    ) -> None:
        self._signatures = signatures
        self._clock = clock
        self._is_there = is_there
        self._kept: dict[UUID, tuple[str, datetime]] = {}

    async def put(
        self, session_id: UUID, payload: str, signed: SignedRequest | None = None
    ) -> bool:
        """Keep a payload."""
        if signed is not None and not await self._signatures.first(signed):
            return False
        self._kept[session_id] = (payload, self._clock.now())
        return True

    async def get(self, session_id: UUID) -> str | None:
        """Return a payload as it came."""
        payload, _ = self._kept.get(session_id, (None, None))
        return payload

    async def delete(self, session_id: UUID) -> None:
        """Take a payload away."""
        self._kept.pop(session_id, None)

    async def reseal(self) -> int:
        """Seal nothing."""
        return 0

    async def sweep(self) -> None:
        """Take away payloads of sessions that never began."""
        before = self._clock.now() - _UNUSED_FOR
        self._kept = {
            session_id: kept
            for session_id, kept in self._kept.items()
            if kept[1] > before or self._is_there(session_id)
        }
