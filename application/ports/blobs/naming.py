"""Which sessions name which blobs."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from application.ports.blobs.blob import BlobOwner


class BlobNames(Protocol):
    """Notes what sessions name, which stays as long as they do."""

    async def name(
        self,
        session_id: UUID,
        owner: BlobOwner,
        names: Collection[str],
        *,
        even_missing: bool = False,
    ) -> dict[str, bool]:
        """Note that a session names blobs, before it does: they stay for as long as the session.

        Args:
            session_id: Which session; it need not be there yet.
            owner: Of that session.
            names: Names of blobs.
            even_missing: Note those too that are not there: they count once they are.

        Returns:
            Those that are there; of each whether the session had not named it before.
        """
        ...

    async def inherit(self, fork: UUID, origin: UUID) -> set[str]:
        """Note that a fork names what its origin does, and return what it had not named before.

        Args:
            fork: The session to be made.
            origin: The session that it is made from.
        """
        ...

    async def doubt(self, session_id: UUID, names: Collection[str]) -> None:
        """Note that a session may not name blobs after all; a sweep finds out.

        Args:
            session_id: Which session.
            names: What was noted for a command that was refused.
        """
        ...
