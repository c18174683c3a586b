"""Which rule answers which command: `decide(state, command) -> events`, and what goes with it.

An empty list means "already so": a retried command changes nothing. Refusing is raising a
`CairnError`.
"""

from collections.abc import Sequence

from domain.session.commands import Command
from domain.session.declarations import COMPANIONS, RULES, Companion
from domain.session.events import SessionEvent
from domain.session.state import Session


def decide(session: Session, command: Command) -> list[SessionEvent]:
    """Return what happens because of a command.

    Args:
        session: The newest state of the session, `ABSENT` before its first event.
        command: What is asked.

    Raises:
        CairnError: It is refused; nothing is recorded.
    """
    return RULES[type(command)](session, command)


def companions(session: Session, command: Command) -> Sequence[Companion]:
    """Return what begins other sessions in the append of an accepted command.

    Args:
        session: The state that it was decided on.
        command: It made at least one event.
    """
    accompany = COMPANIONS.get(type(command))
    return () if accompany is None else accompany(session, command)
