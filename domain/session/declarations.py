"""How a topic declares what it decides and what its events do: `@decides` and `@evolves`.

`@accompanies` declares what an accepted command begins in other sessions, in the same append.

The type checkers refuse a function that takes another command or event than the one it is
declared for. `tests/architecture/test_declarations.py` names what has been left out.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from domain.errors import (
    CairnError,
    Erased,
    Invalid,
    LogDamaged,
    SessionIsDeleted,
    SessionNotFound,
)
from domain.session.events import Recorded, SessionEvent
from domain.session.state import Changes, Session


class Command:
    """What may be asked of a session: imperative, complete, plain data, its new ids chosen."""

    __slots__ = ()

    begins: ClassVar[bool] = False
    """It may be asked of a session that is not there yet."""

    @property
    def turn_ids(self) -> Sequence[str]:
        """The turns of its first events, where the command and not the state knows them."""
        return ()


class Companion(NamedTuple):
    """A command to another session, which joins the append of the command that it comes with."""

    session_id: UUID
    command: Command


_C = TypeVar("_C", bound=Command)
_E = TypeVar("_E", bound=SessionEvent)

Rule: TypeAlias = Callable[[Session, _C], list[SessionEvent]]
Companions: TypeAlias = Callable[[Session, _C], Sequence[Companion]]
Effect: TypeAlias = Callable[[Session, _E, Recorded], Changes]

RULES: dict[type[Command], Rule[Any]] = {}
"""The rule that answers each command."""

COMPANIONS: dict[type[Command], Companions[Any]] = {}
"""What begins other sessions together with a command; most commands have none."""

EFFECTS: dict[type[Any], Effect[Any]] = {}
"""What each event changes."""


ALWAYS_REFUSED = (Invalid, SessionNotFound, SessionIsDeleted, Erased, LogDamaged)
"""What nearly every command may be refused for; no rule declares it."""

REFUSALS: dict[type[Command], tuple[type[CairnError], ...]] = {}
"""What else each command may be refused for, by its rule or by what it begins."""


def decides(
    command: type[_C], *, refuses: tuple[type[CairnError], ...] = ()
) -> Callable[[Rule[_C]], Rule[_C]]:
    """Declare the rule of a command.

    Args:
        command: The class that the decorated function takes.
        refuses: What it may be refused for besides `ALWAYS_REFUSED`; documents and doors are made
            from it, and `tests/architecture/test_refusals.py` holds it to what the rule raises.

    Raises:
        TypeError: The command has a rule already.
    """

    def declare(rule: Rule[_C]) -> Rule[_C]:
        if command in RULES:
            raise TypeError(f"{command.__name__} has two rules; remove one")
        RULES[command] = rule
        REFUSALS[command] = refuses
        return rule

    return declare


def refusals_of(command: type[Command]) -> tuple[type[CairnError], ...]:
    """Return what a command may be refused for, besides `ALWAYS_REFUSED`.

    Args:
        command: Its class.

    Raises:
        LookupError: No function is declared to be its rule.
    """
    refused = REFUSALS.get(command)
    if refused is None:
        name = command.__name__
        raise LookupError(f"{name} has no rule; write `@decides({name})` above the function of it")
    return refused


def accompanies(command: type[_C]) -> Callable[[Companions[_C]], Companions[_C]]:
    """Declare what begins other sessions in the append of a command.

    Args:
        command: The class that the decorated function takes.

    Raises:
        TypeError: The command has companions already.
    """

    def declare(companions: Companions[_C]) -> Companions[_C]:
        if command in COMPANIONS:
            raise TypeError(f"{command.__name__} has two kinds of companions; remove one")
        COMPANIONS[command] = companions
        return companions

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
