"""Recovery: a session that nobody drives any more is stopped, and what is open in it is closed."""

from dataclasses import dataclass
from datetime import datetime

from domain.repair.classification import Classification, LastSigns, classify
from domain.session.declarations import Command, decides
from domain.session.events import SessionEvent, SessionStopped
from domain.session.guards import require_present
from domain.session.interaction.interactions import cancelled_with_session
from domain.session.state import Lifecycle, Session
from domain.session.turn.turn_endings import close_turn
from domain.values import StopCause

__all__ = ["RecoverSession"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverSession(Command):
    """Stop a session that was left behind.

    Args:
        at: When it was found so, UTC.
        lease_ended: When the lease on it ran out.
        last_sign: When somebody last vouched for it.
    """

    at: datetime
    lease_ended: datetime | None = None
    last_sign: datetime | None = None


@decides(RecoverSession)
def recover(session: Session, command: RecoverSession) -> list[SessionEvent]:
    """Stop it and fail its running turn; one that is not at work is left as it is."""
    require_present(session)
    found = classification(session, command)
    if found is None:
        return []
    return [
        *close_turn(session, "failed", failure=found.failure),
        *cancelled_with_session(session, "session_stopped"),
        SessionStopped(
            cause=_cause(session.lifecycle, found),
            reason=found.reason,
            detail=found.detail,
            failure=found.failure,
        ),
    ]


def _cause(lifecycle: Lifecycle, found: Classification) -> StopCause:
    if lifecycle.phase == "stopping" and lifecycle.stop_cause is not None:
        # The first cause stands; reason and detail say that the stop did not come to its end.
        return lifecycle.stop_cause
    return "failed" if found.reason == "error" else "process_exited"


def classification(session: Session, command: RecoverSession) -> Classification | None:
    """Return what is said of a session that was left behind; None when it is not at work.

    Args:
        session: Its state.
        command: What is known beside its log.
    """
    lifecycle, turn = session.lifecycle, session.turns.running
    if lifecycle.phase == "active" and turn is None:
        return None
    ended, sign = command.lease_ended, command.last_sign
    # Whoever vouched for it after the lease was over outlived it; what they said is judged by
    # when they said it.
    outlived = sign if ended is not None and sign is not None and sign > ended else None
    return classify(
        outlived or command.at,
        LastSigns(
            state=lifecycle.phase,
            # Of one that was not to stop, it is what an earlier activation died of.
            failure=lifecycle.failure if lifecycle.phase == "stopping" else None,
            alive=outlived is not None,
            stalled=session.health.stalled is not None,
            last_activity=None if turn is None else turn.active_at,
        ),
    )
