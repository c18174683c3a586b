"""What the store in memory keeps, and how its rows are filtered."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from application.ports.blobs.blob import Blob, BlobOwner, Chunk
from application.ports.log.events import StoredEvent
from application.ports.session.artifacts import ArtifactVersion
from application.ports.session.idempotency import StoredAnswer
from application.ports.session.leases import Lease, Sign
from application.ports.session.listing import SessionFilter
from application.ports.session.partials import KeptPiece
from application.ports.session.session_row import Hold, SessionRow
from application.ports.session.shared_state import ScopeOwner

_EXACTLY = (
    "app",
    "user",
    "workspace",
    "team",
    "scope",
    "agent",
    "external_id",
    "forked_from",
)


@dataclass(slots=True)
class SharedValue:
    """One write to a shared scope."""

    position: int
    session_id: UUID
    sequence: int
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Listed:
    """The row of a session, when it last changed, and why nobody may append to its log."""

    row: SessionRow
    updated_at: datetime
    held: Hold | None = None

    @property
    def is_live(self) -> bool:
        """Whether it is not deleted."""
        return not self.row.deleted


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer, and since when it is kept."""

    answer: StoredAnswer
    at: datetime


@dataclass(slots=True)
class HeldBlob:
    """A blob of somebody, and since when no session names it; None while one does."""

    blob: Blob
    chunks: list[Chunk]
    unnamed_since: datetime | None = None


@dataclass(slots=True)
class BlobReference:
    """That a session names a blob of its owner, and since when that is in doubt."""

    owner: BlobOwner
    doubted_at: datetime | None = None


@dataclass(slots=True)
class KeptArtifact:
    """A version of an artifact, and the newest event of its session when it was kept."""

    version: ArtifactVersion
    content: bytes
    sequence: int


@dataclass(slots=True)
class Tables:
    """All that is kept, less the folded states."""

    events: list[StoredEvent] = field(default_factory=list[StoredEvent])
    logs: dict[UUID, list[StoredEvent]] = field(default_factory=dict[UUID, list[StoredEvent]])
    listed: dict[UUID, Listed] = field(default_factory=dict[UUID, Listed])
    answers: dict[tuple[UUID, str], KeptAnswer] = field(
        default_factory=dict[tuple[UUID, str], KeptAnswer]
    )
    scope_owners: dict[UUID, ScopeOwner] = field(default_factory=dict[UUID, ScopeOwner])
    shared: dict[UUID, list[SharedValue]] = field(default_factory=dict[UUID, list[SharedValue]])
    checkpoints: dict[str, int] = field(default_factory=dict[str, int])
    leases: dict[UUID, Lease] = field(default_factory=dict[UUID, Lease])
    presence: dict[UUID, Sign] = field(default_factory=dict[UUID, Sign])
    pieces: list[KeptPiece] = field(default_factory=list[KeptPiece])
    artifacts: dict[UUID, dict[str, list[KeptArtifact]]] = field(
        default_factory=dict[UUID, dict[str, list[KeptArtifact]]]
    )
    blobs: dict[tuple[BlobOwner, str], HeldBlob] = field(
        default_factory=dict[tuple[BlobOwner, str], HeldBlob]
    )
    blob_references: dict[tuple[UUID, str], BlobReference] = field(
        default_factory=dict[tuple[UUID, str], BlobReference]
    )

    signatures: dict[bytes, tuple[UUID, datetime]] = field(
        default_factory=dict[bytes, tuple[UUID, datetime]]
    )
    payloads: dict[UUID, tuple[str, datetime]] = field(
        default_factory=dict[UUID, tuple[str, datetime]]
    )

    def free_blob(self, owner: BlobOwner, name: str) -> int:
        """Free a blob unless a session names it, and return how many were freed."""
        named = (key for key, one in self.blob_references.items() if one.owner == owner)
        if any(key[1] == name for key in named):
            return 0
        return int(self.blobs.pop((owner, name), None) is not None)

    def let_go_of_blobs(self, session_id: UUID, limit: int | None = None) -> int:
        """Let a session name its blobs no more, free them, and return how many it named."""
        named = [one for one in self.blob_references if one[0] == session_id][:limit]
        for key in named:
            self.free_blob(self.blob_references.pop(key).owner, key[1])
        return len(named)

    def let_go(self, session_id: UUID, row: SessionRow, now: datetime) -> None:
        """Free what is held of a session if its next row says that it has just ended.

        When a turn begins, a lease that has run out before is forgotten.
        """
        before = self.listed.get(session_id)
        if before is not None and before.row.status == row.status:
            return
        held = self.leases.get(session_id)
        over = (
            before is not None
            and before.row.status == "idle"
            and held is not None
            and held.expires_at <= now
        )
        if over or row.status in ("stopped", "deleted", "erased"):
            self.leases.pop(session_id, None)
        if row.status in ("deleted", "erased"):
            self.presence.pop(session_id, None)
            self.payloads.pop(session_id, None)
            for (session, _), one in self.blob_references.items():
                if session == session_id:
                    one.doubted_at = now

    def owner(self, log_id: UUID) -> tuple[str | None, str | None]:
        """Return whose session or whose shared scope a log belongs to; nobody's that is neither."""
        listed = self.listed.get(log_id)
        if listed is None:
            return self.scope_owners.get(log_id, (None, None))
        return ScopeOwner(listed.row.app, listed.row.user)

    def version(self, scope_id: UUID, at: int | None = None) -> int:
        """Return the position of the newest write to a shared scope, now or by then; 0 before."""
        writes = self.shared.get(scope_id, ())
        by_then = (one.position for one in reversed(writes) if at is None or one.position <= at)
        return next(by_then, 0)


def is_wanted(listed: Listed, where: SessionFilter) -> bool:
    """Return whether a row passes all filters."""
    return all(_conditions(listed, where))


def _conditions(listed: Listed, where: SessionFilter) -> Iterator[bool]:
    row = listed.row
    for name in _EXACTLY:
        wanted = getattr(where, name)
        if wanted is not None:
            yield getattr(row, name) == wanted
    for name in ("status", "badge", "type"):
        among = getattr(where, name)
        if among is not None:
            yield getattr(row, name) in among
    yield set(where.marked or ()) <= set(row.marks)
    yield not set(where.unmarked or ()) & set(row.marks)
    if where.facets is not None:
        yield where.facets.items() <= row.facets.items()
    if where.roots is not None:
        yield (row.parent_id is None) == where.roots
    if where.parent is not None:
        yield row.parent_id == where.parent
    if where.root is not None:
        yield row.root_id == where.root
    if where.tag is not None:
        yield where.tag in row.tags
    if where.text is not None:
        yield row.title is not None and where.text.lower() in row.title.lower()
    yield from _in_time(where, "created", row.created_at)
    yield from _in_time(where, "updated", listed.updated_at)
    yield from _in_time(where, "active", row.activity.last_activity_at)


def _in_time(where: SessionFilter, what: str, at: datetime) -> Iterator[bool]:
    after, before = getattr(where, f"{what}_after"), getattr(where, f"{what}_before")
    if after is not None:
        yield at >= after
    if before is not None:
        yield at < before
