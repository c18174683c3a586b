"""Which rule answers which command: `decide(state, command) -> events`.

An empty list means "already so": a retried command changes nothing. Refusing is raising a
`DomainError`.
"""

from collections.abc import Callable
from typing import Any

from domain.session import (
    activity,
    description,
    interactions,
    lifecycle,
    messages,
    shared_state,
    turns,
)
from domain.session import commands as c
from domain.session.events import SessionEvent
from domain.session.state import Session

_RULES: dict[type[Any], Callable[[Session, Any], list[SessionEvent]]] = {
    c.RecordActivity: activity.record,
    c.AddMessage: messages.add,
    c.ReviseMessage: messages.revise,
    c.CreateSession: lifecycle.create,
    c.StopSession: lifecycle.stop,
    c.ResumeSession: lifecycle.resume,
    c.DeleteSession: lifecycle.delete,
    c.DescribeSession: description.describe,
    c.StartTurn: turns.start,
    c.CompleteTurn: turns.complete,
    c.FailTurn: turns.fail,
    c.CancelTurn: turns.cancel,
    c.RequestPermission: interactions.request,
    c.DecidePermission: interactions.decide,
    c.PatchState: shared_state.patch,
}


def decide(session: Session, command: c.Command) -> list[SessionEvent]:
    """Return what happens because of a command.

    Args:
        session: The newest state of the session, `ABSENT` before its first event.
        command: What is asked.

    Raises:
        DomainError: It is refused; nothing is recorded.
    """
    return _RULES[type(command)](session, command)
