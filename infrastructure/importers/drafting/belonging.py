"""The turn that runs in a draft, its open calls, and which turn an event belongs to."""

from dataclasses import dataclass
from typing import NamedTuple, get_args

from domain.session.events import (
    ActivityEvent,
    ElicitationAnswered,
    ElicitationRequested,
    PermissionDecided,
    PermissionRequested,
    SessionEvent,
)

_OF_THE_RUNNING_TURN = frozenset(get_args(ActivityEvent))


class Belonging:
    """Remembers in which turn was asked, for the answers."""

    def __init__(self) -> None:
        self._asked_in: dict[str, str | None] = {}

    def turn_of(self, event: SessionEvent, running: str | None) -> str | None:
        """Return the turn of an event; None for one that belongs to none.

        Args:
            event: The next one.
            running: The turn that runs.
        """
        if type(event) in _OF_THE_RUNNING_TURN:
            return running
        if isinstance(event, PermissionDecided | ElicitationAnswered):
            return self._asked_in.pop(event.request_id, None)
        turn_id: str | None = getattr(event, "turn_id", None)
        if isinstance(event, PermissionRequested | ElicitationRequested):
            self._asked_in[event.request_id] = turn_id
        return turn_id


class OpenCall(NamedTuple):
    """A call that has no result yet."""

    turn_id: str
    name: str


@dataclass(slots=True)
class RunningTurn:
    """The turn that runs."""

    turn_id: str
    is_worked_in: bool = False
    ends_in_text: bool = False
