"""Artifacts in memory."""

from collections.abc import Sequence
from uuid import UUID

from application.errors import ArtifactsFull
from application.ports.clock import Clock
from application.ports.session.artifacts import ArtifactDraft, ArtifactVersion
from domain.errors import SessionNotFound
from infrastructure.memory.tables import Tables

_FOR_ITSELF = 1024


class MemoryArtifacts:
    """Artifacts; see `application.ports.session.artifacts.ArtifactStore`.

    Args:
        tables: Where they are kept.
        clock: Tells when.
    """

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def save(
        self, session_id: UUID, owner: UUID, name: str, draft: ArtifactDraft, most: int
    ) -> ArtifactVersion:
        """Keep the next version of an artifact."""
        listed = self._tables.listed.get(session_id)
        if listed is None or listed.row.status in ("deleted", "erased"):
            raise SessionNotFound
        artifacts = self._tables.artifacts.setdefault(owner, {})
        there = [one for kept in artifacts.values() for one in kept]
        sizes = [len(content) + len(version.about) for version, content in there]
        asked = len(draft.content) + len(draft.about) + _FOR_ITSELF
        if sum(sizes) + _FOR_ITSELF * len(sizes) + asked > most:
            raise ArtifactsFull(
                f"all of them would have more than {most} bytes; delete some", limit=most
            )
        kept = artifacts.setdefault(name, [])
        size = len(draft.content)
        made = ArtifactVersion(len(kept), self._clock.now(), draft.media_type, draft.about, size)
        kept.append((made, draft.content))
        return made

    def _kept(self, owner: UUID, name: str) -> Sequence[tuple[ArtifactVersion, bytes]]:
        return self._tables.artifacts.get(owner, {}).get(name, ())

    async def load(
        self, owner: UUID, name: str, version: int | None = None
    ) -> tuple[ArtifactVersion, bytes] | None:
        """Return a version and its bytes."""
        wanted = (
            one for one in reversed(self._kept(owner, name)) if version in (None, one[0].version)
        )
        return next(wanted, None)

    async def versions(self, owner: UUID, name: str) -> Sequence[ArtifactVersion]:
        """Return the versions of an artifact."""
        return [version for version, _ in self._kept(owner, name)]

    async def names(self, owners: Sequence[UUID]) -> Sequence[str]:
        """Return the names of artifacts."""
        return sorted({name for owner in owners for name in self._tables.artifacts.get(owner, ())})

    async def delete(self, owner: UUID, name: str) -> None:
        """Take an artifact away."""
        self._tables.artifacts.get(owner, {}).pop(name, None)
