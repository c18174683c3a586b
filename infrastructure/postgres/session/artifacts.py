"""Artifacts on Postgres."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from application.errors import ArtifactsFull
from application.ports.session.artifacts import ArtifactDraft, ArtifactPlace, ArtifactVersion
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
        self,
        session_id: UUID,
        line: Sequence[ArtifactPlace],
        name: str,
        draft: ArtifactDraft,
        most: int,
    ) -> ArtifactVersion:
        """Keep the next version of an artifact."""
        values = {
            **_values(line),
            "session": session_id,
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
        self, line: Sequence[ArtifactPlace], name: str, version: int | None = None
    ) -> tuple[ArtifactVersion, bytes] | None:
        """Return a version and its bytes."""
        values = {**_values(line), "name": name, "version": version}
        rows = await self._database.fetch(_STATEMENTS["load"], values)
        if not rows:
            return None
        *told, content = rows[0]
        return ArtifactVersion(*told), content

    async def versions(self, line: Sequence[ArtifactPlace], name: str) -> Sequence[ArtifactVersion]:
        """Return the versions of an artifact."""
        values = {**_values(line), "name": name}
        rows = await self._database.fetch(_STATEMENTS["versions"], values)
        return [ArtifactVersion(*row) for row in rows]

    async def names(self, line: Sequence[ArtifactPlace]) -> Sequence[str]:
        """Return the names of artifacts."""
        rows = await self._database.fetch(_STATEMENTS["names"], _values(line))
        return [row[0] for row in rows]

    async def delete(self, session_id: UUID, line: Sequence[ArtifactPlace], name: str) -> None:
        """Take an artifact away."""
        values = {**_values(line), "session": session_id, "name": name}
        await self._database.run(_STATEMENTS["delete"], values)


def _values(line: Sequence[ArtifactPlace]) -> dict[str, Any]:
    return {"owners": [one.owner for one in line], "uptos": [one.upto for one in line]}
