"""How each event changes the state: total and pure, it never refuses and never raises.

What an event of a topic does stands in that topic's file, below what is allowed there.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from domain.replacing import replace
from domain.session import (
    activity,
    attachment,
    context,
    conversation,
    description,
    inputs,
    interactions,
    lifecycle,
    lineage,
    messages,
    permissions,
    shared_state,
    supervision,
    turns,
)
from domain.session.events import Recorded
from domain.session.state import ABSENT, Changes, Session

Effect = Callable[[Session, Any, Recorded], Changes]

_EFFECTS: Mapping[type[Any], Effect] = {
    **activity.EFFECTS,
    **attachment.EFFECTS,
    **context.EFFECTS,
    **conversation.EFFECTS,
    **description.EFFECTS,
    **inputs.EFFECTS,
    **interactions.EFFECTS,
    **lifecycle.EFFECTS,
    **lineage.EFFECTS,
    **messages.EFFECTS,
    **permissions.EFFECTS,
    **shared_state.EFFECTS,
    **supervision.EFFECTS,
    **turns.EFFECTS,
}


def fold(history: Iterable[Recorded], start: Session = ABSENT) -> Session:
    """Return the state after a history.

    Args:
        history: Events in order of their sequence, the first one following `start`.
        start: The state before them.
    """
    for recorded in history:
        start = evolve(start, recorded)
    return start


def evolve(session: Session, recorded: Recorded) -> Session:
    """Return the state after one more event.

    Args:
        session: The state before it.
        recorded: The event and its place.
    """
    effect = _EFFECTS.get(type(recorded.event))
    if effect is None:
        return replace(session, sequence=recorded.sequence)
    return replace(session, sequence=recorded.sequence, **effect(session, recorded.event, recorded))
