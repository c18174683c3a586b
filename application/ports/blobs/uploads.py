"""Blobs on their way in."""

from typing import Protocol
from uuid import UUID

from application.ports.blobs.blob import BlobOwner, KeptBlob


class BlobUploads(Protocol):
    """Takes bytes in, piece by piece; no append waits for it."""

    async def begin(self, app: str) -> UUID:
        """Begin an upload, and return its id.

        Args:
            app: Whose.
        """
        ...

    async def add(self, upload: UUID, start: int, content: bytes) -> None:
        """Keep the next piece.

        Args:
            upload: To which upload.
            start: The bytes before it.
            content: At least one byte, at most a few times `CHUNK`.

        Raises:
            StoreUnavailable: It cannot be kept, or the upload was taken for one that had ended.
        """
        ...

    async def keep(
        self, upload: UUID, owner: BlobOwner, digest: bytes, size: int, media_type: str
    ) -> KeptBlob:
        """Make an upload that is whole a blob of somebody; the upload is no more.

        Args:
            upload: Which.
            owner: Of the app that it was begun for.
            digest: SHA-256 of all pieces, 32 bytes.
            size: Bytes of all pieces.
            media_type: What its owner says that it is; what they said first stands.

        Raises:
            StoreUnavailable: It may or may not be kept; send it again.
        """
        ...

    async def abandon(self, upload: UUID) -> None:
        """Forget an upload that will not be whole; nothing happens to one that was kept.

        Args:
            upload: Which.
        """
        ...
