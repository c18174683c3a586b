"""Blobs as files of a bundle: each once, with whose it is in the manifest."""

import re
from collections.abc import AsyncGenerator, Iterable
from typing import Any, NamedTuple, Protocol

from application.errors import BlobNotFound
from application.ports.blobs.blob import Blob, BlobOwner
from application.ports.blobs.blob_store import BlobStore
from application.ports.blobs.reading import BlobReads
from domain.blobs import digest_of_blob
from domain.checks import require_name

BLOB_FILE = re.compile(r"blobs/[0-9a-f]{64}")
"""The name of a file: the SHA-256 of its bytes."""


class BlobFile:
    """The file of a blob.

    Args:
        store: Where it is.
        owner: Somebody who has it.
        blob: What is kept of it.
    """

    def __init__(self, store: BlobReads, owner: BlobOwner, blob: Blob) -> None:
        self._store = store
        self._owner = owner
        self._blob = blob
        self.entry = blob_entry(owner, blob)
        self.name = file_of(blob.name)
        self.size = blob.size

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield its bytes; once.

        Raises:
            BlobNotFound: It was freed meanwhile.
        """
        at = 0
        while at < self.size:
            chunk = await self._store.read(self._owner, self._blob.name, at)
            if chunk is None:
                raise BlobNotFound
            at += len(chunk.content)
            yield chunk.content


class BlobSource(Protocol):
    """The file of a blob in what is imported."""

    def pieces(self) -> Iterable[bytes]:
        """Give its bytes, in pieces of at most a MiB."""
        ...


class PlannedBlob(NamedTuple):
    """A blob that is to be imported.

    Args:
        source: Its file.
        owner: Whose it is.
        blob: What is said of it.
    """

    source: BlobSource
    owner: BlobOwner
    blob: Blob


def file_of(name: str) -> str:
    """Return the name that the file of a blob has in a bundle.

    Args:
        name: Of the blob.
    """
    return name.replace("sha256:", "blobs/")


def blob_entry(owner: BlobOwner, blob: Blob) -> dict[str, Any]:
    """Return what a manifest says of a blob of somebody.

    Args:
        owner: Whose it is.
        blob: What is kept of it.
    """
    said = {"name": file_of(blob.name), "bytes": blob.size, "media_type": blob.media_type}
    return {**said, **owner._asdict()}


def planned_of(entry: Any, source: BlobSource) -> PlannedBlob:
    """Return what is to be imported by what a manifest says.

    Args:
        entry: Of the manifest.
        source: The file that it names.

    Raises:
        KeyError: It does not say all that it should.
        TypeError: The same.
        Invalid: It names an app, a user or a media type that none can have.
    """
    size, texts = entry["bytes"], [entry[name] for name in ("name", "media_type", "app", "user")]
    if type(size) is not int or not all(isinstance(one, str) and one for one in texts):
        raise TypeError("a blob is not described as it should be")
    name, media_type, app, user = texts
    for field, text in zip(("media_type", "app", "user"), texts[1:], strict=True):
        require_name(text, field)
    blob = Blob(name.replace("blobs/", "sha256:"), size, media_type)
    return PlannedBlob(source, BlobOwner(app, user), blob)


async def take_in(store: BlobStore, planned: PlannedBlob) -> None:
    """Keep a blob that was looked through; what is there already is the same.

    Args:
        store: Where it goes.
        planned: Which.
    """
    if await store.find(planned.owner, planned.blob.name) is not None:
        return
    upload, at = await store.begin(planned.owner.app), 0
    for piece in planned.source.pieces():
        await store.add(upload, at, piece)
        at += len(piece)
    digest = digest_of_blob(planned.blob.name) or b""
    await store.keep(upload, planned.owner, digest, at, planned.blob.media_type)
