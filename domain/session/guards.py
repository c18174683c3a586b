"""The tests that nearly every decision begins with."""

from domain.errors import SessionDeleted, SessionNotFound, SessionStopped, TurnEnded, TurnNotFound
from domain.session.state import Session, Turn


def require_present(session: Session) -> None:
    """Refuse a command to a session that never was, or is no more."""
    if session.lifecycle.phase == "absent":
        raise SessionNotFound
    if session.lifecycle.phase == "deleted":
        raise SessionDeleted


def require_active(session: Session) -> None:
    """Refuse a command that only an active session can take."""
    require_present(session)
    if session.lifecycle.phase == "stopped":
        raise SessionStopped(None, cause=session.lifecycle.stop_cause)


def require_running(session: Session, turn_id: str) -> Turn:
    """Return the running turn.

    Args:
        session: Where it should run.
        turn_id: Which turn the caller means.

    Raises:
        TurnEnded: It ran, and has ended.
        TurnNotFound: This session never had it.
    """
    require_present(session)
    running = session.turns.running
    if running is not None and running.turn_id == turn_id:
        return running
    outcome = session.turns.ended.get(turn_id)
    if outcome is not None:
        raise TurnEnded(None, turn_id=turn_id, outcome=outcome)
    raise TurnNotFound(None, turn_id=turn_id)
