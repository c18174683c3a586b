"""The store in memory: what Postgres promises, for tests that need no database."""

from application.ports.clock import Clock
from application.ports.store import Store
from infrastructure.clock import SystemClock
from infrastructure.codec import JsonCodec
from infrastructure.memory.artifacts import MemoryArtifacts
from infrastructure.memory.blobs import MemoryBlobs
from infrastructure.memory.deadlines import MemoryDeadlines
from infrastructure.memory.idempotency import MemoryIdempotencyKeys
from infrastructure.memory.leases import MemoryLeases, MemoryPresence
from infrastructure.memory.log import Committed, MemoryEventLog
from infrastructure.memory.partials import MemoryPartials
from infrastructure.memory.session_rows import MemorySessionRows
from infrastructure.memory.shared_state import MemorySharedState
from infrastructure.memory.snapshots import MemorySnapshots
from infrastructure.memory.tables import Tables
from infrastructure.null_announcer import NullAnnouncer


class MemoryStore(Store):
    """A new and empty store.

    Args:
        committed: Called with the newest position after each append.
        clock: Tells when sessions are due and answers old, among other things.
        tables: What it keeps, for those who look at more of it than a store shows.
    """

    def __init__(
        self,
        committed: Committed = lambda _: None,
        *,
        clock: Clock | None = None,
        tables: Tables | None = None,
    ) -> None:
        tables, clock = tables or Tables(), clock or SystemClock()
        super().__init__(
            identity=str(clock.new_id()),
            log=MemoryEventLog(tables, committed, clock),
            session_rows=MemorySessionRows(tables, clock),
            idempotency_keys=MemoryIdempotencyKeys(tables, clock),
            shared_state=MemorySharedState(tables),
            deadlines=MemoryDeadlines(tables, clock),
            leases=MemoryLeases(tables, clock),
            presence=MemoryPresence(tables, clock),
            snapshots=MemorySnapshots(),
            partials=MemoryPartials(tables),
            artifacts=MemoryArtifacts(tables, clock),
            blobs=MemoryBlobs(tables, clock),
            codec=JsonCodec(),
            clock=clock,
            announcer=NullAnnouncer(),
        )
