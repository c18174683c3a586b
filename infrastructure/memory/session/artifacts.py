"""Artifacts in memory."""

from collections.abc import Sequence
from math import inf
from uuid import UUID

from application.errors import ArtifactsFull
from application.ports.clock import Clock
from application.ports.session.artifacts import ArtifactDraft, ArtifactPlace, ArtifactVersion
from domain.errors import SessionNotFound
from infrastructure.memory.tables import KeptArtifact, Tables

_FOR_ITSELF = 1024
_SEEN_NO_MORE = -1


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
        self,
        session_id: UUID,
        line: Sequence[ArtifactPlace],
        name: str,
        draft: ArtifactDraft,
        most: int,
    ) -> ArtifactVersion:
        """Keep the next version of an artifact."""
        sequence = self._sequence(session_id)
        if sequence is None:
            raise SessionNotFound
        artifacts = self._tables.artifacts.setdefault(line[0].owner, {})
        there = [one for kept in artifacts.values() for one in kept]
        sizes = [len(one.content) + len(one.version.about) for one in there]
        asked = len(draft.content) + len(draft.about) + _FOR_ITSELF
        if sum(sizes) + _FOR_ITSELF * len(sizes) + asked > most:
            raise ArtifactsFull(
                f"all of them would have more than {most} bytes; delete some", limit=most
            )
        seen = self._seen(line, name)
        number = seen[-1].version.version + 1 if seen else 0
        made = self._version(number, draft)
        kept = KeptArtifact(made, draft.content, sequence)
        artifacts.setdefault(name, []).append(kept)
        return made

    async def load(
        self, line: Sequence[ArtifactPlace], name: str, version: int | None = None
    ) -> tuple[ArtifactVersion, bytes] | None:
        """Return a version and its bytes."""
        wanted = (
            (one.version, one.content)
            for one in reversed(self._seen(line, name))
            if version in (None, one.version.version)
        )
        return next(wanted, None)

    async def versions(self, line: Sequence[ArtifactPlace], name: str) -> Sequence[ArtifactVersion]:
        """Return the versions of an artifact."""
        return [one.version for one in self._seen(line, name)]

    async def names(self, line: Sequence[ArtifactPlace]) -> Sequence[str]:
        """Return the names of artifacts."""
        names = {name for place in line for name in self._tables.artifacts.get(place.owner, ())}
        return sorted(name for name in names if self._seen(line, name))

    async def delete(self, session_id: UUID, line: Sequence[ArtifactPlace], name: str) -> None:
        """Take an artifact away."""
        sequence = self._sequence(session_id)
        if sequence is None:
            return
        artifacts = self._tables.artifacts.setdefault(line[0].owner, {})
        artifacts.pop(name, None)
        if self._seen(line, name):
            mark = self._version(_SEEN_NO_MORE, ArtifactDraft(None, b"", b""))
            artifacts[name] = [KeptArtifact(mark, b"", sequence)]

    def _sequence(self, session_id: UUID) -> int | None:
        """Return the newest event of a session; None when it is gone."""
        listed = self._tables.listed.get(session_id)
        if listed is None or listed.row.status in ("deleted", "erased"):
            return None
        return self._tables.logs[session_id][-1].sequence

    def _version(self, number: int, draft: ArtifactDraft) -> ArtifactVersion:
        now, size = self._clock.now(), len(draft.content)
        return ArtifactVersion(number, now, draft.media_type, draft.about, size)

    def _seen(self, line: Sequence[ArtifactPlace], name: str) -> Sequence[KeptArtifact]:
        """Return what is seen of an artifact along a line, the oldest first."""
        seen: list[KeptArtifact] = []
        nearer = inf
        for place in line:
            kept = [
                one
                for one in self._tables.artifacts.get(place.owner, {}).get(name, ())
                if place.upto is None or one.sequence <= place.upto
            ]
            seen += [one for one in kept if one.version.version < nearer]
            nearer = min([nearer, *(one.version.version for one in kept)])
        seen.sort(key=lambda one: one.version.version)
        return [one for one in seen if one.version.version != _SEEN_NO_MORE]
