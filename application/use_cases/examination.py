"""Examination: a session looked at without trust in its log; nothing is written."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from uuid import UUID

from application.commands.repository import SessionRepository
from application.ports.log.codec import Codec
from application.ports.log.inspection import FoundRow, Inspector
from application.ports.session.recovery import AT_WORK
from application.projections.differences import SharedWrites, key_differences, row_differences
from application.projections.session_row import PROJECTION_VERSION
from application.reads.readable import ErasedSessions
from application.use_cases.recovery import Recovery
from domain.access.events import AccessGranted
from domain.errors import SessionNotFound
from domain.log.catalogue import NAMES
from domain.log.chain import genesis
from domain.repair.analyser import Analyser, Facts
from domain.repair.cairn_rows import CairnRows
from domain.repair.report import Options, Report
from domain.repair.rows import decoded
from domain.scope.events import ScopeOpened

_OF_NO_SESSION = frozenset(NAMES[cls][0] for cls in (ScopeOpened, AccessGranted))


class Examination:
    """Analyses sessions.

    Args:
        inspector: Reads their logs as they lie there.
        codec: Reads records.
        erased: Refuses erased sessions.
        repository: Folds states, for what lists should show.
        recovery: Says what becomes of a session that was left behind.
    """

    def __init__(
        self,
        inspector: Inspector,
        codec: Codec,
        erased: ErasedSessions,
        repository: SessionRepository,
        recovery: Recovery,
    ) -> None:
        self._inspector = inspector
        self._codec = codec
        self._erased = erased
        self._repository = repository
        self._recovery = recovery

    async def look_at(self, session_id: UUID, options: Options) -> Report:
        """Return what is wrong with a session and what could be appended; nothing is written.

        Args:
            session_id: Which.
            options: How to analyse.

        Raises:
            SessionNotFound: There is none, or it was deleted.
        """
        async with self._inspector.look_at(session_id) as inspection:
            row = await inspection.row()
            if row is not None and row.shown["status"] == "erased":
                raise await self._erased.refusal(session_id)
            if row is not None and row.shown["deleted"]:
                raise SessionNotFound
            reader = CairnRows(str(session_id), self._read, self._codec.glances)
            analyser = Analyser(reader, options, genesis(session_id))
            writes = SharedWrites(self._codec)
            async with aclosing(inspection.events()) as pages:
                async for page in pages:
                    if row is None and any(type_ in _OF_NO_SESSION for _, _, type_, *_ in page):
                        raise SessionNotFound
                    analyser.page(page, reader)
                    writes.page(page)
            if row is None and analyser.integrity.last is None:
                raise SessionNotFound
            found_beside: list[tuple[str, str]] = [*reader.unexplained]
            if not analyser.damaged:
                kept = await inspection.keys(writes.last)
                found_beside += key_differences(writes.last, kept)
        if row is not None and analyser.integrity.whole:
            found_beside[:0] = await self._listed(session_id, row, analyser.integrity.digest)
        report = analyser.report(
            Facts(
                source="live",
                standing=reader.standing,
                found=found_beside,
                head=None if row is None else (row.sequence, row.digest, row.position),
                keeps_head=True,
            )
        )
        if row is None or analyser.damaged or reader.standing.state == "stopped":
            return report
        if row.shown["status"] not in AT_WORK:
            return report
        left_behind = await self._recovery.plan_for(session_id)
        planned = None if left_behind is None else left_behind.document()
        return replace(report, planned_classification=planned)

    async def _listed(
        self, session_id: UUID, row: FoundRow, digest: bytes
    ) -> Sequence[tuple[str, str]]:
        """Return whether lists show something else than the log says."""
        if row.projected_with != PROJECTION_VERSION:
            return ()
        cached = self._repository.cached(session_id)
        if cached is not None and cached.digest == digest:
            session = cached.session
        else:
            session = await self._repository.look_at(session_id, row.sequence)
        return list(row_differences(session_id, row, session, self._codec))

    def _read(self, raw: bytes) -> Any:
        try:
            return self._codec.from_json(raw)
        except ValueError:
            # Several times slower, and able to say why not.
            return decoded(raw)
