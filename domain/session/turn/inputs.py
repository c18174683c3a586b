"""What is allowed with input that waits: it keeps its order, and is never lost or run twice."""

from dataclasses import dataclass

from domain.checks import require_name
from domain.errors import (
    InputEnded,
    InputNotFound,
    InputTooLarge,
    Invalid,
    NoTurnInProgress,
    QueueFull,
    TurnChanged,
)
from domain.replacing import replace
from domain.session.content.messages import require_message
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    InputCancelled,
    InputDispatched,
    InputEdited,
    InputQueued,
    InputsFenced,
    InputStaged,
    InputSteered,
    Recorded,
    SessionEvent,
)
from domain.session.guards import (
    NOT_RUNNING,
    require_expected_turn,
    require_present,
    require_running,
)
from domain.session.state import Changes, Session
from domain.session.turn.input_queue import (
    MAX_BYTES,
    require_room,
    require_size,
    same_parts,
    size_of,
    staged,
    steered,
    whole,
)
from domain.session.work import Input, InputOutcome, Inputs
from domain.values import Identity, Part

__all__ = ["CancelInput", "EditInput", "PromoteInput", "TakeInputs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditInput(Command):
    """Change what waits."""

    input_id: Identity[str]
    parts: tuple[Part, ...]


@decides(EditInput, refuses=(InputEnded, InputNotFound, InputTooLarge, QueueFull))
def edit(session: Session, command: EditInput) -> list[SessionEvent]:
    """Change what waits; as it is already, nothing changes."""
    require_present(session)
    waiting = _require_waiting(session, command.input_id)
    require_message(waiting.message_id, command.parts)
    largest = session.lifecycle.limits.input_bytes or MAX_BYTES
    size = require_size(whole(command.parts, waiting.meta), largest)
    require_room(session, size - waiting.size)
    if same_parts(waiting.parts, command.parts):
        return []
    return [InputEdited(input_id=command.input_id, parts=command.parts)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteInput(Command):
    """Have what waits reach the agent within the running turn."""

    input_id: Identity[str]
    expected_turn_id: str | None = None


@decides(PromoteInput, refuses=(InputEnded, InputNotFound, NoTurnInProgress, TurnChanged))
def promote(session: Session, command: PromoteInput) -> list[SessionEvent]:
    """Have what waits reach the running turn; if it is to do that already, it is already so."""
    require_present(session)
    waiting = _require_waiting(session, command.input_id)
    require_expected_turn(session, command.expected_turn_id)
    running = session.turns.running
    if running is None:
        raise NoTurnInProgress
    if waiting.model is not None:
        raise Invalid("an input with a model needs a turn of its own", field="model")
    return [] if waiting.steers == running.turn_id else [staged(command.input_id, running)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelInput(Command):
    """Take back what waits."""

    input_id: Identity[str]
    reason: str = "user_requested"


@decides(CancelInput, refuses=(InputEnded, InputNotFound))
def cancel(session: Session, command: CancelInput) -> list[SessionEvent]:
    """Take back what waits; once it has ended, however, nothing changes."""
    require_present(session)
    require_name(command.reason, "reason")
    if command.input_id in session.inputs.ended:
        return []
    _require_waiting(session, command.input_id)
    return [InputCancelled(input_id=command.input_id, reason=command.reason)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeInputs(Command):
    """Give what is staged to the agent now."""

    turn_id: Identity[str]


@decides(TakeInputs, refuses=NOT_RUNNING)
def take(session: Session, command: TakeInputs) -> list[SessionEvent]:
    """Give what is staged for the running turn to its agent."""
    turn = require_running(session, command.turn_id)
    return steered(session, turn)


def _require_waiting(session: Session, input_id: str) -> Input:
    waiting = session.inputs.waiting.get(input_id)
    if waiting is not None:
        return waiting
    outcome = session.inputs.ended.get(input_id)
    if outcome is not None:
        raise InputEnded(None, input_id=input_id, outcome=outcome)
    raise InputNotFound(None, input_id=input_id)


@evolves(InputQueued)
def _queued(session: Session, event: InputQueued, recorded: Recorded) -> Changes:
    try:
        size = size_of(whole(event.parts, event.meta))
    except Invalid:
        size = 0
    one = Input(
        input_id=event.input_id,
        message_id=event.message_id,
        parts=event.parts,
        source=event.source,
        meta=event.meta,
        model=event.model,
        sequence=recorded.sequence,
        queued_at=recorded.at,
        size=size,
    )
    now = session.inputs
    return {
        "inputs": replace(
            now,
            waiting=now.waiting.put(event.input_id, one),
            message_ids=now.message_ids.put(event.message_id, event.input_id),
            size=now.size + size,
        )
    }


@evolves(InputStaged)
def _staged(session: Session, event: InputStaged, _: Recorded) -> Changes:
    now = session.inputs
    one = now.waiting.get(event.input_id)
    if one is None:
        return {}
    staged = replace(one, steers=event.turn_id)
    return {"inputs": replace(now, waiting=now.waiting.put(event.input_id, staged))}


@evolves(InputEdited)
def _edited(session: Session, event: InputEdited, _: Recorded) -> Changes:
    now = session.inputs
    one = now.waiting.get(event.input_id)
    if one is None:
        return {}
    try:
        size = size_of(whole(event.parts, one.meta))
    except Invalid:
        size = one.size
    edited = replace(one, parts=event.parts, size=size)
    waiting = now.waiting.put(event.input_id, edited)
    return {"inputs": replace(now, waiting=waiting, size=now.size - one.size + size)}


@evolves(InputSteered)
def _steered(session: Session, event: InputSteered, recorded: Recorded) -> Changes:
    return {
        "inputs": _without(session.inputs, event.input_id, "steered"),
        "messages": session.messages.put(event.message_id, recorded.sequence),
    }


@evolves(InputDispatched)
def _dispatched(session: Session, event: InputDispatched, _: Recorded) -> Changes:
    return {"inputs": _without(session.inputs, event.input_id, "dispatched")}


@evolves(InputCancelled)
def _cancelled(session: Session, event: InputCancelled, _: Recorded) -> Changes:
    return {"inputs": _without(session.inputs, event.input_id, "cancelled")}


@evolves(InputsFenced)
def _fenced(session: Session, event: InputsFenced, _: Recorded) -> Changes:
    ended = session.inputs.ended.put_all(session.inputs.waiting, "cancelled")
    return {"inputs": Inputs(generation=event.generation, ended=ended)}


def _without(inputs: Inputs, input_id: str, outcome: InputOutcome) -> Inputs:
    one = inputs.waiting.get(input_id)
    if one is None:
        return replace(inputs, ended=inputs.ended.put(input_id, outcome))
    return replace(
        inputs,
        waiting=inputs.waiting.drop(input_id),
        message_ids=inputs.message_ids.drop(one.message_id),
        ended=inputs.ended.put(input_id, outcome),
        size=inputs.size - one.size,
    )
