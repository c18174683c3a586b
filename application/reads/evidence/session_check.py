"""What the events of one session say, against their chain and against what is kept beside them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from application.commands.repository import SessionRepository
from application.ports.log.codec import Codec
from application.ports.log.inspection import FoundEvent, FoundKey, FoundRow, Inspection, OwnWrite
from application.projections.differences import (
    WRITERS,
    SharedWrites,
    key_differences,
    row_differences,
)
from application.projections.session_row import PROJECTION_VERSION
from domain.log.catalogue import NAMES
from domain.log.chain import genesis
from domain.log.erased_records import ERASING, Explained, fault_of
from domain.repair.cairn_rows import CairnRows
from domain.repair.integrity import Integrity, Placed
from domain.repair.rows import Row
from domain.session.events import Recorded
from domain.session.evolve import Folding
from domain.session.state import Session

_FIRST = "session.created"
_TYPES = frozenset(name for name, _ in NAMES.values())


class Finding(NamedTuple):
    """One thing that is wrong.

    Args:
        session_id: Where; None when it is about the log as a whole.
        code: What, as the reports of repair name it.
        sequence: The event; None when it is about none.
        detail: One sentence.
    """

    session_id: UUID | None
    code: str
    sequence: int | None
    detail: str


class SessionVerdict(NamedTuple):
    """What the verification of a session came to.

    Args:
        session_id: Which; None for the log as a whole.
        events: How many were looked at.
        findings: What is wrong; of each code the first one.
    """

    session_id: UUID | None
    events: int
    findings: Sequence[Finding]


class SessionCheck:
    """Goes through the events of one session.

    Args:
        codec: Reads its records.
        inspection: Reads what is kept beside its log.
        repository: Knows what a fork begins with.
        session_id: Which.
        is_listed: Whether it has a list row.
    """

    def __init__(
        self,
        codec: Codec,
        inspection: Inspection,
        repository: SessionRepository,
        session_id: UUID,
        *,
        is_listed: bool,
    ) -> None:
        self._codec = codec
        self._inspection = inspection
        self._repository = repository
        self._session_id = session_id
        self._integrity = Integrity(genesis(session_id))
        self._rows = CairnRows(str(session_id))
        self._fold: Folding | None = Folding()
        self._kept: frozenset[int] = frozenset()
        self._is_session, self._is_ours = False, is_listed
        self._is_erased = False
        self._explained = Explained()
        self._writes = SharedWrites(codec)
        self._bad_from: int | None = None
        self.keys: Sequence[OwnWrite] = ()
        """The writes that are to be held against what the store has of their keys."""
        self.events = 0
        self.findings: dict[str, Finding] = {}

    async def page(self, page: Sequence[Placed]) -> None:
        """Check the next events.

        Args:
            page: In order, as they lie there.
        """
        if not self.events:
            await self._begin(page[0])
        self.events += len(page)
        self._check_places(page)
        # The stream of another application has records of its own.
        if self._is_ours:
            await self._check_records(page)

    async def _begin(self, first: Placed) -> None:
        sequence, _, type_, *_ = first
        self._is_session = type_ == _FIRST
        self._is_ours = self._is_ours or type_ in _TYPES
        self._kept = frozenset(await self._inspection.kept())
        if sequence == 1 and not self._is_session:
            # The stream of something else is no session.
            self._fold = None

    def _check_places(self, page: Sequence[Placed]) -> None:
        """Check that the events follow each other, and that their digests cover them."""
        integrity, at = self._integrity, 0
        while (at := at + integrity.run(page[at:] if at else page)) < len(page):
            sequence, position, _, record, digest, erased_hash = page[at]
            row = Row(sequence, position=position, record=record, digest=digest, hashed=erased_hash)
            for code, detail in integrity.check(row):
                self._found(code, sequence, detail)
                self._bad_from = sequence if self._bad_from is None else self._bad_from
            at += 1

    async def _check_records(self, page: Sequence[Placed]) -> None:
        """Check that each record is one of its type, and fold what they say."""
        kept = self._kept
        for placed, recorded in zip(page, self._codec.decode_page(page), strict=True):
            sequence, position, type_, _, _, erased_hash = placed
            if recorded is None:
                recorded = self._looked_at_closely(FoundEvent(*placed))
            if type_ in ERASING:
                self._explained.take(sequence, type_, erased=erased_hash is not None)
            if type_ in WRITERS:
                self._writes.note(position, recorded.event)
            if self._fold is None:
                continue
            if sequence == 1:
                self._fold = Folding(await self._repository.state_before(recorded))
            self._fold.take(recorded)
            # Behind a hole or a changed record both may be right, and neither is known to be.
            if (
                sequence in kept
                and (self._bad_from is None or sequence < self._bad_from)
                and not self._is_erased
            ):
                await self._compare_kept(sequence, self._fold.session)

    def _looked_at_closely(self, found: FoundEvent) -> Recorded:
        """Check a record that is not as this program writes those of its type."""
        if found.erased_hash is not None:
            self._is_erased = True
            self._explained.take(found.sequence, found.type, erased=True)
            fault = fault_of(found.record, found.type, found.erased_hash)
            if fault is not None:
                self._found("digest_mismatch", found.sequence, fault)
            return self._codec.decode(found)
        row = self._rows.row(found.sequence, found.type, found.record)
        for code, detail in row.problems:
            self._found(code, found.sequence, detail)
            # What the events come to is not known any more.
            self._fold = None
        return self._codec.decode(found)

    async def _compare_kept(self, sequence: int, state: Session) -> None:
        """Hold the state that is kept after an event against the fresh fold."""
        if await self._inspection.kept_state(sequence) != state:
            detail = "the state that is kept here is not what the events come to"
            self._found("kept_state_mismatch", sequence, detail)

    def end(self, row: FoundRow | None) -> None:
        """Compare what the events came to with the list row, and say which `keys` are left.

        Args:
            row: As it was found.
        """
        integrity = self._integrity
        if (missing := self._explained.missing) is not None:
            detail = "it is erased, and no later event says why"
            self._found("erasure_unexplained", missing, detail)
            return
        head = (integrity.last, integrity.position, integrity.digest)
        if row is None and not self._is_session:
            if integrity.whole:
                self.keys = self._writes.last
            return
        if row is None:
            self._found("event_head_mismatch", integrity.last, "the session has no row")
        elif (row.sequence, row.position, row.digest) != head:
            detail = f"the row is at {row.sequence}, the log ends at {integrity.last or 0}"
            self._found("event_head_mismatch", integrity.last, detail)
        elif integrity.whole and self._fold is not None:
            session = self._fold.session
            if row.projected_with == PROJECTION_VERSION:
                self._found_all(row_differences(self._session_id, row, session, self._codec))
            if session.lifecycle.phase != "erased":
                self.keys = self._writes.last

    def compare_keys(self, kept: Sequence[FoundKey]) -> None:
        """Compare `keys` with what the store has of them.

        Args:
            kept: That, in their order.
        """
        self._found_all(key_differences(self.keys, kept))

    @property
    def verdict(self) -> SessionVerdict:
        """What it came to, when all was compared."""
        return SessionVerdict(self._session_id, self.events, tuple(self.findings.values()))

    def _found_all(self, found: Iterable[tuple[str, str]]) -> None:
        for code, detail in found:
            self._found(code, self._integrity.last, detail)

    def _found(self, code: str, sequence: int | None, detail: str) -> None:
        """Note what was found: of each code the first of the session."""
        before = self.findings.get(code)
        if before is None or (sequence or 0) < (before.sequence or 0):
            self.findings[code] = Finding(self._session_id, code, sequence, detail)
