"""The store in memory: what Postgres promises, for tests that need no database."""

from application.ports.clock import Clock
from application.ports.store import Store
from infrastructure.clock import SystemClock
from infrastructure.memory.log.event_log import Committed, MemoryEventLog
from infrastructure.memory.session.artifacts import MemoryArtifacts
from infrastructure.memory.session.blobs import MemoryBlobs
from infrastructure.memory.session.deadlines import MemoryDeadlines
from infrastructure.memory.session.idempotency import MemoryIdempotencyKeys
from infrastructure.memory.session.leases import MemoryLeases, MemoryPresence
from infrastructure.memory.session.partials import MemoryPartials
from infrastructure.memory.session.session_rows import MemorySessionRows
from infrastructure.memory.session.shared_state import MemorySharedState
from infrastructure.memory.session.snapshots import MemorySnapshots
from infrastructure.memory.tables import Tables
from infrastructure.null_announcer import NullAnnouncer
from infrastructure.records.codec import JsonCodec


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
