"""Artifacts: files that agents keep beside the log, in versions, of a session or of its user.

A fork sees what the session that it was forked from had kept until then, and goes on from there: so
what somebody sees is asked for by a line of places, the nearest first. A version of a nearer place
stands before all of the same number or a greater one behind it.
"""

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


class ArtifactPlace(NamedTuple):
    """Whose artifacts are seen, and until when they were kept.

    Args:
        owner: The id of a session, or of the scope of a user's keys.
        upto: Of a session that was forked, the sequence at which the line leaves it: what was kept
            before the event after it. None is all.
    """

    owner: UUID
    upto: int | None = None


class ArtifactStore(Protocol):
    """Keeps artifacts, each in the first place of a line, and finds them in all places of it."""

    async def save(
        self,
        session_id: UUID,
        line: Sequence[ArtifactPlace],
        name: str,
        draft: ArtifactDraft,
        most: int,
    ) -> ArtifactVersion:
        """Keep the next version of an artifact.

        Args:
            session_id: In which session: once that is deleted or erased, nothing new begins in it.
            line: Whose, and what they see.
            name: Its name: at least one character, at most 512.
            draft: What it is to be.
            most: Bytes that all versions of all artifacts of the owner may have, each with 1 KiB
                for itself; what it sees of others counts there.

        Raises:
            SessionNotFound: There is no such session, or it is deleted or erased.
            ArtifactsFull: It is more than the owner may have; nothing was kept.
        """
        ...

    async def load(
        self, line: Sequence[ArtifactPlace], name: str, version: int | None = None
    ) -> tuple[ArtifactVersion, bytes] | None:
        """Return a version and its bytes; None when there is none.

        Args:
            line: Who sees it.
            name: Its name.
            version: None is the newest.
        """
        ...

    async def versions(self, line: Sequence[ArtifactPlace], name: str) -> Sequence[ArtifactVersion]:
        """Return the versions of an artifact, the oldest first; none when there is no such.

        Args:
            line: Who sees it.
            name: Its name.
        """
        ...

    async def names(self, line: Sequence[ArtifactPlace]) -> Sequence[str]:
        """Return the names of artifacts, by their code points.

        Args:
            line: Who sees them.
        """
        ...

    async def delete(self, session_id: UUID, line: Sequence[ArtifactPlace], name: str) -> None:
        """Take an artifact away with all of its versions; there may be none.

        The other places of the line keep what they have: it is only seen no more.

        Args:
            session_id: In which session: nothing happens once that is deleted or erased.
            line: Whose, and what they see.
            name: Its name.
        """
        ...
