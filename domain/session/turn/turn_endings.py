"""What is allowed with the end of a turn: it ends once and leaves nothing open."""

from dataclasses import dataclass

from domain.checks import require_name, require_summary
from domain.redaction import redacted_failure
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    Recorded,
    SessionEvent,
    SessionStopped,
    ToolReturned,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
)
from domain.session.guards import NOT_RUNNING, require_present, require_running
from domain.session.interaction.interactions import (
    cancelled_with_session,
    cancelled_with_turn,
    left_behind,
)
from domain.session.state import Changes, Session
from domain.session.turn import input_queue
from domain.session.turn.usage import add_usage, beyond
from domain.session.work import TurnOutcome
from domain.values import (
    Failure,
    Identity,
    ToolOutcome,
    Usage,
)

__all__ = ["CancelTurn", "CompleteTurn", "FailTurn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteTurn(Command):
    """End the turn as finished."""

    turn_id: Identity[str]
    stop_reason: str = "end_turn"
    usage: Usage | None = None


@decides(CompleteTurn, refuses=NOT_RUNNING)
def complete(session: Session, command: CompleteTurn) -> list[SessionEvent]:
    """End the turn as finished; finished already, it is already so."""
    require_present(session)
    if _ended_as(session, command.turn_id, "completed"):
        return []
    require_name(command.stop_reason, "stop_reason")
    require_running(session, command.turn_id)
    closed = close_turn(session, "completed", reason=command.stop_reason, usage=command.usage)
    return [*closed, *_what_follows(session)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailTurn(Command):
    """End the turn as broken."""

    turn_id: Identity[str]
    failure: Failure


@decides(FailTurn, refuses=NOT_RUNNING)
def fail(session: Session, command: FailTurn) -> list[SessionEvent]:
    """End the turn as broken; broken already, it is already so."""
    require_present(session)
    if _ended_as(session, command.turn_id, "failed"):
        return []
    require_name(command.failure.kind, "kind")
    require_summary(command.failure.summary, "summary")
    require_running(session, command.turn_id)
    closed = close_turn(session, "failed", failure=redacted_failure(command.failure))
    return [*closed, *_what_follows(session)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTurn(Command):
    """End the turn because somebody wants it."""

    turn_id: Identity[str]
    reason: str = "user_requested"
    hold: bool = False


@decides(CancelTurn, refuses=NOT_RUNNING)
def cancel(session: Session, command: CancelTurn) -> list[SessionEvent]:
    """End this very turn, never the one after it; cancelled already, it is already so."""
    require_present(session)
    if _ended_as(session, command.turn_id, "cancelled"):
        return []
    require_name(command.reason, "reason")
    require_running(session, command.turn_id)
    closed = close_turn(session, "cancelled", reason=command.reason)
    return [*closed, *_what_follows(session, hold=command.hold)]


def _ended_as(session: Session, turn_id: str, outcome: TurnOutcome) -> bool:
    return session.turns.ended.get(turn_id) == outcome


def _what_follows(session: Session, *, hold: bool = False) -> list[SessionEvent]:
    """Return what the end of the running turn leads to: the stop that waited for it, or the next.

    Args:
        session: As it was before the end.
        hold: Leave what waits where it is.
    """
    lifecycle = session.lifecycle
    if lifecycle.phase == "stopping" and lifecycle.stop_cause and lifecycle.stop_reason:
        stopped = SessionStopped(
            cause=lifecycle.stop_cause,
            reason=lifecycle.stop_reason,
            detail=lifecycle.stop_detail,
            failure=lifecycle.failure,
        )
        return [*cancelled_with_session(session, "session_stopped"), stopped]
    return [] if hold else input_queue.next_turn(session)


_OPEN_CALLS_BECOME: dict[TurnOutcome, ToolOutcome] = {
    "completed": "abandoned",
    "failed": "failed",
    "cancelled": "cancelled",
}


def close_turn(
    session: Session,
    outcome: TurnOutcome,
    *,
    reason: str = "",
    failure: Failure | None = None,
    usage: Usage | None = None,
) -> list[SessionEvent]:
    """Return what ends the running turn and all that is open in it; nothing when none runs.

    Closing open calls and requests in the same append is what keeps a session from being left
    with an orphan that bars its next turn.

    Args:
        session: Where the turn runs.
        outcome: How it ends.
        reason: The stop reason of a completed turn, or why it was cancelled.
        failure: Why it failed, with `outcome="failed"`.
        usage: What it used in all, when the runtime says so at the end.
    """
    turn = session.turns.running
    if turn is None:
        return []
    events: list[SessionEvent] = [
        ToolReturned(tool_call_id=call, status=_OPEN_CALLS_BECOME[outcome])
        for call in sorted(turn.open_calls, key=lambda call: turn.open_calls[call].sequence)
    ]
    events += cancelled_with_turn(session, turn.turn_id, f"turn_{outcome}")
    match outcome:
        case "completed":
            ended: SessionEvent = TurnCompleted(
                turn_id=turn.turn_id, stop_reason=reason, usage=usage
            )
        case "failed":
            ended = TurnFailed(
                turn_id=turn.turn_id, failure=failure or Failure(kind="unknown_failure")
            )
        case "cancelled":
            ended = TurnCancelled(turn_id=turn.turn_id, reason=reason)
    return [*events, ended]


@evolves(TurnCompleted)
def _completed(session: Session, event: TurnCompleted, _: Recorded) -> Changes:
    changes = _ended(session, event.turn_id, "completed")
    turn = session.turns.running
    reported = None if turn is None else turn.usage
    changes["totals"] = add_usage(session.totals, beyond(event.usage, reported))
    return changes


@evolves(TurnFailed)
def _failed(session: Session, event: TurnFailed, _: Recorded) -> Changes:
    return _ended(session, event.turn_id, "failed")


@evolves(TurnCancelled)
def _cancelled(session: Session, event: TurnCancelled, _: Recorded) -> Changes:
    return _ended(session, event.turn_id, "cancelled")


def _ended(session: Session, turn_id: str, outcome: TurnOutcome) -> Changes:
    changes: Changes = {
        "turns": replace(
            session.turns, running=None, ended=session.turns.ended.put(turn_id, outcome)
        )
    }
    pending = session.interactions.pending
    if pending and (left := [one for one in pending.values() if one.turn_id == turn_id]):
        changes["interactions"] = left_behind(session, left)
    if session.health.stalled is not None:
        # A stall is the turn's: it ends with it.
        changes["health"] = replace(session.health, stalled=None)
    return changes
