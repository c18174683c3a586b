"""The queue of inputs: what may wait in it, and how it leaves.

An input's id is the id that its turn will have, so that whoever sent it knows at once what to
follow. It waits in the log: a restart changes nothing.
"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from domain.checks import About, require_model, require_name, require_summary
from domain.errors import InputExists, InputTooLarge, Invalid, QueueFull
from domain.session.content.messages import require_message, require_new_message
from domain.session.environment.runtime import require_choice
from domain.session.events import (
    InputDispatched,
    InputQueued,
    InputStaged,
    InputSteered,
    SessionEvent,
    TurnStarted,
)
from domain.session.state import Session
from domain.session.work import Input, Turn
from domain.values import (
    Identity,
    JsonObject,
    ModelChoice,
    Part,
    TurnSource,
)

__all__ = ["NewInput"]


MAX_WAITING = 100
MAX_BYTES = 64 * 1024
MAX_BYTES_IN_ALL = 1024 * 1024
"""A state is kept in memory: what waits may not make it grow without bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInput:
    """Input that is to have a turn of its own."""

    input_id: Identity[str]
    message_id: Identity[str]
    parts: tuple[Part, ...]
    meta: JsonObject | None = None
    model: ModelChoice | None = None


def queued(
    session: Session,
    new: Sequence[NewInput],
    source: TurnSource,
    *,
    leaves: Input | None = None,
) -> list[SessionEvent]:
    """Return what makes inputs wait, all of them or none.

    Args:
        session: Where they are to wait.
        new: At least one.
        source: Where they come from.
        leaves: What waits no more when they come, and makes room.

    Raises:
        QueueFull: Fewer would fit now.
        InputTooLarge: One of them, or all together, are larger than may ever wait.
        Invalid: They are more than may ever wait.
    """
    if not new:
        raise Invalid("inputs must have at least one input", field="inputs")
    limits = session.lifecycle.limits
    most = limits.queued_inputs or MAX_WAITING
    largest = limits.input_bytes or MAX_BYTES
    if len(new) > most:
        # It would never fit: to try again is no advice.
        raise Invalid(f"{len(new)} inputs; at most {most} may wait", field="inputs", limit=most)
    size = 0
    seen: set[str] = set()
    events: list[SessionEvent] = []
    for index, one in enumerate(new):
        with About(index) if len(new) > 1 else nullcontext():
            _require_input(session, one, source, f"inputs[{index}].")
            size += require_size(whole(one.parts, one.meta), largest)
        if one.input_id in seen or f"message {one.message_id}" in seen:
            raise Invalid("two inputs have the same id", field="inputs")
        seen |= {one.input_id, f"message {one.message_id}"}
        events.append(
            InputQueued(
                input_id=one.input_id,
                message_id=one.message_id,
                parts=one.parts,
                source=source,
                generation=session.inputs.generation,
                meta=one.meta,
                model=one.model,
            )
        )
    if size > MAX_BYTES_IN_ALL:
        raise InputTooLarge(
            f"inputs of {size} bytes together; at most {MAX_BYTES_IN_ALL} may wait",
            limit=MAX_BYTES_IN_ALL,
        )
    if len(session.inputs.waiting) - (leaves is not None) + len(new) > most:
        raise QueueFull(None, waiting=len(session.inputs.waiting), limit=most)
    require_room(session, size - (leaves.size if leaves else 0))
    return events


def _require_input(session: Session, one: NewInput, source: TurnSource, within: str) -> None:
    require_name(one.input_id, f"{within}id")
    require_message(one.message_id, one.parts, within)
    require_new_message(session, one.message_id)
    if one.input_id in session.inputs.waiting or one.input_id in session.inputs.ended:
        raise InputExists(None, input_id=one.input_id)
    require_reason(source, one.meta)
    require_model(one.model)
    if one.model is not None:
        require_choice(session, one.model)


def require_room(session: Session, more: int) -> None:
    """Refuse so many more bytes than there is room for."""
    size = session.inputs.size + more
    if size > MAX_BYTES_IN_ALL:
        raise QueueFull(
            f"{size} bytes would wait, and at most {MAX_BYTES_IN_ALL} may; "
            "try again when an input has had its turn, or take one back",
            waiting=len(session.inputs.waiting),
            size=session.inputs.size,
            limit=MAX_BYTES_IN_ALL,
        )


