"""Signatures of requests that were let in: none is let in twice."""

from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class SignedRequest(NamedTuple):
    """A request that is signed.

    Args:
        hashed: SHA-256 of the signature, 32 bytes.
        request: Made for this request.
        until: When the signature is good no longer.
    """

    hashed: bytes
    request: UUID
    until: datetime


class SeenSignatures(Protocol):
    """The signatures of all processes that are still good."""

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
