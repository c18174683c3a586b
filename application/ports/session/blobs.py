"""Blobs: bytes beside the log, by their SHA-256, whose they are, and which sessions name them.

Each app stores the same bytes once. A blob belongs to an app and a user, as a session does: only
they may read it, and for anybody else it does not exist, even for those who have the same bytes.

    upload = await store.begin(owner.app)         pieces of any size, one after the other
    await store.add(upload, 0, b"...")
    await store.keep(upload, owner, digest, ...)  from here on `owner` has it
    await store.name(session_id, owner, [name])   from here on it stays as long as the session

`application/use_cases/blobs.py` does this for whoever has a stream of bytes. A command whose parts
name blobs has them named by the command handler; whoever keeps them for something else, such as the
artifacts of another framework, names them for its session by `name`. What no session names is freed
a day after it was sent.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

CHUNK = 256 * 1024
"""Bytes of a piece, as uploads are cut: what one costs in memory, a few times over."""


class BlobOwner(NamedTuple):
    """Whose a blob is: as sessions, blobs belong to an app and a user of it."""

    app: str
    user: str


class Blob(NamedTuple):
    """What is kept of a blob beside its bytes.

    Args:
        name: `sha256:` and its SHA-256 in hex.
        size: Bytes.
        media_type: What its owner said first that it is; never believed.
    """

    name: str
    size: int
    media_type: str


class NamedBlob(NamedTuple):
    """A blob that a session names.

    Args:
        name: Its name.
        owner: Of the session.
        blob: What is kept of it; None when it is not there, as after an import without it.
    """

    name: str
    owner: BlobOwner
    blob: Blob | None


class KeptBlob(NamedTuple):
    """What became of an upload.

    Args:
        blob: The blob.
        is_new: Its owner did not have it.
    """

    blob: Blob
    is_new: bool


class Chunk(NamedTuple):
    """A piece of a blob, and its place in the whole."""

    start: int
    content: bytes


class BlobStore(Protocol):
    """Keeps blobs. Nothing here is part of an append, and no append waits for it."""

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