def behind_the_oldest(
    session: Session, new: Sequence[NewInput], source: TurnSource
) -> list[SessionEvent]:
    """Return what gives the oldest input its turn and has others wait behind the rest.

    Args:
        session: In which nothing runs, and at least one input waits.
        new: At least one; the place of the oldest is free for them.
        source: Where they come from.
    """
    return [*next_turn(session), *queued(session, new, source, leaves=_oldest(session))]


def next_turn(session: Session) -> list[SessionEvent]:
    """Return what begins the turn of the oldest input; nothing when none waits.

    Args:
        session: In which nothing runs, or the running turn is about to end.
    """
    if not session.inputs.waiting:
        return []
    oldest = _oldest(session)
    started = TurnStarted(
        turn_id=oldest.input_id,
        source=oldest.source,
        message_id=oldest.message_id,
        parts=oldest.parts,
        meta=oldest.meta,
        model=oldest.model,
        agent=agent_of(session),
    )
    fallback = True if oldest.steers is not None else None
    return [InputDispatched(input_id=oldest.input_id, fallback=fallback), started]


def _oldest(session: Session) -> Input:
    return min(session.inputs.waiting.values(), key=lambda one: one.sequence)


def first_turn(session: Session, new: NewInput, source: TurnSource) -> list[SessionEvent]:
    """Return what begins the turn of an input that has only just been queued."""
    started = TurnStarted(
        turn_id=new.input_id,
        source=source,
        message_id=new.message_id,
        parts=new.parts,
        meta=new.meta,
        model=new.model,
        agent=agent_of(session),
    )
    return [InputDispatched(input_id=new.input_id), started]


def agent_of(session: Session) -> str | None:
    """Return the name of the agent that answers now, if it is known."""
    agent = session.description.agent
    return None if agent is None else agent.name


def staged(input_id: str, turn: Turn) -> SessionEvent:
    """Return what has an input reach a running turn."""
    return InputStaged(input_id=input_id, turn_id=turn.turn_id)


def steered(session: Session, turn: Turn, tool_call_id: str | None = None) -> list[SessionEvent]:
    """Return what gives the agent all that is staged for its turn, the oldest first.

    Args:
        session: Where it waits.
        turn: The running one.
        tool_call_id: The call whose return is the boundary.
    """
    return [
        InputSteered(
            input_id=one.input_id,
            turn_id=turn.turn_id,
            message_id=one.message_id,
            parts=one.parts,
            tool_call_id=tool_call_id,
            source=one.source,
            meta=one.meta,
        )
        for one in session.inputs.in_order()
        if one.steers == turn.turn_id
    ]


def require_reason(source: TurnSource, meta: JsonObject | None) -> None:
    """Refuse input that no person sent and that does not say why it is there.

    Args:
        source: Where it comes from.
        meta: What is said of it; `reason` is needed of what is synthetic.
    """
    if source == "synthetic":
        reason = (meta or {}).get("reason")
        if not isinstance(reason, str) or not reason.strip():
            raise Invalid("synthetic input needs meta.reason: why it is there", field="meta.reason")
        require_summary(reason, "meta.reason")


def whole(parts: Sequence[Part], meta: JsonObject | None) -> Sequence[Part]:
    """Return all that is kept of an input: its parts, and what is said of it."""
    return parts if meta is None else [*parts, meta]


def require_size(parts: Sequence[Part], largest: int) -> int:
    """Return how many bytes parts are; refuse more than `largest`."""
    size = size_of(parts)
    if size > largest:
        raise InputTooLarge(f"an input of {size} bytes; at most {largest} may wait", limit=largest)
    return size


def size_of(parts: Sequence[Part]) -> int:
    """Return how many bytes parts are as compact UTF-8 JSON.

    Raises:
        Invalid: They hold what JSON cannot.
    """
    return len(_text(parts))


def _text(parts: Sequence[Part]) -> bytes:
    try:
        text = json.dumps(list(parts), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):
        raise Invalid("the parts are not JSON", field="parts") from None


def same_parts(one: Sequence[Part], other: Sequence[Part]) -> bool:
    """Return whether parts say the same, to the byte."""
    return _text(one) == _text(other)
