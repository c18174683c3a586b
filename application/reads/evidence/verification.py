"""Verification: every event of a session against its chain, and what is derived against the events.

All that the server keeps beside the log is folded anew from the first event, and compared: the end
of the log and the row that lists show, and each kept state. What is found is named by the codes of
repair; the first event that is bad says where to look.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from random import SystemRandom
from typing import NamedTuple
from uuid import UUID

from application.commands.repository import SessionRepository
from application.ports.log.census import Census
from application.ports.log.inspection import FoundEvent, FoundRow, Inspection, Inspector
from application.ports.store import Store
from application.projections.differences import (
    WRITERS,
    SharedWrites,
    key_differences,
    row_differences,
)
from application.projections.session_row import PROJECTION_VERSION
from application.reads.evidence.tree_check import TreeCheck
from domain.errors import SessionNotFound
from domain.log.catalogue import NAMES
from domain.log.chain import genesis
from domain.log.erased_records import ERASING, Explained, fault_of
from domain.repair.cairn_rows import CairnRows
from domain.repair.integrity import Integrity, Placed
from domain.repair.rows import Row
from domain.session.events import Recorded
from domain.session.evolve import Folding
from domain.session.state import Session

_chance = SystemRandom()

_FIRST = "session.created"
_TYPES = frozenset(name for name, _ in NAMES.values())
_AT_ONCE = 500
_BEFORE_ALL = UUID(int=0)


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


class Verdict(NamedTuple):
    """What the verification of a session came to.

    Args:
        session_id: Which; None for the log as a whole.
        events: How many were looked at.
        findings: What is wrong; of each code the first one.
    """

    session_id: UUID | None
    events: int
    findings: Sequence[Finding]


class Verification:
    """Verifies sessions.

    Args:
        store: Where they are.
        inspector: Reads their logs as they lie there.
        repository: Knows what a fork begins with.
        census: Knows which there are.
        tree: Checks what is kept to prove the log.
    """

    def __init__(
        self,
        store: Store,
        inspector: Inspector,
        repository: SessionRepository,
        census: Census,
        tree: TreeCheck,
    ) -> None:
        self._census = census
        self._tree = tree
        self._store = store
        self._inspector = inspector
        self._repository = repository

    async def all(self, *, sample: float = 1.0, changed_since: int = 0) -> AsyncGenerator[Verdict]:
        """Yield the verdict on each session, one that stands for the log as a whole at the end.

        The tree over the log is held against all of it, unless only a sample is wanted.

        Args:
            sample: The part of the sessions to check, chosen by chance; above 0, up to 1.
            changed_since: Only sessions with events after this position.
        """
        after = _BEFORE_ALL
        while page := await self._census.sessions(after, _AT_ONCE, changed_since=changed_since):
            after = page[-1]
            for session_id in page:
                if sample >= 1 or _chance.random() < sample:
                    yield await self.verify(session_id)
        head, missing, beyond = await self._census.positions()
        findings: list[Finding] = []
        if missing:
            detail = f"{missing} of the positions 1 to {head} have no event"
            findings.append(Finding(None, "position_gap", None, detail))
        if beyond:
            detail = f"{beyond} of the events are beyond the head {head}"
            findings.append(Finding(None, "position_beyond_head", None, detail))
        if sample >= 1:
            findings += [
                Finding(None, code, None, detail) for code, detail in await self._tree.faults()
            ]
        yield Verdict(None, 0, findings)

    async def count(self, changed_since: int = 0) -> int:
        """Return about how many sessions `all` would look at without a sample.

        Args:
            changed_since: Only sessions with events after this position.
        """
        return await self._census.count(changed_since)

    async def verify(self, session_id: UUID) -> Verdict:
        """Check a session, also one that was deleted or is the stream of something else.

        Args:
            session_id: Which.

        Raises:
            SessionNotFound: The store has nothing of it.
        """
        async with self._inspector.look_at(session_id) as inspection:
            row = await inspection.row()
            check = _Check(
                self._store, inspection, self._repository, session_id, is_listed=row is not None
            )
            async with aclosing(inspection.events()) as pages:
                async for page in pages:
                    await check.page(page)
            if row is None and not check.events:
                raise SessionNotFound
            await check.end(row)
        return Verdict(session_id, check.events, tuple(check.findings.values()))


class _Check:
    """Goes through the events of one session."""

    def __init__(
        self,
        store: Store,
        inspection: Inspection,
        repository: SessionRepository,
        session_id: UUID,
        *,
        is_listed: bool,
    ) -> None:
        self._store = store
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
        self._writes = SharedWrites(store.codec)
        self._bad_from: int | None = None
        self.events = 0
        self.findings: dict[str, Finding] = {}

    async def page(self, page: Sequence[Placed]) -> None:
        """Check the next events."""
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
        for placed, recorded in zip(page, self._store.codec.decode_page(page), strict=True):
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
            return self._store.codec.decode(found)
        row = self._rows.row(found.sequence, found.type, found.record)
        for code, detail in row.problems:
            self._found(code, found.sequence, detail)
            # What the events come to is not known any more.
            self._fold = None
        return self._store.codec.decode(found)

    async def _compare_kept(self, sequence: int, state: Session) -> None:
        """Hold the state that is kept after an event against the fresh fold."""
        if await self._inspection.kept_state(sequence) != state:
            detail = "the state that is kept here is not what the events come to"
            self._found("kept_state_mismatch", sequence, detail)

    async def end(self, row: FoundRow | None) -> None:
        """Compare what the events came to with what is kept beside them."""
        integrity = self._integrity
        if (missing := self._explained.missing) is not None:
            detail = "it is erased, and no later event says why"
            self._found("erasure_unexplained", missing, detail)
            return
        head = (integrity.last, integrity.position, integrity.digest)
        if row is None and not self._is_session:
            if integrity.whole:
                self._found_all(await key_differences(self._inspection, self._writes.last))
            return
        if row is None:
            self._found("event_head_mismatch", integrity.last, "the session has no row")
        elif (row.sequence, row.position, row.digest) != head:
            detail = f"the row is at {row.sequence}, the log ends at {integrity.last or 0}"
            self._found("event_head_mismatch", integrity.last, detail)
        elif integrity.whole and self._fold is not None:
            found: list[tuple[str, str]] = []
            session = self._fold.session
            if row.projected_with == PROJECTION_VERSION:
                found += row_differences(self._session_id, row, session, self._store.codec)
            if session.lifecycle.phase != "erased":
                found += await key_differences(self._inspection, self._writes.last)
            self._found_all(found)

    def _found_all(self, found: Sequence[tuple[str, str]]) -> None:
        for code, detail in found:
            self._found(code, self._integrity.last, detail)

    def _found(self, code: str, sequence: int | None, detail: str) -> None:
        """Note what was found: of each code the first of the session."""
        before = self.findings.get(code)
        if before is None or (sequence or 0) < (before.sequence or 0):
            self.findings[code] = Finding(self._session_id, code, sequence, detail)
