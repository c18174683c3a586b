"""Blobs, as a store keeps them."""

from typing import Protocol

from application.ports.blobs.freeing import BlobFreeing
from application.ports.blobs.naming import BlobNames
from application.ports.blobs.reading import BlobReads
from application.ports.blobs.uploads import BlobUploads


class BlobStore(BlobUploads, BlobReads, BlobNames, BlobFreeing, Protocol):
    """Keeps blobs. Nothing here is part of an append, and no append waits for it."""
