"""All that is kept, put together once."""

from dataclasses import dataclass, field

from application.ports.announcer import Announcer
from application.ports.artifacts import ArtifactStore
from application.ports.blobs import BlobStore
from application.ports.clock import Clock
from application.ports.codec import Codec
from application.ports.deadlines import Deadlines
from application.ports.idempotency import IdempotencyKeys
from application.ports.leases import Leases, Presence
from application.ports.log import EventLog
from application.ports.partials import PartialStore
from application.ports.session_rows import SessionRows
from application.ports.shared_state import SharedState
from application.ports.snapshots import SnapshotStore


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
