"""What is allowed of a repair: it closes what is open in a session that has stopped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from domain.errors import SessionActive
from domain.session.declarations import Command, decides, evolves
from domain.session.events import Recorded, SessionEvent, SessionRepaired, ToolReturned, TurnFailed
from domain.session.guards import require_present
from domain.session.state import Changes, Session
from domain.values import Identity, JsonObject

__all__ = ["InterruptedTurn", "RepairSession"]


class InterruptedTurn(NamedTuple):
    """An event that closes part of a turn which is perhaps not the running one."""

    turn_id: str
    event: ToolReturned | TurnFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairSession(Command):
    """Close what a crash has left open, as an analysis of this very log has planned it."""

    repair_id: Identity[str]
    report_digest: str
    report: JsonObject
    closing: tuple[InterruptedTurn, ...]

    @property
    def turn_ids(self) -> Sequence[str]:
        """The turns that it closes parts of."""
        return [one.turn_id for one in self.closing]


@decides(RepairSession, refuses=(SessionActive,))
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


@evolves(SessionRepaired)
def _repaired(_: Session, __: SessionRepaired, ___: Recorded) -> Changes:
    # What was open has been closed by the events before it.
    return {}
