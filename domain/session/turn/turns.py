"""What is allowed with turns: one runs at a time, and input that waits is never overtaken."""

from dataclasses import dataclass

from domain.checks import require_model, require_name
from domain.errors import (
    InputExists,
    InputsWaiting,
    InputTooLarge,
    Invalid,
    InvalidRuntimeOverride,
    MessageExists,
    ModelNotOffered,
    ModelSwitchingUnsupported,
    QueueFull,
    TurnChanged,
    TurnExists,
    TurnInProgress,
)
from domain.replacing import replace
from domain.session.content.messages import require_message, require_new_message
from domain.session.declarations import Command, decides, evolves
from domain.session.environment.runtime import require_choice
from domain.session.events import (
    InputsFenced,
    Recorded,
    SessionEvent,
    TurnProgressNoted,
    TurnStarted,
)
from domain.session.guards import INACTIVE, require_active, require_expected_turn
from domain.session.state import Changes, Session
from domain.session.turn import input_queue
from domain.session.turn.input_queue import NewInput
from domain.session.turn.turn_endings import close_turn
from domain.session.work import Turn
from domain.values import (
    Identity,
    InputMode,
    JsonObject,
    ModelChoice,
    Part,
    TurnSource,
)

__all__ = ["DispatchInput", "Interrupt", "QueueInputs", "StartTurn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTurn(Command):
    """Give the agent input."""

    turn_id: Identity[str]
    message_id: Identity[str]
    parts: tuple[Part, ...]
    source: TurnSource = "user"
    mode: InputMode | None = None
    expected_turn_id: str | None = None
    meta: JsonObject | None = None
    model: ModelChoice | None = None


@decides(
    StartTurn,
    refuses=(
        *INACTIVE,
        InputExists,
        InputTooLarge,
        InputsWaiting,
        InvalidRuntimeOverride,
        MessageExists,
        ModelNotOffered,
        ModelSwitchingUnsupported,
        QueueFull,
        TurnChanged,
        TurnExists,
        TurnInProgress,
    ),
)
def start(session: Session, command: StartTurn) -> list[SessionEvent]:
    """Give input to the agent of an active session.

    While another turn runs, the mode decides: the input waits for its own turn (queue), reaches
    the running one at its next tool boundary (steer), or takes its place (interrupt); with
    interrupt_if_waiting it does so where the running turn waits for a person and no input waits,
    else it waits. Nothing overtakes input that waits already.
    """
    require_active(session)
    require_name(command.turn_id, "turn_id")
    require_message(command.message_id, command.parts, "input.")
    input_queue.require_reason(command.source, command.meta)
    require_model(command.model)
    if command.model is not None:
        require_choice(session, command.model)
    if command.model is not None and command.mode == "steer":
        raise Invalid("what steers a turn is answered by its model", field="model")
    require_expected_turn(session, command.expected_turn_id)
    require_new_turn(session, command.turn_id)
    require_new_message(session, command.message_id)
    if command.mode not in (None, "interrupt"):
        # The limit holds even if nothing runs: the same request must not pass or fail by chance.
        largest = session.lifecycle.limits.input_bytes or input_queue.MAX_BYTES
        input_queue.require_size(input_queue.whole(command.parts, command.meta), largest)
    running = session.turns.running
    begun = TurnStarted(
        turn_id=command.turn_id,
        source=command.source,
        message_id=command.message_id,
        parts=command.parts,
        meta=command.meta,
        agent=input_queue.agent_of(session),
        model=command.model,
    )
    if command.mode == "interrupt" or (
        command.mode == "interrupt_if_waiting" and _waits_for_a_person(session)
    ):
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
        model=command.model,
    )
    if running is None:
        return input_queue.behind_the_oldest(session, [waiting], command.source)
    queued = input_queue.queued(session, [waiting], command.source)
    if command.mode == "steer":
        return [*queued, input_queue.staged(command.turn_id, running)]
    return queued


def _waits_for_a_person(session: Session) -> bool:
    """Return whether the running turn waits for a person, and no input waits behind it."""
    running = session.turns.running
    if running is None or session.inputs.waiting:
        return False
    pending = session.interactions.pending.values()
    return any(one.turn_id == running.turn_id for one in pending)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueInputs(Command):
    """Have inputs run one after the other: all are taken or none; `hold` starts none of them."""

    inputs: tuple[NewInput, ...]
    source: TurnSource = "followup"
    hold: bool = False


@decides(
    QueueInputs,
    refuses=(
        *INACTIVE,
        InputExists,
        InputTooLarge,
        InvalidRuntimeOverride,
        MessageExists,
        ModelNotOffered,
        ModelSwitchingUnsupported,
        QueueFull,
        TurnExists,
        TurnInProgress,
    ),
)
def queue(session: Session, command: QueueInputs) -> list[SessionEvent]:
    """Have inputs run one after the other; the first one at once if nothing runs."""
    require_active(session)
    for one in command.inputs:
        require_new_turn(session, one.input_id)
    idle = session.turns.running is None and not command.hold
    if idle and session.inputs.waiting:
        return input_queue.behind_the_oldest(session, command.inputs, command.source)
    queued = input_queue.queued(session, command.inputs, command.source)
    return (
        [*queued, *input_queue.first_turn(session, command.inputs[0], command.source)]
        if idle
        else queued
    )


@dataclass(frozen=True, slots=True)
class DispatchInput(Command):
    """Begin the turn of the oldest input that waits."""


@decides(DispatchInput, refuses=(*INACTIVE, TurnInProgress))
def dispatch(session: Session, _: object) -> list[SessionEvent]:
    """Begin the turn of the oldest input; when none waits there is nothing to do."""
    require_active(session)
    if session.turns.running is not None:
        raise TurnInProgress(None, turn_id=session.turns.running.turn_id)
    return input_queue.next_turn(session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt(Command):
    """Cancel the running turn and all that waits behind it."""

    expected_turn_id: str | None = None
    reason: str = "interrupted"


@decides(Interrupt, refuses=(*INACTIVE, TurnChanged))
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


@evolves(TurnStarted)
def _started(session: Session, event: TurnStarted, recorded: Recorded) -> Changes:
    turn = Turn(
        turn_id=event.turn_id,
        source=event.source,
        started_at=recorded.at,
        sequence=recorded.sequence,
        model=event.model,
        active_at=recorded.at,
        noted_at=recorded.at,
    )
    return {
        "turns": replace(session.turns, running=turn),
        "totals": replace(session.totals, turns=session.totals.turns + 1),
        "messages": session.messages.put(event.message_id, recorded.sequence),
    }


@evolves(TurnProgressNoted)
def _noted(session: Session, _: TurnProgressNoted, recorded: Recorded) -> Changes:
    turn = session.turns.running
    if turn is None:
        return {}
    return {"turns": replace(session.turns, running=replace(turn, noted_at=recorded.at))}
