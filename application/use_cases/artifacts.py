"""Artifacts of sessions: files in versions, some of which all sessions of a user share."""

from collections.abc import Sequence
from uuid import UUID

from application.ports.session.artifacts import ArtifactDraft, ArtifactVersion
from application.ports.session.session_rows import ListedSession
from application.ports.store import Store
from application.projections.shared_state import user_scope

_SHARED = "user:"


class Artifacts:
    """Keeps and gives artifacts.

    Those whose names begin with `user:` belong to the user of a session and go with the erasure of
    that user; all others belong to the session, and go with its erasure.

    Args:
        store: Where they are kept.
        most: Bytes that the artifacts of one session, or of one user, may have.
    """

    def __init__(self, store: Store, most: int) -> None:
        self._artifacts = store.artifacts
        self._most = most

    async def save(
        self, session: ListedSession, name: str, draft: ArtifactDraft
    ) -> ArtifactVersion:
        """Keep the next version of an artifact.

        Args:
            session: In which it is made.
            name: Its name: at most 512 characters.
            draft: What it is to be.

        Raises:
            SessionNotFound: The session is no more.
            ArtifactsFull: It is more than there may be.
        """
        owner = _owner(session, name)
        return await self._artifacts.save(session.session_id, owner, name, draft, self._most)

    async def load(
        self, session: ListedSession, name: str, version: int | None = None
    ) -> tuple[ArtifactVersion, bytes] | None:
        """Return a version and its bytes; None when there is none.

        Args:
            session: Which sees it.
            name: Its name.
            version: None is the newest.
        """
        return await self._artifacts.load(_owner(session, name), name, version)

    async def versions(self, session: ListedSession, name: str) -> Sequence[ArtifactVersion]:
        """Return the versions of an artifact, the oldest first.

        Args:
            session: Which sees it.
            name: Its name.
        """
        return await self._artifacts.versions(_owner(session, name), name)

    async def names(self, session: ListedSession) -> Sequence[str]:
        """Return the names of all artifacts that a session sees, in order.

        Args:
            session: Which.
        """
        shared = user_scope(session.app, session.user)
        return await self._artifacts.names([session.session_id, shared])

    async def delete(self, session: ListedSession, name: str) -> None:
        """Take an artifact away with all of its versions; there may be none.

        Args:
            session: Which sees it.
            name: Its name.
        """
        await self._artifacts.delete(_owner(session, name), name)


def _owner(session: ListedSession, name: str) -> UUID:
    return user_scope(session.app, session.user) if name.startswith(_SHARED) else session.session_id
