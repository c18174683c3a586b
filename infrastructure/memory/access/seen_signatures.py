"""Signatures of requests in memory."""

from application.ports.access.seen_signatures import SignedRequest
from application.ports.clock import Clock
from infrastructure.memory.tables import Tables


class MemorySeenSignatures:
    """The signatures; see `application.ports.access.seen_signatures.SeenSignatures`.

    Args:
        tables: Where they are kept, those of appends too.
        clock: Tells which are good no longer.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def first(self, signed: SignedRequest) -> bool:
        """Keep the signature of a request."""
        kept, _ = self._tables.signatures.setdefault(signed.hashed, (signed.request, signed.until))
        signed.is_kept = kept == signed.request
        return signed.is_kept

    async def sweep(self) -> None:
        """Forget those that are good no longer."""
        now, kept = self._clock.now(), self._tables.signatures
        for hashed in [one for one, (_, until) in kept.items() if until < now]:
            del kept[hashed]
