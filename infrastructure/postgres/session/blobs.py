"""Blobs on Postgres: pieces in rows of their own, so that none is ever in memory as a whole."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from psycopg import AsyncConnection

from application.errors import StoreUnavailable
from application.ports.blobs.blob import Blob, BlobOwner, Chunk, KeptBlob, NamedBlob
from domain.blobs import blob_name, digest_of_blob
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("blobs")
_ENDED = "the upload was taken for one that had ended; send it again"


class PostgresBlobs:
    """The blobs; see `application.ports.blobs.blob_store.BlobStore`.

    Args:
        database: For what is asked beside commands.
        beside: With connections of its own for bytes: nothing else waits for them.
    """

    def __init__(self, database: Database, beside: Database) -> None:
        self._database = database
        self._beside = beside

    async def begin(self, app: str) -> UUID:
        """Begin an upload."""
        upload = uuid4()
        await self._beside.run(_STATEMENTS["begin"], {"upload": upload, "app": app})
        return upload

    async def add(self, upload: UUID, start: int, content: bytes) -> None:
        """Keep the next piece."""
        values = {"upload": upload, "start": start, "content": content}

        async def write(connection: AsyncConnection) -> bool:
            cursor = await connection.execute(_STATEMENTS["add"], values)
            return (await cursor.fetchone()) == (True,)

        if not await self._beside.transact(write, patience=self._beside.patience):
            raise StoreUnavailable(_ENDED)

    async def keep(
        self, upload: UUID, owner: BlobOwner, digest: bytes, size: int, media_type: str
    ) -> KeptBlob:
        """Make an upload a blob of somebody."""
        values = {
            "upload": upload, **owner._asdict(), "digest": digest, "size": size,
            "media_type": media_type,
        }  # fmt: skip

        async def write(connection: AsyncConnection) -> tuple[str, bool | None]:
            cursor = await connection.execute(_STATEMENTS["keep"], values)
            ((stored_type, is_new),) = await cursor.fetchall()
            return stored_type, is_new

        stored_type, is_new = await self._beside.transact(write, patience=self._beside.patience)
        if is_new is None:
            raise StoreUnavailable(_ENDED)
        return KeptBlob(Blob(blob_name(digest), size, stored_type), is_new)

    async def abandon(self, upload: UUID) -> None:
        """Forget an upload."""
        await self._beside.run(_STATEMENTS["abandon"], {"upload": upload})

    async def find(self, owner: BlobOwner, name: str) -> Blob | None:
        """Return a blob of somebody."""
        digest = digest_of_blob(name)
        if digest is None:
            return None
        values = {**owner._asdict(), "digest": digest}
        rows = await self._database.fetch(_STATEMENTS["find"], values)
        return Blob(name, rows[0][1], rows[0][2]) if rows else None

    async def read(self, owner: BlobOwner, name: str, at: int) -> Chunk | None:
        """Return the piece of a blob that a byte is in."""
        values = {**owner._asdict(), "digest": digest_of_blob(name), "at": at}
        rows = await self._beside.fetch(_STATEMENTS["chunk"], values)
        found = Chunk(*rows[0]) if rows else None
        return found if found and at < found.start + len(found.content) else None

    async def in_session(self, session_id: UUID, name: str) -> NamedBlob | None:
        """Return a blob that a session names."""
        values = {"session": session_id, "digest": digest_of_blob(name)}
        rows = await self._database.fetch(_STATEMENTS["in_session"], values)
        return _named(*rows[0]) if rows else None

    async def of_session(
        self, session_id: UUID, *, after: str | None = None, limit: int
    ) -> Sequence[NamedBlob]:
        """Return the blobs that a session names."""
        values = {
            "session": session_id,
            "after": digest_of_blob(after or "") or b"",
            "limit": limit,
        }
        rows = await self._database.fetch(_STATEMENTS["of_session"], values)
        return [_named(*row) for row in rows]

    async def name(
        self,
        session_id: UUID,
        owner: BlobOwner,
        names: Collection[str],
        *,
        even_missing: bool = False,
    ) -> dict[str, bool]:
        """Note that a session names blobs."""
        values = {
            "session": session_id,
            **owner._asdict(),
            "digests": _digests(names),
            "even_missing": even_missing,
        }
        rows = await self._database.fetch(_STATEMENTS["name"], values)
        return {blob_name(digest): is_new for digest, is_new in rows}

    async def inherit(self, fork: UUID, origin: UUID) -> set[str]:
        """Note that a fork names what its origin does."""
        values = {"session": fork, "origin": origin}
        rows = await self._database.fetch(_STATEMENTS["inherit"], values)
        return {blob_name(digest) for (digest,) in rows}

    async def doubt(self, session_id: UUID, names: Collection[str]) -> None:
        """Note that a session may not name blobs after all."""
        values = {"session": session_id, "digests": _digests(names)}
        await self._database.run(_STATEMENTS["doubt"], values)

    async def let_go(self, session_id: UUID, limit: int) -> int:
        """Let a session name some of its blobs no more, and free them."""
        values = {"session": session_id, "most": limit}
        rows = await self._database.fetch(_STATEMENTS["let_go"], values)
        return int(rows[0][0])

    async def forget(self, owner: BlobOwner, name: str) -> bool:
        """Free one blob of somebody if no session of theirs names it."""
        values = {**owner._asdict(), "digests": _digests([name])}
        rows = await self._database.fetch(_STATEMENTS["forget"], values)
        return bool(rows[0][0])

    async def forget_unnamed(self, owner: BlobOwner, limit: int) -> int:
        """Free some blobs of somebody that none of their sessions names."""
        values = {**owner._asdict(), "most": limit}
        rows = await self._database.fetch(_STATEMENTS["forget_unnamed"], values)
        return int(rows[0][0])

    async def sweep(self, grace: timedelta, stalled: timedelta, limit: int) -> int:
        """Free what nobody needs."""
        values = {"grace": grace, "stalled": stalled, "most": limit}
        rows = await self._database.fetch(_STATEMENTS["sweep"], values)
        return int(rows[0][0])


def _named(
    app: str, user: str, digest: bytes, size: int | None, media_type: str | None
) -> NamedBlob:
    name = blob_name(digest)
    blob = None if size is None or media_type is None else Blob(name, size, media_type)
    return NamedBlob(name, BlobOwner(app, user), blob)


def _digests(names: Collection[str]) -> list[bytes]:
    return sorted(digest for name in names if (digest := digest_of_blob(name)) is not None)
