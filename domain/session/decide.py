"""Which rule answers which command: `decide(state, command) -> events`.

An empty list means "already so": a retried command changes nothing. Refusing is raising a
`CairnError`.
"""

from domain.session.commands import Command
from domain.session.declarations import RULES
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
