"""Which turn an event belongs to."""

from typing import Any, get_args

from domain.session.events import (
    ActivityEvent,
    ElicitationAnswered,
    PermissionDecided,
    SessionEvent,
)
from domain.session.state import Session

_OF_THE_RUNNING_TURN = frozenset[type[Any]](get_args(ActivityEvent))


def turn_of(session: Session, event: SessionEvent) -> str | None:
    """Return the id of the turn that an event belongs to, None if it is no part of one.

    What an agent does belongs to the running turn, an answer to the turn that asked.

    Args:
        session: The state before the event.
        event: What happens.
    """
    running = session.turns.running
    # No class has another one below it, and a look into a set is sooner done.
    if type(event) in _OF_THE_RUNNING_TURN:
        return running.turn_id if running else None
    if isinstance(event, PermissionDecided | ElicitationAnswered):
        asked = session.interactions.pending.get(event.request_id)
        return asked.turn_id if asked else None
    return getattr(event, "turn_id", None)
