"""Writing one log of an import, append by append, in step with what the other logs need."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from application.commands.repository import SessionRepository
from application.commands.states.kept_states import is_due
from application.errors import Busy, StaleScope, VersionConflict
from application.fan_out import FanOut
from application.ports.blobs.blob import BlobOwner
from application.ports.blobs.naming import BlobNames
from application.ports.log.append import Append, Appender
from application.ports.log.codec import Codec
from application.ports.log.events import NewEvent
from application.ports.log.inspection import FoundEvent
from application.ports.session.session_row import Hold
from application.ports.session.shared_state import ScopeOwner, SharedWrite
from application.projections.session_row import session_row
from application.projections.shared_state import shared_writes
from application.tasks import ended
from application.transfer.line_pages import events_of, page_of
from application.transfer.lines import FileFault
from application.transfer.plans import PlannedLog
from application.transfer.standing_keys import StandingKeys
from domain.blobs import named_blobs
from domain.session.content.key_writes import WRITER_NAMES
from domain.session.events import Recorded
from domain.session.evolve import Folding
from domain.session.state import ABSENT, Session
from domain.timers import Timers

LARGEST_APPEND = 2000
"""Events, if they come to less than a MiB: a commit waits for the disk, however small it is."""
_AT_ONCE = 250
"""Are made ready before others have their turn."""
_ATTEMPTS = 1000
"""How often an append is tried while others write to the same keys: each time one of them is done,
and an import that gave up would only begin anew."""
_BLOB, _BY_NUMBER = b"sha256:", b"\\u"
"""In records that name blobs; JSON may spell any letter by its number."""


class LogWriter:
    """Writes one log.

    Args:
        planned: What is planned for it.
        log: Where it goes.
        codec: Reads its records.
        blobs: Where it is noted which ones it names.
        repository: Folds what is there already, and keeps states.
        fan_out: Who hears of new events.
        timers: How long turns may be silent or run.
        standing: Gives keys that sessions share their values back.
    """

    def __init__(
        self,
        planned: PlannedLog,
        log: Appender,
        codec: Codec,
        blobs: BlobNames,
        repository: SessionRepository,
        fan_out: FanOut,
        timers: Timers,
        standing: StandingKeys,
    ) -> None:
        self.log = planned
        self._standing = standing
        self._id = planned.header.session_id
        self._log = log
        self._codec = codec
        self._names = blobs
        self._repository = repository
        self._fan_out = fan_out
        self._timers = timers
        self._lock = asyncio.Lock()
        self._sequence = planned.start
        self._session = ABSENT
        self._folding = Folding()
        self._at = datetime.fromtimestamp(0, UTC)
        self._lines: Iterator[bytes | None] | None = None
        self._blobs: set[str] = set()

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
                    append = await self._next(lines, end)
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
                    await ended(writing)
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
            (first,) = self._decoded(_page(again, 1))
            self._session = await self._repository.state_before(first)
        self._folding = Folding(self._session)
        return lines

    async def _name_blobs(self) -> None:
        """Note what the next events name, before they do; what is not there may come later."""
        names, self._blobs = self._blobs, set()
        if names and self._session.lifecycle.phase != "erased":
            owner = self._session.lifecycle.owner
            await self._names.name(
                self._id, BlobOwner(owner.app, owner.user), names, even_missing=True
            )

    async def _next(self, lines: Iterator[bytes | None], end: int) -> Append:
        page = _page(lines, min(LARGEST_APPEND, end - self._sequence))
        shared: list[SharedWrite] = []
        first = self._sequence
        self._sequence += len(page)
        if self.log.kind != "logs":
            for start in range(0, len(page), _AT_ONCE):
                self._take(page[start : start + _AT_ONCE], start, shared)
                await asyncio.sleep(0)
        events = [NewEvent(one.type, one.record, one.digest) for one in page]
        append = Append(self._id, first, events, self._at, shared=shared)
        if self.log.kind == "sessions":
            self._session = self._folding.session
            hold: Hold | None = "import" if self._sequence < self.log.header.head else None
            append.by_import, append.hold = True, "quarantine" if self.log.is_held else hold
            append.row = session_row(self._id, self._session, self._codec, self._timers)
            append.app = self._session.lifecycle.owner.app
        else:
            append.scope = self.log.header.scope if self.log.kind == "scopes" else None
            append.of_store = append.scope is None
        return append

    def _take(self, page: Sequence[FoundEvent], start: int, shared: list[SharedWrite]) -> None:
        """Fold the next events, of which the first has so many before it in its append."""
        is_session = self.log.kind == "sessions"
        for offset, (found, recorded) in enumerate(
            zip(page, self._decoded(page), strict=True), start
        ):
            self._at = recorded.at
            if is_session:
                self._folding.take(recorded)
                if found.sequence == 1:
                    # It says whose the session is.
                    self._session = self._folding.session
                if _BLOB in found.record or _BY_NUMBER in found.record:
                    self._blobs |= named_blobs(recorded.event).all
            if found.type in WRITER_NAMES:
                app, user = self.owner
                shared += shared_writes(app, user, recorded.event, offset, self._codec)

    def _decoded(self, page: Sequence[FoundEvent]) -> Iterator[Recorded]:
        codec = self._codec
        for found, quickly in zip(page, codec.decode_page(page), strict=True):
            yield quickly or codec.decode(found)

    async def _append(self, append: Append, before: Session, after: Session) -> None:
        append, position = await self._written(append)
        self._fan_out.publish(self._id, append, position)
        if self.log.kind == "sessions" and is_due(before, after):
            await self._repository.save(self._id, after)

    async def _written(self, append: Append) -> tuple[Append, int]:
        """Write an append together with what gives keys their values back, and return both."""
        is_last = append.before + len(append.events) == self.log.header.head
        for _ in range(_ATTEMPTS):
            try:
                # Others have their turns between two attempts.
                async with self._standing.turns(append):
                    if is_last and self.log.kind == "scopes":
                        written = await self._standing.behind(append)
                    else:
                        written = append
                        beside = await self._standing.beside(self.owner, append.shared)
                        append.companions = beside.companions
                        append.expected_scopes = beside.expected
                    position = await self._log.append(written)
                    self._standing.written(written, position)
            except StaleScope:
                self._standing.refused(append)
                continue
            except VersionConflict as conflict:
                if conflict.facts.get("session_id") == str(self._id):
                    raise
                continue
            if is_last:
                self._standing.ended(self._id)
            return written, position
        raise Busy("too many write to the keys that sessions share; import it again")


def _page(lines: Iterator[bytes | None], most: int) -> Sequence[FoundEvent]:
    """Return the next events, which were found to be whole when they were checked."""
    page = page_of(lines, most)
    events = [event for event in events_of(page) if event is not None]
    if not page or len(events) < len(page):
        raise FileFault("the file has changed since it was checked")
    return events
