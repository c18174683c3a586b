"""What is allowed with the sandbox, in which the agent's tools run: whoever runs it reports."""

from dataclasses import dataclass

from domain.checks import require_name, require_summary
from domain.redaction import redacted
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import Recorded, SandboxReported, SessionEvent
from domain.session.guards import require_present
from domain.session.state import Changes, Sandbox, Session

__all__ = ["ReportSandbox"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSandbox(Command):
    """Record news of the sandbox."""

    event: SandboxReported


@decides(ReportSandbox)
def report(session: Session, command: ReportSandbox) -> list[SessionEvent]:
    """Record news of the sandbox, whenever they come; secrets in their detail are left out."""
    require_present(session)
    event = command.event
    require_name(event.sandbox_id, "sandbox_id")
    require_name(event.operation, "operation")
    require_summary(event.detail, "detail")
    return [replace(event, detail=redacted(event.detail))]


@evolves(SandboxReported)
def _reported(_: Session, event: SandboxReported, recorded: Recorded) -> Changes:
    sandbox = Sandbox(
        sandbox_id=event.sandbox_id,
        operation=event.operation,
        outcome=event.outcome,
        sequence=recorded.sequence,
    )
    return {"sandbox": sandbox}
