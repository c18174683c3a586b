"""Blobs as answers."""

from typing import Annotated

from pydantic import Field

from api.v1.schemas.base import Shape
from api.v1.schemas.turn.parts import BlobName

Size = Annotated[int, Field(ge=1, description="bytes")]
MediaType = Annotated[
    str, Field(description="what whoever sent it first said that it is; it was not looked at")
]


class StoredBlob(Shape):
    """A blob that is kept; name it in parts of type `image` or `file`."""

    blob: BlobName
    size: Size
    media_type: MediaType


class BlobDeleted(Shape):
    """The blob is no more, for this user."""

    blob: BlobName


class BlobOfSession(Shape):
    """A blob that a session names; without size and type it is not there, as after an import."""

    blob: BlobName
    size: Size | None
    media_type: MediaType | None


class BlobList(Shape):
    """The blobs that a session names, in order of their names."""

    blobs: list[BlobOfSession]
    next_cursor: Annotated[str | None, Field(description="where the next page begins")]
