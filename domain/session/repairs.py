"""What is allowed of a repair: it closes what is open in a session that has stopped."""

from domain.errors import SessionActive
from domain.session.commands import RepairSession
from domain.session.events import SessionEvent, SessionRepaired
from domain.session.guards import require_present
from domain.session.state import Session


def repair(session: Session, command: RepairSession) -> list[SessionEvent]:
    """Append what was planned, and the report of it; a plan of nothing changes nothing."""
    require_present(session)
    if session.lifecycle.phase != "stopped":
        raise SessionActive("the session is not stopped, and only a stopped one can be repaired")
    if not command.closing:
        return []
    repaired = SessionRepaired(
        repair_id=command.repair_id, report_digest=command.report_digest, report=command.report
    )
    return [*(one.event for one in command.closing), repaired]
