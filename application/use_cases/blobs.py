"""Blobs: keep a stream of bytes under its SHA-256, and give it back, a piece at a time."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from hashlib import sha256
from uuid import UUID

from application.errors import (
    BlobDamaged,
    BlobNamed,
    BlobNotFound,
    BlobTooLarge,
    DigestMismatch,
    StoreUnavailable,
)
from application.memory_budget import Share
from application.ports.blobs.blob import CHUNK, Blob, BlobOwner, KeptBlob, NamedBlob
from application.ports.blobs.blob_store import BlobStore
from domain.blobs import blob_name, digest_of_blob
from domain.errors import Invalid

_PIECES = 3
"""How many pieces of one blob are in memory at a time: what comes, what is cut, what is sent."""


class Blobs:
    """Keeps blobs, and gives them back.

    Args:
        store: Where they are.
        share: The memory that uploads and downloads may take together.
        largest: The most bytes of one.
    """

    def __init__(self, store: BlobStore, share: Share, *, largest: int = 64 * 1024 * 1024) -> None:
        self._store = store
        self._share = share
        self.largest = largest

    async def put(
        self,
        owner: BlobOwner,
        pieces: AsyncIterator[bytes],
        *,
        media_type: str,
        name: str | None = None,
        digest: bytes | None = None,
        size: int | None = None,
    ) -> KeptBlob:
        """Keep what comes, once all of it has; sent again it is the same blob.

        Args:
            owner: Whose it is to be.
            pieces: Its bytes, in pieces of any size.
            media_type: What its owner says that it is.
            name: The name that it must have; None is whichever it has.
            digest: The SHA-256 that it must have beside that, 32 bytes; None is whichever.
            size: Bytes, as far as that is told before they come.

        Raises:
            BlobTooLarge: It has more bytes than one may have.
            DigestMismatch: It is not what its name or its digest says.
            Invalid: The name is none, or nothing comes.
            Overloaded: All transfers together take as much memory as they may.
            StoreUnavailable: It cannot be kept now.
        """
        named = None if name is None else digest_of_blob(name)
        if name is not None and named is None:
            raise Invalid("a blob is named `sha256:` and 64 digits in lower-case hex", field="blob")
        if size is not None and size > self.largest:
            raise self._too_large()
        taken = _PIECES * CHUNK
        self._share.take(taken)
        try:
            upload = await self._store.begin(owner.app)
            try:
                came, found = await self._send(upload, pieces)
                for wanted in (named, digest):
                    if wanted is not None and wanted != found:
                        raise DigestMismatch(
                            f"what came is {blob_name(found)}, and not {blob_name(wanted)}; nothing"
                            " was kept",
                            came=blob_name(found),
                        )
                return await self._store.keep(upload, owner, found, came, media_type)
            except BaseException:
                # What cannot be forgotten now is swept when nothing has come of it for a while.
                with suppress(StoreUnavailable):
                    await self._store.abandon(upload)
                raise
        finally:
            self._share.count(-taken)

    async def _send(self, upload: UUID, pieces: AsyncIterator[bytes]) -> tuple[int, bytes]:
        """Store all pieces, and return how many bytes that were, and their SHA-256."""
        hashed, rest, sent = sha256(), bytearray(), 0
        async for piece in pieces:
            for start in range(0, len(piece), CHUNK):
                rest += piece[start : start + CHUNK]
                if sent + len(rest) > self.largest:
                    raise self._too_large()
                while len(rest) >= CHUNK:
                    content = bytes(rest[:CHUNK])
                    del rest[:CHUNK]
                    hashed.update(content)
                    await self._store.add(upload, sent, content)
                    sent += CHUNK
        if rest:
            hashed.update(rest)
            await self._store.add(upload, sent, bytes(rest))
        elif not sent:
            raise Invalid("the body is empty: a blob has at least one byte", field="body")
        return sent + len(rest), hashed.digest()

    def _too_large(self) -> BlobTooLarge:
        return BlobTooLarge(f"a blob has at most {self.largest} bytes", limit=self.largest)

    async def find(self, owner: BlobOwner, name: str) -> Blob:
        """Return what is kept of a blob beside its bytes.

        Args:
            owner: Whose it is.
            name: Its name.

        Raises:
            BlobNotFound: They have no blob of that name.
        """
        found = await self._store.find(owner, name)
        if found is None:
            raise BlobNotFound
        return found

    async def delete(self, owner: BlobOwner, name: str) -> None:
        """Free a blob that no session names, as one that was sent by mistake.

        Args:
            owner: Whose.
            name: Its name.

        Raises:
            BlobNotFound: They have no blob of that name.
            BlobNamed: A session of theirs names it.
            StoreUnavailable: It cannot be freed now.
        """
        if await self._store.forget(owner, name):
            return
        await self.find(owner, name)
        raise BlobNamed

    async def in_session(self, session_id: UUID, name: str) -> tuple[BlobOwner, Blob]:
        """Return a blob that a session names, and whose it is.

        Args:
            session_id: Which session.
            name: Its name.

        Raises:
            BlobNotFound: The session names no such blob, or the blob is not there.
        """
        found = await self._store.in_session(session_id, name)
        if found is None or found.blob is None:
            raise BlobNotFound
        return found.owner, found.blob

    async def of_session(
        self, session_id: UUID, *, after: str | None = None, limit: int
    ) -> list[NamedBlob]:
        """Return the blobs that a session names, in order of their names.

        Args:
            session_id: Which session.
            after: Only later names.
            limit: The most.
        """
        return [*await self._store.of_session(session_id, after=after, limit=limit)]

    async def read(
        self, owner: BlobOwner, blob: Blob, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Yield the bytes of a blob, or some of them, a piece at a time.

        Args:
            owner: Whose it is.
            blob: Which.
            start: The first byte.
            end: The place behind the last one; None is the end of the blob.

        Raises:
            BlobNotFound: It was freed meanwhile.
            BlobDamaged: What is stored is not what was sent; told before the last of a whole blob
                is given out.
            Overloaded: All transfers together take as much memory as they may.
        """
        end = blob.size if end is None else min(end, blob.size)
        hashed = sha256() if (start, end) == (0, blob.size) else None
        taken = _PIECES * CHUNK
        self._share.take(taken)
        try:
            at = start
            while at < end:
                chunk = await self._store.read(owner, blob.name, at)
                if chunk is None:
                    if await self._store.find(owner, blob.name) is None:
                        raise BlobNotFound
                    raise BlobDamaged
                content = chunk.content[at - chunk.start : end - chunk.start]
                at += len(content)
                if hashed is not None:
                    hashed.update(content)
                    if at == end and hashed.digest() != digest_of_blob(blob.name):
                        raise BlobDamaged
                yield content
        finally:
            self._share.count(-taken)
