"""All that is kept, put together once."""

from dataclasses import dataclass, field

from application.ports.blobs.blob_store import BlobStore
from application.ports.clock import Clock
from application.ports.log.announcer import Announcer
from application.ports.log.codec import Codec
from application.ports.log.event_log import EventLog
from application.ports.session.artifacts import ArtifactStore
from application.ports.session.deadlines import Deadlines
from application.ports.session.idempotency import IdempotencyKeys
from application.ports.session.leases import Leases, Presence
from application.ports.session.partials import PartialStore
from application.ports.session.session_rows import SessionRows
from application.ports.session.shared_state import SharedState
from application.ports.session.snapshots import SnapshotStore


@dataclass(frozen=True, slots=True)
class Store:
    """All that is kept, behind its ports.

    Args:
        identity: A UUID made with the database: another one is another log.
    """

    identity: str
    log: EventLog
    session_rows: SessionRows
    idempotency_keys: IdempotencyKeys
    shared_state: SharedState
    deadlines: Deadlines
    leases: Leases
    presence: Presence
    snapshots: SnapshotStore
    partials: PartialStore
    artifacts: ArtifactStore
    blobs: BlobStore
    codec: Codec
    clock: Clock
    announcer: Announcer = field(repr=False)
