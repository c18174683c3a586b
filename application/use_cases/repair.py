"""Repair: close what a crash has left open in a session.

A dry run only reads. What it plans is appended as one append on the very end of the log that was
analysed; when the log has grown meanwhile it is analysed anew.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.repository import SessionRepository
from application.commands.request import Caller, Outcome
from application.errors import Busy, RepairBlocked, ReportOutdated, StaleSequence, require_sequence
from application.ports.clock import Clock
from application.ports.log.codec import Codec
from application.ports.log.session_logs import SessionLogs
from application.tasks import in_pieces
from application.use_cases.examination import Examination
from application.use_cases.session.sessions import Sessions
from domain.log.piecewise import each
from domain.repair.report import Options, PlannedEvent, Report
from domain.session.commands import InterruptedTurn, RepairSession
from domain.session.events import ToolReturned, TurnFailed
from domain.values import Failure

_ATTEMPTS = 10
_PAGE = 1000
_MOST_TOLD = 200


class Repairs:
    """Repairs sessions.

    Args:
        examination: Says what is wrong with them.
        log: Has what was appended.
        codec: Reads it.
        clock: Names repairs.
        repository: Forgets states that turned out to be old.
        handler: Appends.
        sessions: Resumes.
    """

    def __init__(
        self,
        examination: Examination,
        log: SessionLogs,
        codec: Codec,
        clock: Clock,
        repository: SessionRepository,
        handler: CommandHandler,
        sessions: Sessions,
    ) -> None:
        self.examination = examination
        self._log = log
        self._codec = codec
        self._clock = clock
        self._repository = repository
        self._handler = handler
        self._sessions = sessions

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
            report = await self.examination.look_at(session_id, options)
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
        repair_id = self._clock.new_name()
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
            page = await self._log.read(session_id, after=after, limit=wanted)
            ids += [self._codec.from_json(stored.record)["id"] for stored in page]
        return ids


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
