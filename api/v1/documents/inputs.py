"""What clients see of input that waits, and of what a command did to it."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.session.events import (
    InputsFenced,
    InputSteered,
    SessionEvent,
    TurnCancelled,
    TurnStarted,
)
from domain.session.state import Input, Session
from domain.values import rfc3339


def waiting_documents(session: Session) -> list[dict[str, Any]]:
    """Return all that waits, the next one first."""
    return [
        _document(session, one, place)
        for place, one in enumerate(session.inputs.in_order(), start=1)
    ]


def waiting_document(session: Session, input_id: str) -> dict[str, Any] | None:
    """Return an input that waits; None when it does not."""
    one = session.inputs.waiting.get(input_id)
    return None if one is None else _document(session, one, _place(session, one))


def standing(session: Session, input_id: str) -> Mapping[str, Any]:
    """Return where an input that waits stands: its status, its place and what it steers."""
    one = session.inputs.waiting[input_id]
    steers = _steers(session, one)
    return {
        "status": "queued" if steers is None else "staged",
        "queue_position": _place(session, one),
        "steers": steers,
    }


def _document(session: Session, one: Input, place: int) -> dict[str, Any]:
    steers = _steers(session, one)
    return {
        "input_id": one.input_id,
        "message_id": one.message_id,
        "parts": one.parts,
        "meta": one.meta,
        "mode": "queue" if steers is None else "steer",
        "steers": steers,
        "source": one.source,
        "queue_position": place,
        "sequence": one.sequence,
        "queued_at": rfc3339(one.queued_at),
    }


def _place(session: Session, one: Input) -> int:
    return 1 + sum(other.sequence < one.sequence for other in session.inputs.waiting.values())


def _steers(session: Session, one: Input) -> str | None:
    # One that was to steer a turn which has ended is like any other that waits.
    running = session.turns.running
    return one.steers if running is not None and running.turn_id == one.steers else None


def next_turn_of(events: Sequence[SessionEvent]) -> str | None:
    """Return the turn that a command has begun."""
    return next((one.turn_id for one in events if isinstance(one, TurnStarted)), None)


def taken_of(events: Sequence[SessionEvent]) -> list[dict[str, Any]]:
    """Return the inputs that a command has given to the agent."""
    return [
        {
            "input_id": one.input_id,
            "message_id": one.message_id,
            "parts": one.parts,
            "source": one.source,
            "meta": one.meta,
        }
        for one in events
        if isinstance(one, InputSteered)
    ]


def ended_of(events: Sequence[SessionEvent]) -> dict[str, Any]:
    """Return the turn and the inputs that an interruption has put an end to."""
    return {
        "previous_turn_id": next(
            (one.turn_id for one in events if isinstance(one, TurnCancelled)), None
        ),
        "cancelled_inputs": next(
            (one.cancelled for one in events if isinstance(one, InputsFenced)), ()
        ),
    }
