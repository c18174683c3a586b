"""Blobs in memory."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from application.errors import StoreUnavailable
from application.ports.blobs.blob import Blob, BlobOwner, Chunk, KeptBlob, NamedBlob
from application.ports.clock import Clock
from domain.blobs import blob_name, digest_of_blob
from infrastructure.memory.tables import BlobReference, HeldBlob, Tables


@dataclass(slots=True)
class _Upload:
    touched_at: datetime
    chunks: list[Chunk] = field(default_factory=list[Chunk])


class MemoryBlobs:
    """The blobs; see `application.ports.blobs.blob_store.BlobStore`.

    Args:
        tables: What it shares with the log.
        clock: Tells what is old.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._uploads: dict[UUID, _Upload] = {}

    async def begin(self, app: str) -> UUID:  # noqa: ARG002 - nothing is shared within an app here
        """Begin an upload."""
        upload = uuid4()
        self._uploads[upload] = _Upload(self._clock.now())
        return upload

    async def add(self, upload: UUID, start: int, content: bytes) -> None:
        """Keep the next piece."""
        found = self._upload(upload)
        found.chunks.append(Chunk(start, content))
        found.touched_at = self._clock.now()

    def _upload(self, upload: UUID) -> _Upload:
        found = self._uploads.get(upload)
        if found is None:
            raise StoreUnavailable("the upload was taken for one that had ended; send it again")
        return found

    async def keep(
        self, upload: UUID, owner: BlobOwner, digest: bytes, size: int, media_type: str
    ) -> KeptBlob:
        """Make an upload a blob of somebody."""
        chunks, name = self._upload(upload).chunks, blob_name(digest)
        del self._uploads[upload]
        held = self._tables.blobs.get((owner, name))
        is_new = held is None
        if held is None:
            held = HeldBlob(Blob(name, size, media_type), chunks)
            self._tables.blobs[owner, name] = held
        if held.unnamed_since is not None or not self._is_named(owner, name):
            held.unnamed_since = self._clock.now()
        return KeptBlob(held.blob, is_new)

    def _is_named(self, owner: BlobOwner, name: str) -> bool:
        return any(
            one.owner == owner
            for (_, named), one in self._tables.blob_references.items()
            if named == name
        )

    async def abandon(self, upload: UUID) -> None:
        """Forget an upload."""
        self._uploads.pop(upload, None)

    async def find(self, owner: BlobOwner, name: str) -> Blob | None:
        """Return a blob of somebody."""
        held = self._tables.blobs.get((owner, name))
        return None if held is None else held.blob

    async def read(self, owner: BlobOwner, name: str, at: int) -> Chunk | None:
        """Return the piece of a blob that a byte is in."""
        held = self._tables.blobs.get((owner, name))
        chunks = held.chunks if held else ()
        return next((one for one in chunks if 0 <= at - one.start < len(one.content)), None)

    async def in_session(self, session_id: UUID, name: str) -> NamedBlob | None:
        """Return a blob that a session names."""
        found = self._tables.blob_references.get((session_id, name))
        if found is None:
            return None
        return NamedBlob(name, found.owner, await self.find(found.owner, name))

    async def of_session(
        self, session_id: UUID, *, after: str | None = None, limit: int
    ) -> Sequence[NamedBlob]:
        """Return the blobs that a session names."""
        named = [
            NamedBlob(name, one.owner, await self.find(one.owner, name))
            for (session, name), one in sorted(self._tables.blob_references.items())
            if session == session_id and name > (after or "")
        ]
        return named[:limit]

    async def name(
        self,
        session_id: UUID,
        owner: BlobOwner,
        names: Collection[str],
        *,
        even_missing: bool = False,
    ) -> dict[str, bool]:
        """Note that a session names blobs."""
        tables = self._tables
        listed = tables.listed.get(session_id)
        doubted_at = self._clock.now() if listed and listed.row.deleted else None
        there: dict[str, bool] = {}
        for name in filter(digest_of_blob, names):
            held = tables.blobs.get((owner, name))
            if held is None and not even_missing:
                continue
            is_new = (session_id, name) not in tables.blob_references
            if is_new:
                tables.blob_references[session_id, name] = BlobReference(owner, doubted_at)
            if held is not None:
                held.unnamed_since = None
                there[name] = is_new
        return there

    async def inherit(self, fork: UUID, origin: UUID) -> set[str]:
        """Note that a fork names what its origin does."""
        references = self._tables.blob_references
        new = {
            name: one.owner
            for (session, name), one in references.items()
            if session == origin and (fork, name) not in references
        }
        for name, owner in new.items():
            references[fork, name] = BlobReference(owner)
        return {*new}

    async def doubt(self, session_id: UUID, names: Collection[str]) -> None:
        """Note that a session may not name blobs after all."""
        for name in names:
            found = self._tables.blob_references.get((session_id, name))
            if found is not None:
                found.doubted_at = self._clock.now()

    async def let_go(self, session_id: UUID, limit: int) -> int:
        """Let a session name some of its blobs no more, and free them."""
        return self._tables.let_go_of_blobs(session_id, limit)

    async def forget(self, owner: BlobOwner, name: str) -> bool:
        """Free one blob of somebody if no session of theirs names it."""
        return self._tables.free_blob(owner, name) > 0

    async def forget_unnamed(self, owner: BlobOwner, limit: int) -> int:
        """Free some blobs of somebody that none of their sessions names."""
        unnamed = [
            key
            for key, one in self._tables.blobs.items()
            if key[0] == owner and one.unnamed_since is not None
        ]
        return sum(self._tables.free_blob(*key) for key in unnamed[:limit])

    async def sweep(self, grace: timedelta, stalled: timedelta, limit: int) -> int:
        """Free what nobody needs."""
        tables, now = self._tables, self._clock.now()
        ended = [key for key, one in self._uploads.items() if one.touched_at < now - stalled]
        for upload in ended[:limit]:
            del self._uploads[upload]
        doubted = [
            (key, one)
            for key, one in tables.blob_references.items()
            if one.doubted_at is not None and one.doubted_at < now - grace
        ]
        for (session_id, name), one in doubted[:limit]:
            if self._is_held(session_id):
                one.doubted_at = now
            elif self._names(session_id, name):
                one.doubted_at = None
            else:
                del tables.blob_references[session_id, name]
                tables.free_blob(one.owner, name)
        unnamed = [
            key
            for key, one in tables.blobs.items()
            if one.unnamed_since is not None and one.unnamed_since < now - grace
        ]
        for owner, name in unnamed[:limit]:
            tables.free_blob(owner, name)
        return sum(len(swept[:limit]) for swept in (ended, doubted, unnamed))

    def _is_held(self, session_id: UUID) -> bool:
        listed = self._tables.listed.get(session_id)
        said = [
            one.type
            for one in self._tables.logs.get(session_id, ())
            if one.type in ("legal_hold.set", "legal_hold.released")
        ]
        return listed is not None and listed.row.deleted and said[-1:] == ["legal_hold.set"]

    def _names(self, session_id: UUID, name: str) -> bool:
        listed = self._tables.listed.get(session_id)
        if listed is None or listed.row.deleted:
            return False
        quoted = f'"{name}"'.encode()
        log = self._tables.logs.get(session_id, ())
        return listed.row.forked_from is not None or any(quoted in one.record for one in log)
