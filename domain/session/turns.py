"""What is allowed with turns: one runs at a time, each ends once and leaves nothing open."""

from typing import Literal

from domain.errors import TurnExists, TurnInProgress
from domain.session.commands import CancelTurn, CompleteTurn, FailTurn, StartTurn
from domain.session.events import (
    PermissionDecided,
    SessionEvent,
    ToolReturned,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
)
from domain.session.guards import require_active, require_running
from domain.session.messages import require_message, require_new_message
from domain.session.state import Session, TurnOutcome
from domain.values import Failure, ToolOutcome, Usage, require_name, require_summary


def start(session: Session, command: StartTurn) -> list[SessionEvent]:
    """Give input to the agent of an active session in which no turn runs."""
    require_active(session)
    require_name(command.turn_id, "turn_id")
    require_message(command.message_id, command.parts)
    running = session.turns.running
    if running is not None:
        raise TurnInProgress(None, turn_id=running.turn_id)
    if command.turn_id in session.turns.ended:
        raise TurnExists(None, turn_id=command.turn_id)
    require_new_message(session, command.message_id)
    return [
        TurnStarted(
            turn_id=command.turn_id,
            source=command.source,
            message_id=command.message_id,
            parts=command.parts,
        )
    ]


def complete(session: Session, command: CompleteTurn) -> list[SessionEvent]:
    """End the turn as finished; finished already, it is already so."""
    if _ended_as(session, command.turn_id, "completed"):
        return []
    require_name(command.stop_reason, "stop_reason")
    require_running(session, command.turn_id)
    return close_turn(session, "completed", reason=command.stop_reason, usage=command.usage)


def fail(session: Session, command: FailTurn) -> list[SessionEvent]:
    """End the turn as broken; broken already, it is already so."""
    if _ended_as(session, command.turn_id, "failed"):
        return []
    require_name(command.failure.kind, "kind")
    require_summary(command.failure.summary, "summary")
    require_running(session, command.turn_id)
    return close_turn(session, "failed", failure=command.failure)


def cancel(session: Session, command: CancelTurn) -> list[SessionEvent]:
    """End this very turn, never the one after it; cancelled already, it is already so."""
    if _ended_as(session, command.turn_id, "cancelled"):
        return []
    require_name(command.reason, "reason")
    require_running(session, command.turn_id)
    return close_turn(session, "cancelled", reason=command.reason)


def _ended_as(session: Session, turn_id: str, outcome: TurnOutcome) -> bool:
    return session.turns.ended.get(turn_id) == outcome


_OPEN_CALLS_BECOME: dict[TurnOutcome, ToolOutcome] = {
    "completed": "abandoned",
    "failed": "failed",
    "cancelled": "cancelled",
}


def close_turn(
    session: Session,
    outcome: Literal["completed", "failed", "cancelled"],
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
    events += [
        PermissionDecided(request_id=request, decision="cancelled", reason=f"turn_{outcome}")
        for request in sorted(session.interactions.pending)
    ]
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
