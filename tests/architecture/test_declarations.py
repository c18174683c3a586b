"""Every command has its rule and every event its effect; what is left out is named."""

from importlib import import_module
from pkgutil import walk_packages
from typing import get_args

import domain.session
from domain.catalogue import NAMES, Event
from domain.session import commands
from domain.session.declarations import EFFECTS, RULES, Command
from domain.session.events import SessionEvent, Unrecognised


def declared_commands() -> set[type[Command]]:
    modules = [
        import_module(found.name)
        for found in walk_packages(domain.session.__path__, f"{domain.session.__name__}.")
    ]
    values = [value for module in modules for value in vars(module).values()]
    classes = {one for one in values if isinstance(one, type) and issubclass(one, Command)}
    return classes - {Command}


def missing(wanted: set[type], there: set[type]) -> list[str]:
    return sorted(one.__name__ for one in wanted - there)


def test_every_command_has_its_rule():
    assert missing(set(declared_commands()), set(RULES)) == [], "add @decides to its rule"


def test_every_command_is_found_in_the_module_of_all_commands():
    exported = {one for one in vars(commands).values() if isinstance(one, type)}
    assert missing(set(declared_commands()), exported) == [], (
        "add it to __all__ of its topic, and the topic to domain/session/commands.py"
    )


def test_every_event_is_in_the_union_of_the_catalogue():
    assert missing(set(NAMES), set(get_args(Event))) == [], "add it to its union"


def test_every_event_has_its_effect():
    events = set(get_args(SessionEvent)) - {Unrecognised}
    assert missing(events, set(EFFECTS)) == [], "add @evolves to its effect"
