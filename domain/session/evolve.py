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
from domain.session.events import Recorded, Unrecognised
from domain.session.state import ABSENT, Changes, Session

FORMAT = 1
"""The number of the form in which states are kept: raised with every change of their fields, and
whenever an event comes to mean another state."""

OLDEST_FORMAT = 1
"""The oldest form that still gives the right state. A new field with a default leaves it, if the
default is right for every log written so far; any other change raises it to `FORMAT`."""

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
    if type(recorded.event) is Unrecognised:
        return replace(session, sequence=recorded.sequence, unrecognised=recorded.sequence)
    if effect is None:
        return replace(session, sequence=recorded.sequence)
    return replace(session, sequence=recorded.sequence, **effect(session, recorded.event, recorded))
