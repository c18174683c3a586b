"""Signatures of requests that were let in: none is let in twice."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(slots=True)
class SignedRequest:
    """A request that is signed.

    Args:
        hashed: SHA-256 of the signature, 32 bytes.
        request: Made for this request.
        until: When the signature is good no longer.
        is_kept: Whether it is known to be among those that were let in.
    """

    hashed: bytes
    request: UUID
    until: datetime
    is_kept: bool = False


class SeenSignatures(Protocol):
    """The signatures of all processes that are still good.

    Those of appends (`application.ports.log.Append.signatures`) are kept with their events.
    """

    async def first(self, signed: SignedRequest) -> bool:
        """Keep the signature of a request; False when another request had it.

        Of several that ask at once, in whatever process, one is the first. It is durable before
        anything that is written after it.

        Args:
            signed: The request.
        """
        ...

    async def sweep(self) -> None:
        """Forget those that are good no longer."""
        ...
