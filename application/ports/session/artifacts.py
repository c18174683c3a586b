"""Artifacts: files that agents keep beside the log, in versions, of a session or of its user."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


class ArtifactDraft(NamedTuple):
    """What is to be kept as the next version of an artifact.

    Args:
        media_type: What its writer says that it is; None when they do not.
        about: JSON beside the bytes, as its door has it.
        content: The bytes.
    """

    media_type: str | None
    about: bytes
    content: bytes


class ArtifactVersion(NamedTuple):
    """A version of an artifact.

    Args:
        version: Its number, from 0 without a gap.
        created_at: When it was kept.
        media_type: What its writer said that it is.
        about: JSON beside the bytes.
        size: Bytes.
    """

    version: int
    created_at: datetime
    media_type: str | None
    about: bytes
    size: int


class ArtifactStore(Protocol):
    """Keeps artifacts. `owner` is the id of a session, or of the scope of a user's keys."""

    async def save(
        self, session_id: UUID, owner: UUID, name: str, draft: ArtifactDraft, most: int
    ) -> ArtifactVersion:
        """Keep the next version of an artifact.

        Args:
            session_id: In which session: none of it begins once that is deleted or erased.
            owner: Whose.
            name: Its name: at least one character, at most 512.
            draft: What it is to be.
            most: Bytes that all versions of all artifacts of the owner may have, each with 1 KiB
                for itself.

        Raises:
            SessionNotFound: There is no such session, or it is deleted or erased.
            ArtifactsFull: It is more than the owner may have; nothing was kept.
        """
        ...

    async def load(
        self, owner: UUID, name: str, version: int | None = None
    ) -> tuple[ArtifactVersion, bytes] | None:
        """Return a version and its bytes; None when there is none.

        Args:
            owner: Whose.
            name: Its name.
            version: None is the newest.
        """
        ...

    async def versions(self, owner: UUID, name: str) -> Sequence[ArtifactVersion]:
        """Return the versions of an artifact, the oldest first; none when there is no such.

        Args:
            owner: Whose.
            name: Its name.
        """
        ...

    async def names(self, owners: Sequence[UUID]) -> Sequence[str]:
        """Return the names of artifacts, by their code points.

        Args:
            owners: Whose.
        """
        ...

    async def delete(self, owner: UUID, name: str) -> None:
        """Take an artifact away with all of its versions; there may be none.

        Args:
            owner: Whose.
            name: Its name.
        """
        ...
