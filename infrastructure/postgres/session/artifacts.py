"""Artifacts on Postgres."""

from collections.abc import Sequence
from uuid import UUID

from application.errors import ArtifactsFull
from application.ports.session.artifacts import ArtifactDraft, ArtifactVersion
from domain.errors import SessionNotFound
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.database import Database

_STATEMENTS = sql.load("artifacts")


class PostgresArtifacts:
    """Artifacts; see `application.ports.session.artifacts.ArtifactStore`.

    Args:
        database: Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(
        self, session_id: UUID, owner: UUID, name: str, draft: ArtifactDraft, most: int
    ) -> ArtifactVersion:
        """Keep the next version of an artifact."""
        values = {
            "session": session_id,
            "owner": owner,
            "name": name,
            "media_type": draft.media_type,
            "about": draft.about,
            "content": draft.content,
            "most": most,
        }
        rows = await self._database.fetch(_STATEMENTS["save"], values)
        version, created_at, is_there = rows[0]
        if not is_there:
            raise SessionNotFound
        if version is None:
            raise ArtifactsFull(
                f"all of them would have more than {most} bytes; delete some", limit=most
            )
        size = len(draft.content)
        return ArtifactVersion(version, created_at, draft.media_type, draft.about, size)

    async def load(
        self, owner: UUID, name: str, version: int | None = None
    ) -> tuple[ArtifactVersion, bytes] | None:
        """Return a version and its bytes."""
        values = {"owner": owner, "name": name, "version": version}
        rows = await self._database.fetch(_STATEMENTS["load"], values)
        if not rows:
            return None
        *told, content = rows[0]
        return ArtifactVersion(*told), content

    async def versions(self, owner: UUID, name: str) -> Sequence[ArtifactVersion]:
        """Return the versions of an artifact."""
        values = {"owner": owner, "name": name}
        rows = await self._database.fetch(_STATEMENTS["versions"], values)
        return [ArtifactVersion(*row) for row in rows]

    async def names(self, owners: Sequence[UUID]) -> Sequence[str]:
        """Return the names of artifacts."""
        rows = await self._database.fetch(_STATEMENTS["names"], {"owners": list(owners)})
        return [row[0] for row in rows]

    async def delete(self, owner: UUID, name: str) -> None:
        """Take an artifact away."""
        await self._database.run(_STATEMENTS["delete"], {"owner": owner, "name": name})
