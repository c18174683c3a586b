"""Whose shared scope it is, and how far its own log has come.

The values of its keys are not here: sessions write them too, so they are rows beside the log
(`application/ports/session/shared_state.py`), and no rule compares them.
"""

from dataclasses import dataclass

from domain.replacing import replace
from domain.scope.events import ScopeErased, ScopeEvent, ScopeOpened


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A shared scope by its own log.

    Args:
        sequence: Of the newest event; 0 before the first.
        opened: How it began; None before it did, and when that is erased.
        erased: It was erased, and may be opened again.
    """

    sequence: int = 0
    opened: ScopeOpened | None = None
    erased: bool = False


UNOPENED = Scope()


def evolve(scope: Scope, sequence: int, event: ScopeEvent) -> Scope:
    """Return the state after one more event.

    Args:
        scope: The state before it.
        sequence: Of the event.
        event: What happened.
    """
    match event:
        case ScopeOpened():
            return replace(scope, sequence=sequence, opened=event)
        case ScopeErased():
            return replace(scope, sequence=sequence, opened=None, erased=True)
        case _:
            return replace(scope, sequence=sequence)
