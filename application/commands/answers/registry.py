"""Which function makes the answer to which command."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from application.commands.request import Request
from domain.session.commands import Command
from domain.session.events import SessionEvent
from domain.session.state import Session

_C = TypeVar("_C", bound=Command)
_C_co = TypeVar("_C_co", bound=Command, covariant=True)

Answer = Mapping[str, Any]
NOTHING: Answer = {}


class Accepted(NamedTuple, Generic[_C_co]):
    """An accepted command and what it came to.

    Args:
        session_id: To which session.
        command: What was asked.
        session: The state after it; where it began another session, the state of that one.
        events: What it made.
    """

    session_id: UUID
    command: _C_co
    session: Session
    events: Sequence[SessionEvent]


_ANSWERS: dict[type[Any], Callable[[Accepted[Any]], Answer]] = {}


def answers(
    kind: type[_C],
) -> Callable[[Callable[[Accepted[_C]], Answer]], Callable[[Accepted[Any]], Answer]]:
    """Have a function make the answer to a class of commands.

    Args:
        kind: The class.
    """

    def register(answer: Callable[[Accepted[_C]], Answer]) -> Callable[[Accepted[Any]], Answer]:
        _ANSWERS[kind] = answer
        return answer

    return register


def answer_of(request: Request, session: Session, events: Sequence[SessionEvent]) -> Answer:
    """Return what a command answers: JSON values, and nothing for many commands.

    Args:
        request: The command.
        session: The state after it; where it began another session, the state of that one.
        events: What it made.
    """
    command = request.command
    answer = _ANSWERS.get(type(command))
    if answer is None:
        return NOTHING
    return answer(Accepted(request.session_id, command, session, events))
