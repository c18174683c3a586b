"""Signatures of requests in memory."""

from datetime import datetime
from uuid import UUID

from application.ports.access.seen_signatures import SignedRequest
from application.ports.clock import Clock


class MemorySeenSignatures:
    """The signatures; see `application.ports.access.seen_signatures.SeenSignatures`.

    Args:
        clock: Tells which are good no longer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[UUID, datetime]] = {}

    async def first(self, signed: SignedRequest) -> bool:
        """Keep the signature of a request."""
        kept, _ = self._kept.setdefault(signed.hashed, (signed.request, signed.until))
        return kept == signed.request

    async def sweep(self) -> None:
        """Forget those that are good no longer."""
        now = self._clock.now()
        self._kept = {key: kept for key, kept in self._kept.items() if kept[1] >= now}
