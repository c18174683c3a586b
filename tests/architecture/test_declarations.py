"""Every command has its rule and every event its effect; what is left out is named."""

import ast
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import get_args, get_type_hints

import pytest
from litestar.response.base import ASGIResponse

import domain.session
from api.http.describing.route_docs import Describes
from api.http.incoming.query import parameters_of
from api.http.incoming.requests import HttpRequest
from api.v1 import routes
from api.v1.route_table import ROUTES, routes_of
from api.v1.routes import documents
from api.v1.schemas.session.session_queries import ListSessionsQuery
from api.v1.schemas.session.session_shape import Session
from domain.log.catalogue import NAMES, Event
from domain.session import commands
from domain.session.declarations import EFFECTS, RULES, Command
from domain.session.events import SessionEvent, Unrecognised
from domain.session.state import MARKS, Description

ROOT = Path(__file__).resolve().parents[2]


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


def test_no_route_can_be_declared_for_a_command_without_a_rule():
    class Forgotten(Command):
        pass

    async def route(_: HttpRequest) -> ASGIResponse:
        raise AssertionError

    describes = Describes("Sessions", answers={}, asks=(Forgotten,))
    with pytest.raises(LookupError, match=r"Forgotten has no rule; write `@decides\(Forgotten\)`"):
        describes(route)


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


def test_every_mark_is_kept_shown_and_filtered_by():
    kept = {name for name, kind in get_type_hints(Description).items() if kind is bool}
    assert kept - set(MARKS) == set(), "add it to MARKS in domain/session/state.py"
    for mark in MARKS:
        assert mark in kept, "add it to Description, as a bool"
        assert mark in Session.model_fields, (
            "add it to Session in api/v1/schemas/session/session_shape.py"
        )
        assert mark in {one["name"] for one in parameters_of(ListSessionsQuery)}


def test_every_module_of_routes_is_in_the_table():
    modules = [
        import_module(found.name)
        for found in walk_packages(routes.__path__, f"{routes.__name__}.")
        if found.name != documents.__name__
    ]
    left_out = [
        route.handler.__qualname__
        for module in modules
        for route in routes_of(module)
        if route not in ROUTES
    ]
    assert left_out == [], "add their module to api/v1/route_table.py"


def test_every_command_can_be_asked_for():
    made: set[str] = set()
    for package in ("api", "application", "domain"):
        for path in (ROOT / package).rglob("*.py"):
            nodes = ast.walk(ast.parse(path.read_text()))
            for node in nodes:
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    # What makes the commands of a class, quicker than the class, is given it.
                    given = node.args if node.func.id == "maker" else [node.func]
                    made |= {one.id for one in given if isinstance(one, ast.Name)}
    left_out = sorted(one.__name__ for one in declared_commands() if one.__name__ not in made)
    assert left_out == [], "no route, use case or rule asks for it"
