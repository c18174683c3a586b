"""Writing one log of an import, append by append, in step with what the other logs need."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

from application.commands.repository import SessionRepository
from application.fan_out import FanOut
from application.ports.log.event_log import Append
from application.ports.log.events import NewEvent, StoredEvent
from application.ports.session.blobs import BlobOwner
from application.ports.session.session_rows import Hold
from application.ports.session.shared_state import ScopeOwner, SharedWrite
from application.ports.store import Store
from application.projections.session_row import session_row
from application.projections.shared_state import shared_writes
from application.transfer.lines import FileFault, Line, event_of
from application.transfer.plans import PlannedLog
from domain.blobs import named_blobs
from domain.session.content.key_writes import WRITER_NAMES
from domain.session.events import Recorded
from domain.session.evolve import Folding
from domain.session.state import ABSENT, Session
from domain.timers import Timers

_EVENTS = 500
_BYTES = 1024 * 1024


class LogWriter:
    """Writes one log.

    Args:
        log: What is planned for it.
        store: Where it goes.
        repository: Folds what is there already, and keeps states.
        hub: Who hears of new events.
        timers: How long turns may be silent or run.
    """

    def __init__(
        self,
        log: PlannedLog,
        store: Store,
        repository: SessionRepository,
        hub: FanOut,
        timers: Timers,
    ) -> None:
        self.log = log
        self.shared: list[SharedWrite] = []
        """What was written to keys that sessions share, until somebody takes it."""
        self._id = log.header.session_id
        self._store = store
        self._repository = repository
        self._hub = hub
        self._timers = timers
        self._lock = asyncio.Lock()
        self._sequence = log.start
        self._session = ABSENT
        self._folding = Folding()
        self._at = datetime.fromtimestamp(0, UTC)
        self._lines: Iterator[bytes | None] | None = None
        self._blobs: set[str] = set()

    @property
    def has_begun(self) -> bool:
        """Whether the store has any of it."""
        return self._sequence > 0

    @property
    def owner(self) -> ScopeOwner:
        """Whose log it is, as far as it is written."""
        owner = self._session.lifecycle.owner
        return self.log.header.scope or ScopeOwner(owner.app, owner.user)

    async def write(self, upto: int) -> int:
        """Have everything written up to a sequence, and return how many events that were.

        The log that it was forked from has come as far as it must.

        Args:
            upto: The sequence.
        """
        async with self._lock:
            end, first = min(upto, self.log.header.head), self._sequence
            if first >= end:
                return 0
            lines = self._lines = self._lines or await self._begin()
            writing: asyncio.Task[None] | None = None
            try:
                while self._sequence < end:
                    before = self._session
                    append = self._next(lines, end)
                    await self._name_blobs()
                    if writing is not None:
                        await writing
                    # While the database writes, the next ones are made.
                    writing = asyncio.create_task(self._append(append, before, self._session))
                    await asyncio.sleep(0)
                if writing is not None:
                    await writing
            finally:
                if writing is not None:
                    await asyncio.wait((writing,))
            return end - first

    async def _begin(self) -> Iterator[bytes | None]:
        """Return the lines that are not written, when the state before them is known."""
        lines = self.log.source.lines()
        for _ in range(self._sequence + 1):
            next(lines)
        if self.log.kind == "sessions" and self._sequence:
            self._session = (await self._repository.load_at(self._id, self._sequence)).session
        elif self.log.kind == "sessions" and self.log.origin is not None:
            again = self.log.source.lines()
            next(again)
            self._session = await self._repository.state_before(self._recorded(_event(again)))
        self._folding = Folding(self._session)
        return lines

    async def _name_blobs(self) -> None:
        """Note what the next events name, before they do; what is not there may come later."""
        names, self._blobs = self._blobs, set()
        if names and self._session.lifecycle.phase != "erased":
            owner = self._session.lifecycle.owner
            await self._store.blobs.name(
                self._id, BlobOwner(owner.app, owner.user), names, even_missing=True
            )

    def _next(self, lines: Iterator[bytes | None], end: int) -> Append:
        events: list[NewEvent] = []
        shared: list[SharedWrite] = []
        size, first = 0, self._sequence
        while self._sequence < end and len(events) < _EVENTS and size < _BYTES:
            line = _event(lines)
            self._sequence += 1
            self._take(line, len(events), shared)
            events.append(NewEvent(line.type, line.record, line.digest))
            size += len(line.record)
        append = Append(self._id, first, events, self._at, shared=shared)
        if self.log.kind == "sessions":
            self._session = self._folding.session
            hold: Hold | None = "import" if self._sequence < self.log.header.head else None
            append.by_import, append.hold = True, "quarantine" if self.log.is_held else hold
            append.row = session_row(self._id, self._session, self._store.codec, self._timers)
            append.app = self._session.lifecycle.owner.app
        else:
            append.scope = self.log.header.scope if self.log.kind == "scopes" else None
            append.of_store = append.scope is None
        return append

    def _take(self, line: Line, offset: int, shared: list[SharedWrite]) -> None:
        if self.log.kind == "logs":
            return
        recorded = self._recorded(line)
        self._at = recorded.at
        if self.log.kind == "sessions":
            self._folding.take(recorded)
            if line.sequence == 1:
                # It says whose the session is.
                self._session = self._folding.session
            self._blobs |= named_blobs(recorded.event).all
        if line.type in WRITER_NAMES:
            app, user = self.owner
            shared += shared_writes(app, user, recorded.event, offset, self._store.codec)

    async def _append(self, append: Append, before: Session, after: Session) -> None:
        position = await self._store.log.append(append)
        self._hub.publish(self._id, append, position)
        self.shared += append.shared
        if self.log.kind == "sessions" and self._repository.snapshot_due(before, after):
            await self._repository.save(self._id, after)

    def _recorded(self, line: Line) -> Recorded:
        stored = StoredEvent(
            self._id, line.sequence, line.position, line.type, line.record, line.digest
        )
        return self._store.codec.decode(stored)


def _event(lines: Iterator[bytes | None]) -> Line:
    line = next(lines, None)
    event = event_of(line) if line else None
    if event is None:
        raise FileFault("the file has changed since it was checked")
    return event
