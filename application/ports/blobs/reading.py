"""Blobs as they are read."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from application.ports.blobs.blob import Blob, BlobOwner, Chunk, NamedBlob


class BlobReads(Protocol):
    """Finds and reads blobs, for whom they belong to and for sessions that name them."""

    async def find(self, owner: BlobOwner, name: str) -> Blob | None:
        """Return a blob of somebody; None when they have no blob of that name.

        Args:
            owner: Whose.
            name: Its name; what is none finds nothing.
        """
        ...

    async def read(self, owner: BlobOwner, name: str, at: int) -> Chunk | None:
        """Return the piece of a blob that a byte is in; None when there is none.

        Args:
            owner: Whose.
            name: Its name.
            at: The place of the byte, from 0.
        """
        ...

    async def in_session(self, session_id: UUID, name: str) -> NamedBlob | None:
        """Return a blob that a session names; None when the session does not name it.

        Args:
            session_id: Which session.
            name: Its name.
        """
        ...

    async def of_session(
        self, session_id: UUID, *, after: str | None = None, limit: int
    ) -> Sequence[NamedBlob]:
        """Return the blobs that a session names, in order of their names.

        Args:
            session_id: Which session.
            after: Only later names.
            limit: The most.
        """
        ...
