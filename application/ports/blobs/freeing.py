"""Blobs that nobody needs any more."""

from datetime import timedelta
from typing import Protocol
from uuid import UUID

from application.ports.blobs.blob import BlobOwner


class BlobFreeing(Protocol):
    """Frees blobs, never one that a session names."""

    async def let_go(self, session_id: UUID, limit: int) -> int:
        """Let a session name some of its blobs no more, free them, and return how many it named.

        Args:
            session_id: Which session: it is erased.
            limit: The most.
        """
        ...

    async def forget(self, owner: BlobOwner, name: str) -> bool:
        """Free one blob of somebody if no session of theirs names it, and return whether it was.

        Args:
            owner: Whose.
            name: Its name; any other text names no blob.
        """
        ...

    async def forget_unnamed(self, owner: BlobOwner, limit: int) -> int:
        """Free blobs of somebody that none of their sessions names; return how many.

        Args:
            owner: Whose.
            limit: The most.
        """
        ...

    async def sweep(self, grace: timedelta, stalled: timedelta, limit: int) -> int:
        """Free what nobody needs, and return how much of it there was.

        Args:
            grace: How long what no session names is kept.
            stalled: For how long nothing came of an upload that has ended.
            limit: The most of each kind.
        """
        ...
