"""What sessions were asked for with, verbatim and sealed: it has secrets in it."""

from typing import Protocol
from uuid import UUID

from application.ports.access.seen_signatures import SignedRequest


class PayloadLocked(Exception):
    """A payload does not open; the message says why."""


class ProvisionPayloads(Protocol):
    """The sealed payloads of sessions."""

    async def put(
        self, session_id: UUID, payload: str, signed: SignedRequest | None = None
    ) -> bool:
        """Seal and keep the payload of a session that is about to begin.

        It is durable once the session is.

        Args:
            session_id: Whose.
            payload: As it came.
            signed: The request that asks for it, whose signature is kept in the same step.

        Returns:
            Whether it is kept: not when another request had the signature.
        """
        ...

    async def get(self, session_id: UUID) -> str | None:
        """Return a payload as it came; None when there is none.

        Raises:
            PayloadLocked: It does not open with the keys that are known.
        """
        ...

    async def delete(self, session_id: UUID) -> None:
        """Take a payload away; there may be none."""
        ...

    async def reseal(self) -> int:
        """Seal with the newest key some that are not, and return how many."""
        ...

    async def sweep(self) -> None:
        """Take away payloads of sessions that never began."""
        ...
