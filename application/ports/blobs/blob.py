"""What is known of blobs."""

from typing import NamedTuple

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
