"""What is allowed with turns: one runs at a time, each ends once and leaves nothing open."""

from dataclasses import dataclass
from typing import Literal

from domain.errors import (
    InputsWaiting,
    NoTurnInProgress,
    TurnExists,
    TurnInProgress,
)
from domain.redaction import redacted_failure
from domain.replacing import replace
from domain.session import inputs
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    InputsFenced,
    Recorded,
    SessionEvent,
    SessionStopped,
    ToolReturned,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnProgressNoted,
    TurnStarted,
)
from domain.session.guards import (
    require_active,
    require_expected_turn,
    require_present,
    require_running,
)
from domain.session.inputs import NewInput
from domain.session.interactions import cancelled_with_session, cancelled_with_turn
from domain.session.messages import require_message, require_new_message
from domain.session.state import Changes, Session, Totals, Turn, TurnOutcome, Turns
from domain.values import (
    COUNTS,
    Failure,
    Identity,
    JsonObject,
    Part,
    ToolOutcome,
    TurnSource,
    Usage,
    require_name,
    require_summary,
)

__all__ = [
    "CancelTurn",
    "CompleteTurn",
    "DispatchInput",
    "FailTurn",
    "Interrupt",
    "QueueInputs",
    "StartTurn",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTurn(Command):
    """Give the agent input."""

    turn_id: Identity[str]
    message_id: Identity[str]
    parts: tuple[Part, ...]
    source: TurnSource = "user"
    mode: Literal["queue", "interrupt", "steer"] | None = None
    expected_turn_id: str | None = None
    meta: JsonObject | None = None


@decides(StartTurn)
def start(session: Session, command: StartTurn) -> list[SessionEvent]:
    """Give input to the agent of an active session.

    While another turn runs, the mode decides: the input waits for its own turn (queue), reaches
    the running one at its next tool boundary (steer), or takes its place (interrupt). Nothing
    overtakes input that waits already.
    """
    require_active(session)
    require_name(command.turn_id, "turn_id")
    require_message(command.message_id, command.parts)
    inputs.require_reason(command.source, command.meta)
    require_expected_turn(session, command.expected_turn_id)
    require_new_turn(session, command.turn_id)
    require_new_message(session, command.message_id)
    running = session.turns.running
    begun = TurnStarted(
        turn_id=command.turn_id,
        source=command.source,
        message_id=command.message_id,
        parts=command.parts,
        meta=command.meta,
    )
    if command.mode == "interrupt":
        return [*fence(session), *close_turn(session, "cancelled", reason="interrupted"), begun]
    if running is None and not session.inputs.waiting:
        return [begun]
    if command.mode is None:
        if running is not None:
            raise TurnInProgress(None, turn_id=running.turn_id)
        raise InputsWaiting(None, waiting=len(session.inputs.waiting))
    waiting = NewInput(
        input_id=command.turn_id,
        message_id=command.message_id,
        parts=command.parts,
        meta=command.meta,
    )
    if running is None:
        return inputs.behind_the_oldest(session, [waiting], command.source)
    queued = inputs.queued(session, [waiting], command.source)
    if command.mode == "steer":
        return [*queued, inputs.staged(command.turn_id, running)]
    return queued


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInputs(Command):
    """Have inputs run one after the other: all are taken or none; `hold` starts none of them."""

    inputs: tuple[NewInput, ...]
    source: TurnSource = "followup"
    hold: bool = False


@decides(QueueInputs)
def queue(session: Session, command: QueueInputs) -> list[SessionEvent]:
    """Have inputs run one after the other; the first one at once if nothing runs."""
    require_active(session)
    for one in command.inputs:
        require_new_turn(session, one.input_id)
    idle = session.turns.running is None and not command.hold
    if idle and session.inputs.waiting:
        return inputs.behind_the_oldest(session, command.inputs, command.source)
    queued = inputs.queued(session, command.inputs, command.source)
    return [*queued, *inputs.first_turn(command.inputs[0], command.source)] if idle else queued


@dataclass(frozen=True, slots=True)
class DispatchInput(Command):
    """Begin the turn of the oldest input that waits."""


@decides(DispatchInput)
def dispatch(session: Session, _: object) -> list[SessionEvent]:
    """Begin the turn of the oldest input; when none waits there is nothing to do."""
    require_active(session)
    if session.turns.running is not None:
        raise TurnInProgress(None, turn_id=session.turns.running.turn_id)
    return inputs.next_turn(session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt(Command):
    """Cancel the running turn and all that waits behind it."""

    expected_turn_id: str | None = None
    reason: str = "interrupted"


@decides(Interrupt)
def interrupt(session: Session, command: Interrupt) -> list[SessionEvent]:
    """Cancel the running turn and all that waits; idle with nothing waiting it is already so."""
    require_active(session)
    require_expected_turn(session, command.expected_turn_id)
    require_name(command.reason, "reason")
    return [*fence(session), *close_turn(session, "cancelled", reason=command.reason)]


def fence(session: Session) -> list[SessionEvent]:
    """Return what keeps all that waits from ever running; nothing when there is nothing to do."""
    waiting = session.inputs.in_order()
    if not waiting and session.turns.running is None:
        return []
    return [
        InputsFenced(
            generation=session.inputs.generation + 1,
            cancelled=tuple(one.input_id for one in waiting),
        )
    ]


def require_new_turn(session: Session, turn_id: str) -> None:
    """Refuse an id that another turn has, or an input that waits for one."""
    running = session.turns.running
    if (
        turn_id in session.turns.ended
        or (running is not None and running.turn_id == turn_id)
        or turn_id in session.inputs.waiting
        or turn_id in session.inputs.ended
    ):
        if running is not None and running.turn_id == turn_id:
            raise TurnInProgress(None, turn_id=turn_id)
        raise TurnExists(None, turn_id=turn_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteTurn(Command):
    """End the turn as finished."""

    turn_id: Identity[str]
    stop_reason: str = "end_turn"
    usage: Usage | None = None


@decides(CompleteTurn)
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


@decides(FailTurn)
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


@decides(CancelTurn)
def cancel(session: Session, command: CancelTurn) -> list[SessionEvent]:
    """End this very turn, never the one after it; cancelled already, it is already so."""
    require_present(session)
    if _ended_as(session, command.turn_id, "cancelled"):
        return []
    require_name(command.reason, "reason")
    require_running(session, command.turn_id)
    closed = close_turn(session, "cancelled", reason=command.reason)
    return [*closed, *_what_follows(session, hold=command.hold)]


def require_any_turn(session: Session) -> Turn:
    """Return the running turn, whichever it is.

    Raises:
        NoTurnInProgress: None runs.
    """
    if session.turns.running is None:
        raise NoTurnInProgress
    return session.turns.running


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
    return [] if hold else inputs.next_turn(session)


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


@evolves(TurnStarted)
def _started(session: Session, event: TurnStarted, recorded: Recorded) -> Changes:
    turn = Turn(
        turn_id=event.turn_id,
        source=event.source,
        started_at=recorded.at,
        sequence=recorded.sequence,
        active_at=recorded.at,
        noted_at=recorded.at,
    )
    return {
        "turns": replace(session.turns, running=turn),
        "totals": replace(session.totals, turns=session.totals.turns + 1),
        "messages": session.messages.put(event.message_id, recorded.sequence),
    }


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
        "turns": Turns(running=None, ended=session.turns.ended.put(turn_id, outcome))
    }
    if session.health.stalled is not None:
        # A stall is the turn's: it ends with it.
        changes["health"] = replace(session.health, stalled=None)
    return changes


@evolves(TurnProgressNoted)
def _noted(session: Session, _: TurnProgressNoted, recorded: Recorded) -> Changes:
    turn = session.turns.running
    if turn is None:
        return {}
    return {"turns": replace(session.turns, running=replace(turn, noted_at=recorded.at))}


def beyond(whole: Usage | None, parts: Usage | None) -> Usage | None:
    """Return what the end of a turn says was used beyond what was reported within it.

    Args:
        whole: What the turn used in all, as its end says.
        parts: What its reports have counted already.
    """
    if whole is None or parts is None:
        return whole
    rest = {
        name: max(0, count - (getattr(parts, name) or 0))
        for name in COUNTS
        if (count := getattr(whole, name)) is not None
    }
    return Usage(**rest, currency=whole.currency)


def add_usage(totals: Totals, usage: Usage | None) -> Totals:
    """Return totals with what a turn has used."""
    if usage is None:
        return totals
    cost = totals.cost if usage.cost is None else (totals.cost or 0.0) + usage.cost
    return replace(
        totals,
        input_tokens=totals.input_tokens + (usage.input_tokens or 0),
        output_tokens=totals.output_tokens + (usage.output_tokens or 0),
        cost=cost,
    )
