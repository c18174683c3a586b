"""Artifacts of sessions: files in versions, some of which all sessions of a user share."""

from collections.abc import Sequence

from application.ports.session.artifacts import (
    ArtifactDraft,
    ArtifactPlace,
    ArtifactStore,
    ArtifactVersion,
)
from application.ports.session.listing import ListedSession
from application.projections.shared_state import user_scope
from application.reads.line_log import LineLog

_SHARED = "user:"


class Artifacts:
    """Keeps and gives artifacts.

    Those whose names begin with `user:` belong to the user of a session and go with the erasure of
    that user; all others belong to the session, and go with its erasure. A fork sees those that its
    origin had kept before the event after the one that it was forked at; those of its own come
    behind them.

    Args:
        artifacts: Where they are kept.
        lines: Knows where sessions were forked.
        most: Bytes that the artifacts of one session, or of one user, may have.
    """

    def __init__(self, artifacts: ArtifactStore, lines: LineLog, most: int) -> None:
        self._artifacts = artifacts
        self._lines = lines
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
        line = await self._line(session, name)
        return await self._artifacts.save(session.session_id, line, name, draft, self._most)

    async def load(
        self, session: ListedSession, name: str, version: int | None = None
    ) -> tuple[ArtifactVersion, bytes] | None:
        """Return a version and its bytes; None when there is none.

        Args:
            session: Which sees it.
            name: Its name.
            version: None is the newest.
        """
        return await self._artifacts.load(await self._line(session, name), name, version)

    async def versions(self, session: ListedSession, name: str) -> Sequence[ArtifactVersion]:
        """Return the versions of an artifact, the oldest first.

        Args:
            session: Which sees it.
            name: Its name.
        """
        return await self._artifacts.versions(await self._line(session, name), name)

    async def names(self, session: ListedSession) -> Sequence[str]:
        """Return the names of all artifacts that a session sees, in order.

        Args:
            session: Which.
        """
        own, shared = await self._line(session), await self._line(session, _SHARED)
        return await self._artifacts.names([*own, *shared])

    async def delete(self, session: ListedSession, name: str) -> None:
        """Take an artifact away with all of its versions; there may be none.

        Args:
            session: Which sees it.
            name: Its name.
        """
        line = await self._line(session, name)
        await self._artifacts.delete(session.session_id, line, name)

    async def _line(self, session: ListedSession, name: str = "") -> Sequence[ArtifactPlace]:
        if name.startswith(_SHARED):
            return [ArtifactPlace(user_scope(session.app, session.user))]
        places = await self._lines.places(session.session_id)
        return [ArtifactPlace(*place) for place in places]
