"""What sessions were asked for with, in memory."""

from datetime import timedelta
from uuid import UUID

from application.ports.access.seen_signatures import SeenSignatures, SignedRequest
from application.ports.clock import Clock
from infrastructure.memory.tables import Tables

_UNUSED_FOR = timedelta(hours=1)


class MemoryProvisionPayloads:
    """The payloads, which need no seal; see `application.ports.managers.provision_payloads`.

    Args:
        tables: Where they are kept, and which sessions have begun.
        clock: Tells how old they are.
        signatures: Of requests that were let in.
    """

    def __init__(self, tables: Tables, clock: Clock, signatures: SeenSignatures) -> None:
        self._tables = tables
        self._clock = clock
        self._signatures = signatures

    async def put(
        self, session_id: UUID, payload: str, signed: SignedRequest | None = None
    ) -> bool:
        """Keep a payload."""
        if signed is not None and not await self._signatures.first(signed):
            return False
        self._tables.payloads[session_id] = (payload, self._clock.now())
        return True

    async def get(self, session_id: UUID) -> str | None:
        """Return a payload as it came."""
        payload, _ = self._tables.payloads.get(session_id, (None, None))
        return payload

    async def delete(self, session_id: UUID) -> None:
        """Take a payload away."""
        self._tables.payloads.pop(session_id, None)

    async def reseal(self) -> int:
        """Seal nothing."""
        return 0

    async def sweep(self) -> None:
        """Take away payloads of sessions that never began."""
        before, kept = self._clock.now() - _UNUSED_FOR, self._tables.payloads
        for session_id in [one for one, (_, since) in kept.items() if since <= before]:
            if session_id not in self._tables.listed:
                del kept[session_id]
