"""The report: what is wrong, what it means, and what would be appended, byte for byte."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from domain.log.canonical import digesting
from domain.log.piecewise import Piecewise, at_once, each
from domain.repair.codes import ISSUES, Severity

Source = Literal["live", "import"]
Scope = Literal["final", "all"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to analyse.

    Args:
        force: Close turns of sessions that were stopped on purpose too.
        scope: Only the final turn, or all that are open.
    """

    force: bool = False
    scope: Scope = "final"


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that is wrong, or worth to know.

    Args:
        code: One of `codes.ISSUES`.
        detail: What was found, for a person.
        turn_id: In which turn, if it is about one.
        event_id: Of which event.
        sequence: Of which event.
    """

    code: str
    detail: str
    turn_id: str | None = None
    event_id: str | None = None
    sequence: int | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return ISSUES[self.code].severity

    @property
    def blocks(self) -> bool:
        """Whether nothing may be appended because of it."""
        return ISSUES[self.code].blocks

    def document(self) -> dict[str, Any]:
        """Return what users and tools meet."""
        return {
            "code": self.code,
            "severity": self.severity,
            "turn_id": self.turn_id,
            "event_id": self.event_id,
            "sequence": self.sequence,
            "detail": self.detail,
            "advice": ISSUES[self.code].advice,
        }


@dataclass(frozen=True, slots=True)
class Action:
    """Something to append.

    Args:
        code: `append_interrupted_tool_result` or `append_terminal_error`.
        turn_id: In which turn.
        tool_call_id: Of the call it closes.
        tool_name: Of that tool, if the log says so.
        event_id: Of the appended event.
    """

    code: Literal["append_interrupted_tool_result", "append_terminal_error"]
    turn_id: str
    tool_call_id: str | None = None
    tool_name: str | None = None
    event_id: str | None = None

    def document(self) -> dict[str, Any]:
        """Return what users and tools meet."""
        return {
            "code": self.code,
            "turn_id": self.turn_id,
            "tool_call_id": self.tool_call_id,
            "tool_name": self.tool_name,
            "event_id": self.event_id,
            "persisted": self.event_id is not None,
        }


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """An event that would be appended, but for its id and its time."""

    type: str
    turn_id: str
    data: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """Return what users and tools meet."""
        return {"type": self.type, "turn_id": self.turn_id, "data": self.data}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an analysis found, and what became of its plan.

    Args:
        session_id: Of the log.
        source: The live log, or a file.
        options: How it was analysed.
        analysed_sequence: The last event that was looked at; 0 for an empty log.
        analysed_digest: Its digest in hexadecimal; empty where the source has none.
        blocked: Something to do, and it may not be done.
        gated: It is blocked by what the session is doing, not by damage.
        issues: In order of the rows; the first ones, when there are very many.
        issues_omitted: How many more there are.
        actions: What to append, in this order.
        planned_events: The same, as events.
        planned_classification: What recovery would say of a session that nobody drives any more.
        dry_run: Nothing was to be appended.
        repair_id: Of the repair that appended the plan; None when nothing was appended.
        sequence: Of the session now.
        position: Of its last event; None where the source has none.
    """

    session_id: str
    source: Source
    options: Options
    analysed_sequence: int
    analysed_digest: str
    blocked: bool
    gated: bool
    issues: Sequence[Issue]
    issues_omitted: int
    actions: Sequence[Action]
    planned_events: Sequence[PlannedEvent]
    planned_classification: Mapping[str, Any] | None = None
    dry_run: bool = True
    repair_id: str | None = None
    sequence: int = 0
    position: int | None = None

    @property
    def persisted(self) -> bool:
        """Whether the plan was appended."""
        return self.repair_id is not None

    @property
    def digest(self) -> str:
        """The SHA-256 of what depends on the log and the options alone."""
        return at_once(self.digesting())

    def digesting(self) -> Piecewise[str]:
        """Make the digest."""
        of_the_log = yield from self._of_the_log()
        return (yield from digesting(of_the_log))

    def _of_the_log(self) -> Piecewise[dict[str, Any]]:
        return {
            "session_id": self.session_id,
            "source": self.source,
            "force": self.options.force,
            "scope": self.options.scope,
            "analysed_sequence": self.analysed_sequence,
            "analysed_digest": self.analysed_digest,
            "blocked": self.blocked,
            "issues": (yield from each(Issue.document, self.issues)),
            "issues_omitted": self.issues_omitted,
            "actions": (yield from each(_planned_action, self.actions)),
            "planned_events": (yield from each(PlannedEvent.document, self.planned_events)),
        }

    def document(self) -> dict[str, Any]:
        """Return what users and tools meet."""
        return at_once(self.documenting())

    def documenting(self) -> Piecewise[dict[str, Any]]:
        """Make what users and tools meet."""
        of_the_log = yield from self._of_the_log()
        digest = yield from digesting(of_the_log)
        return {
            **of_the_log,
            "dry_run": self.dry_run,
            "actions": (yield from each(Action.document, self.actions)),
            "planned_classification": self.planned_classification,
            "persisted": self.persisted,
            "repair_id": self.repair_id,
            "sequence": self.sequence,
            "position": self.position,
            "report_digest": digest,
        }

    def asked(self, *, dry_run: bool) -> "Report":
        """Return the report of what was asked for, when nothing was appended."""
        return replace(self, dry_run=dry_run)

    def applied(
        self, repair_id: str, event_ids: Sequence[str], sequence: int, position: int | None
    ) -> "Report":
        """Return the report of the same log after its plan was appended.

        Args:
            repair_id: Of the repair.
            event_ids: Of the appended events, in the order of the actions.
            sequence: Of the session after it.
            position: Of its last event.
        """
        actions = [
            replace(action, event_id=event_id)
            for action, event_id in zip(self.actions, event_ids, strict=True)
        ]
        return replace(
            self,
            dry_run=False,
            actions=actions,
            repair_id=repair_id,
            sequence=sequence,
            position=position,
        )


def _planned_action(action: Action) -> dict[str, Any]:
    return {**action.document(), "event_id": None, "persisted": False}
