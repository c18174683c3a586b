"""The tests that nearly every decision begins with."""

from domain.errors import (
    Erased,
    LogDamaged,
    SessionIsDeleted,
    SessionIsStopped,
    SessionIsStopping,
    SessionNotFound,
    SessionStarting,
    TurnChanged,
    TurnEnded,
    TurnInProgress,
    TurnNotFound,
)
from domain.session.state import Session
from domain.session.work import Turn

INACTIVE = (SessionIsStopped, SessionIsStopping, SessionStarting)
"""What `require_active` refuses of a session that is there."""

NOT_RUNNING = (TurnEnded, TurnNotFound)
"""What `require_running` refuses of a session that is there."""


def require_present(session: Session) -> None:
    """Refuse a command to a session that never was, is no more, or whose beginning is damaged."""
    if session.lifecycle.phase == "absent":
        if session.begins_unread:
            raise LogDamaged("its first event cannot be read; `cairn verify` says why")
        raise SessionNotFound
    if session.lifecycle.phase == "deleted":
        raise SessionIsDeleted
    if session.lifecycle.phase == "erased":
        raise Erased


def require_active(session: Session) -> None:
    """Refuse a command that only an active session can take."""
    phase = session.lifecycle.phase
    if phase == "active":
        return
    require_present(session)
    match phase:
        case "stopped":
            raise SessionIsStopped(None, cause=session.lifecycle.stop_cause)
        case "stopping":
            raise SessionIsStopping(None, cause=session.lifecycle.stop_cause)
        case "starting":
            raise SessionStarting
        case _:
            pass


def require_idle(session: Session) -> None:
    """Refuse a command that must not change what a running turn stands on."""
    if session.turns.running is not None:
        raise TurnInProgress(None, turn_id=session.turns.running.turn_id)


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


def require_expected_turn(session: Session, expected: str | None) -> None:
    """Refuse what was meant for a turn that does not run any more, or not yet.

    Args:
        session: Where it should run.
        expected: The turn that the caller means; None means whichever runs.
    """
    running = session.turns.running.turn_id if session.turns.running else None
    if expected is not None and running != expected:
        raise TurnChanged(None, turn_id=running, expected_turn_id=expected)
