"""Repair: look at a session without trust in its log, and close what a crash has left open.

A dry run only reads. What it plans is appended as one append on the very end of the log that was
analysed; when the log has grown meanwhile it is analysed anew.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller, Outcome
from application.errors import Busy, RepairBlocked, ReportOutdated, StaleSequence, require_sequence
from application.ports.log.inspection import FoundRow, Inspector
from application.ports.session.recovery import AT_WORK
from application.ports.store import Store
from application.projections.differences import SharedWrites, key_differences, row_differences
from application.projections.session_row import PROJECTION_VERSION
from application.reads.erased import gone
from application.tasks import in_pieces
from application.use_cases.recovery import Recovery
from application.use_cases.session.sessions import Sessions
from domain.access.events import AccessGranted
from domain.errors import SessionNotFound
from domain.log.catalogue import NAMES
from domain.log.chain import genesis
from domain.log.piecewise import each
from domain.repair.analyser import Analyser, Facts
from domain.repair.cairn_rows import CairnRows
from domain.repair.report import Options, PlannedEvent, Report
from domain.repair.rows import decoded
from domain.scope.events import ScopeOpened
from domain.session.commands import InterruptedTurn, RepairSession
from domain.session.events import ToolReturned, TurnFailed
from domain.values import Failure

_ATTEMPTS = 10
_OF_NO_SESSION = frozenset(NAMES[cls][0] for cls in (ScopeOpened, AccessGranted))
_PAGE = 1000
_MOST_TOLD = 200


class Repairs:
    """Analyses and repairs sessions.

    Args:
        store: Where they are.
        inspector: Reads their logs as they lie there.
        repository: Folds states, for what lists should show.
        handler: Appends.
        sessions: Resumes.
        recovery: Says what becomes of a session that was left behind.
    """

    def __init__(
        self,
        store: Store,
        inspector: Inspector,
        repository: SessionRepository,
        handler: CommandHandler,
        sessions: Sessions,
        recovery: Recovery,
    ) -> None:
        self._store = store
        self._inspector = inspector
        self._repository = repository
        self._handler = handler
        self._sessions = sessions
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
                raise await gone(self._store, session_id)
            if row is not None and row.shown["deleted"]:
                raise SessionNotFound
            reader = CairnRows(str(session_id), self._read, self._store.codec.glances)
            analyser = Analyser(reader, options, genesis(session_id))
            writes = SharedWrites(self._store.codec)
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

    async def repair(
        self,
        caller: Caller,
        session_id: UUID,
        options: Options,
        *,
        dry_run: bool = False,
        expected_report: str | None = None,
    ) -> Report:
        """Append what closes what is open, as one append, or say why not.

        Args:
            caller: Who asks.
            session_id: Which session.
            options: How to analyse.
            dry_run: Only say what would be appended.
            expected_report: The digest of the report to carry out; None carries out any.

        Raises:
            SessionNotFound: There is none, or it was deleted.
            ReportOutdated: The report is another one by now.
            StaleSequence: The session is at another sequence than the caller allows.
            Busy: The session grows faster than it can be analysed.
        """
        for _ in range(_ATTEMPTS):
            report = await self.look_at(session_id, options)
            require_sequence(report.analysed_sequence, caller.expected)
            wanted = expected_report
            if wanted is not None and wanted != await in_pieces(report.digesting()):
                raise ReportOutdated(None, report=await in_pieces(report.documenting()))
            if dry_run or not report.actions:
                return report.asked(dry_run=dry_run)
            try:
                return await self._append(caller, session_id, report)
            except StaleSequence:
                # Whether it has grown or was cut behind this process' back: look again, at all.
                self._repository.forget(session_id)
        raise Busy("the session grows faster than it can be analysed; try again")

    async def resume(
        self, caller: Caller, session_id: UUID, *, starting: bool = False
    ) -> tuple[Outcome, Report]:
        """Repair a session, then make it active again.

        Args:
            caller: Who asks; what is expected is asked of the repair.
            session_id: Which session.
            starting: Its agent has yet to come up.

        Raises:
            RepairBlocked: The session has damage that a repair cannot close.
        """
        report = await self.repair(caller._replace(key=None), session_id, Options())
        if report.blocked and not report.gated:
            raise RepairBlocked(None, report=await in_pieces(report.documenting()))
        caller = caller._replace(expected=None)
        return await self._sessions.resume(caller, session_id, starting=starting), report

    async def _append(self, caller: Caller, session_id: UUID, report: Report) -> Report:
        repair_id = self._store.clock.new_name()
        command = RepairSession(
            repair_id=repair_id,
            report_digest=await in_pieces(report.digesting()),
            report=_told(report),
            closing=tuple(await in_pieces(each(_closing, report.planned_events))),
        )
        request = caller.asks(session_id, command)._replace(
            origin="repair",
            expected=frozenset({report.analysed_sequence}),
            causation=repair_id,
            idempotency=None,
        )
        outcome = await self._handler.handle(request)
        ids = await self._ids(session_id, outcome.first_sequence, len(report.actions))
        return report.applied(repair_id, ids, outcome.sequence, outcome.position)

    async def _ids(self, session_id: UUID, first: int, count: int) -> list[str]:
        ids: list[str] = []
        while len(ids) < count:
            after = first - 1 + len(ids)
            wanted = min(_PAGE, count - len(ids))
            page = await self._store.log.read(session_id, after=after, limit=wanted)
            ids += [self._store.codec.from_json(stored.record)["id"] for stored in page]
        return ids

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
        return list(row_differences(session_id, row, session, self._store.codec))

    def _read(self, raw: bytes) -> Any:
        try:
            return self._store.codec.from_json(raw)
        except ValueError:
            # Several times slower, and able to say why not.
            return decoded(raw)


def _closing(planned: PlannedEvent) -> InterruptedTurn:
    data = planned.data
    if planned.type == "tool.returned":
        returned = ToolReturned(
            tool_call_id=data["tool_call_id"], status=data["status"], output=data["output"]
        )
        return InterruptedTurn(planned.turn_id, returned)
    failed = TurnFailed(turn_id=data["turn_id"], failure=Failure(**data["failure"]))
    return InterruptedTurn(planned.turn_id, failed)


def _told(report: Report) -> dict[str, Any]:
    """Return what the log keeps of a report: of very many issues and actions the first ones.

    What was appended stands in the log right before it, and is not told twice.
    """
    first = replace(
        report,
        issues=report.issues[:_MOST_TOLD],
        actions=report.actions[:_MOST_TOLD],
        planned_events=(),
    )
    document = first.document()
    kept = ("source", "force", "scope", "analysed_sequence", "analysed_digest", "blocked", "issues")
    return {
        **{name: document[name] for name in kept},
        "issues_omitted": report.issues_omitted + max(len(report.issues) - _MOST_TOLD, 0),
        "actions": [
            {name: value for name, value in action.items() if name not in ("event_id", "persisted")}
            for action in document["actions"]
        ],
        "actions_omitted": max(len(report.actions) - _MOST_TOLD, 0),
    }
