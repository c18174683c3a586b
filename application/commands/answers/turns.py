"""What commands answer about messages, turns, inputs and interactions."""

from collections.abc import Sequence
from typing import Any

from application.commands.answers.registry import Accepted, Answer, answers
from application.reads.inputs import standing_of
from domain.session import commands as c
from domain.session.events import (
    ActivityEvent,
    InputsFenced,
    InputSteered,
    PermissionDecided,
    RuntimeEvent,
    SessionEvent,
    TurnCancelled,
    TurnStarted,
)
from domain.values import rfc3339

_NOTHING_TAKEN: Answer = {"inputs": ()}

# ── messages, turns and inputs ───────────────────────────────────────────────────────────────


@answers(c.AddMessage)
def _added(done: Accepted[c.AddMessage]) -> Answer:
    return {"message_id": done.command.message_id}


@answers(c.ReviseMessage)
def _revised(done: Accepted[c.ReviseMessage]) -> Answer:
    return {"message_id": done.command.message_id}


@answers(c.StartTurn)
def _started(done: Accepted[c.StartTurn]) -> Answer:
    turn_id, begun = done.command.turn_id, _next_turn(done.events)
    inputs = done.session.inputs
    if begun == turn_id:
        return {
            "turn_id": turn_id,
            "disposition": "started",
            **_ended(done.events),
            "generation": inputs.generation,
        }
    stands = standing_of(done.session, inputs.waiting[turn_id])
    return {
        "turn_id": turn_id,
        "input_id": turn_id,
        "disposition": stands.status,
        "queue_position": stands.queue_position,
        "generation": inputs.generation,
        "next_turn_id": begun,
    }


@answers(c.RecordActivity)
def _recorded(done: Accepted[c.RecordActivity]) -> Answer:
    taken = _taken(done) if done.command.take_inputs else _NOTHING_TAKEN
    return {**taken, "kept": _kept(done.events) if done.command.instead else ()}


def _kept(events: Sequence[SessionEvent]) -> list[dict[str, Any]]:
    """Return which of the events that were sent are recorded verbatim, and why."""
    sent = (one for one in events if isinstance(one, ActivityEvent))
    return [
        {"index": index, **one.problem}
        for index, one in enumerate(sent)
        if isinstance(one, RuntimeEvent) and one.problem is not None
    ]


@answers(c.TakeInputs)
def _taken(done: Accepted[Any]) -> Answer:
    return {
        "inputs": [
            {
                "input_id": one.input_id,
                "message_id": one.message_id,
                "parts": one.parts,
                "source": one.source,
                "meta": one.meta,
            }
            for one in done.events
            if isinstance(one, InputSteered)
        ]
    }


@answers(c.CompleteTurn)
@answers(c.FailTurn)
@answers(c.CancelTurn)
@answers(c.DispatchInput)
def _followed(done: Accepted[Any]) -> Answer:
    return {"next_turn_id": _next_turn(done.events)}


@answers(c.QueueInputs)
def _queued(done: Accepted[c.QueueInputs]) -> Answer:
    inputs = done.session.inputs
    places = {one.input_id: place for place, one in enumerate(inputs.in_order(), start=1)}
    return {
        "inputs": [
            {
                "input_id": one.input_id,
                "disposition": "queued" if one.input_id in places else "started",
                "queue_position": places.get(one.input_id),
            }
            for one in done.command.inputs
        ],
        "generation": inputs.generation,
        "next_turn_id": _next_turn(done.events),
    }


@answers(c.EditInput)
@answers(c.PromoteInput)
def _changed(done: Accepted[Any]) -> Answer:
    input_id: str = done.command.input_id
    stands = standing_of(done.session, done.session.inputs.waiting[input_id])
    return {"input_id": input_id, **stands._asdict()}


@answers(c.CancelInput)
def _cancelled(done: Accepted[c.CancelInput]) -> Answer:
    input_id = done.command.input_id
    return {"input_id": input_id, "status": done.session.inputs.ended[input_id]}


@answers(c.Interrupt)
def _interrupted(done: Accepted[c.Interrupt]) -> Answer:
    ended = _ended(done.events)
    return {
        "interrupted": ended["previous_turn_id"] is not None,
        **ended,
        "generation": done.session.inputs.generation,
    }


def _next_turn(events: Sequence[SessionEvent]) -> str | None:
    return next((one.turn_id for one in events if isinstance(one, TurnStarted)), None)


def _ended(events: Sequence[SessionEvent]) -> dict[str, Any]:
    """Return the turn and the inputs that an interruption has put an end to."""
    return {
        "previous_turn_id": next(
            (one.turn_id for one in events if isinstance(one, TurnCancelled)), None
        ),
        "cancelled_inputs": next(
            (one.cancelled for one in events if isinstance(one, InputsFenced)), ()
        ),
    }


# ── interactions ─────────────────────────────────────────────────────────────────────────────


@answers(c.RequestPermission)
@answers(c.RequestElicitation)
def _requested(done: Accepted[Any]) -> Answer:
    command: c.RequestPermission | c.RequestElicitation = done.command
    expires_at = command.expires_at
    decided = next((one for one in done.events if isinstance(one, PermissionDecided)), None)
    return {
        "request_id": command.request_id,
        "expires_at": None if expires_at is None else rfc3339(expires_at),
        "decision": decided and decided.decision,
        "option_id": decided and decided.option_id,
        "arguments": None,
        "content": None,
        "reason": decided and decided.reason,
    }


@answers(c.DecidePermission)
@answers(c.AnswerElicitation)
@answers(c.CancelInteraction)
def _decided(done: Accepted[Any]) -> Answer:
    request_id: str = done.command.request_id
    return {"request_id": request_id, "decision": done.session.interactions.decided.get(request_id)}
