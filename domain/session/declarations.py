"""How a topic declares what it decides and what its events do: `@decides` and `@evolves`.

The type checkers refuse a function that takes another command or event than the one it is
declared for. `tests/architecture/test_declarations.py` names what has been left out.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from domain.session.events import Recorded, SessionEvent
from domain.session.state import Changes, Session


class Command:
    """What may be asked of a session: imperative, complete, plain data, its new ids chosen."""

    __slots__ = ()


_C = TypeVar("_C", bound=Command)
_E = TypeVar("_E", bound=SessionEvent)

Rule: TypeAlias = Callable[[Session, _C], list[SessionEvent]]
Effect: TypeAlias = Callable[[Session, _E, Recorded], Changes]

RULES: dict[type[Command], Rule[Any]] = {}
"""The rule that answers each command."""

EFFECTS: dict[type[Any], Effect[Any]] = {}
"""What each event changes."""


def decides(command: type[_C]) -> Callable[[Rule[_C]], Rule[_C]]:
    """Declare the rule of a command.

    Args:
        command: The class that the decorated function takes.

    Raises:
        TypeError: The command has a rule already.
    """

    def declare(rule: Rule[_C]) -> Rule[_C]:
        if command in RULES:
            raise TypeError(f"{command.__name__} has two rules; remove one")
        RULES[command] = rule
        return rule

    return declare


def evolves(*events: type[_E]) -> Callable[[Effect[_E]], Effect[_E]]:
    """Declare what events do to the state.

    Args:
        events: The classes that the decorated function takes.

    Raises:
        TypeError: One of them has an effect already.
    """

    def declare(effect: Effect[_E]) -> Effect[_E]:
        for event in events:
            if event in EFFECTS:
                raise TypeError(f"{event.__name__} has two effects; remove one")
            EFFECTS[event] = effect
        return effect

    return declare
