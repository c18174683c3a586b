"""What follows an append: requests to other sessions, which nobody waits for.

Should the process die before they are done, whoever needs them finds out: the next spawn
(`application/use_cases/session/children.py`) and the round of the supervision
(`application/upkeep/supervision.py`).
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from application.commands.request import Request
from domain.session.commands import StopSession
from domain.session.family.children import (
    PARENT_STOPPED,
    child_status_command,
    children_that_go_along,
)
from domain.session.state import Session

Reaction = Callable[[UUID, Session, Session], Sequence[Request]]
"""Given a session's id and its state before and after an append, returns what is to be asked."""

_ENDED = frozenset({"stopped", "deleted", "erased"})


def family(session_id: UUID, before: Session, after: Session) -> Sequence[Request]:
    """Have the parent count a session that has ended or was resumed, and its children end.

    Args:
        session_id: Which session.
        before: Its state before an append.
        after: Its state after it.
    """
    phase = after.lifecycle.phase
    if phase == before.lifecycle.phase or not {phase, before.lifecycle.phase} & _ENDED:
        return ()
    # What is erased names neither its parent nor its children any more.
    known = before if phase == "erased" else after
    lineage = known.lifecycle.lineage
    requests: list[Request] = []
    if lineage is not None:
        command = child_status_command(session_id, after)
        requests.append(Request(lineage.parent_id, command, actor="system", origin="lineage"))
    if phase in _ENDED:
        stop = StopSession(cause="user_requested", detail=PARENT_STOPPED)
        requests += (
            Request(child_id, stop, actor="system", origin="lineage")
            for child_id in children_that_go_along(known)
        )
    return requests


REACTIONS: Sequence[Reaction] = (family,)
"""All that follows an append."""
