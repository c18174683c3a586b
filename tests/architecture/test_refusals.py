"""What a rule or a route may refuse is declared, and nothing else: read from the code itself."""

from collections.abc import Mapping
from typing import Any

import pytest

from api.http.describing.openapi import document
from api.http.describing.route_docs import description_of
from api.http.routing import Route
from api.v1.route_table import ROUTES
from application.commands.access_handler import AccessHandler
from application.commands.handler import CommandHandler
from application.commands.scope_handler import ScopeHandler
from domain.errors import CairnError, MessageExists, ToolCallExists, ToolCallNotOpen, ToolCallOpen
from domain.session.commands import CreateSession
from domain.session.declarations import (
    ALWAYS_REFUSED,
    COMPANIONS,
    REFUSALS,
    RULES,
    Command,
)
from tests.architecture.call_graph import Site, findings, of_module

NEVER_OF_A_RULE: Mapping[type[Command], frozenset[type[CairnError]]] = {
    # The messages and calls that it could clash with are of a session that is not there yet.
    CreateSession: frozenset({MessageExists, ToolCallExists, ToolCallNotOpen, ToolCallOpen}),
}
"""What the code below a rule raises, and never for this command; each with its reason."""

HANDLERS = (CommandHandler, ScopeHandler, AccessHandler)
"""What they refuse of every command is documented with every command."""

WRITES = [route for route in ROUTES if route.method != "GET"]

SIGNING = frozenset({"audit_key_missing", "beyond_the_log", "log_damaged"})
"""What is wrong with the tree keeps nobody from being erased, nor a bundle from being made."""

NEVER_OF_A_ROUTE: Mapping[str, frozenset[str]] = {
    # It takes no report to compare with.
    "resume_session": frozenset({"report_outdated"}),
    # They name sequences, and no times.
    "rewind_conversation": frozenset({"before_first_event"}),
    "fork_session": frozenset({"before_first_event"}),
    # They look for an entry in what is there now.
    "add_summary": frozenset({"before_first_event", "cursor_ahead"}),
    "revise_message": frozenset({"before_first_event", "cursor_ahead"}),
    # It reads what it has just made.
    "create_webhook": frozenset({"webhook_not_found"}),
    "erase_session": SIGNING,
    "erase_user": SIGNING,
    # Signing is left out without a key; the proofs are of sizes that were signed.
    "get_erasure": frozenset({"audit_key_missing", "beyond_the_log"}),
    "prove_erasures": frozenset({"audit_key_missing", "beyond_the_log"}),
    # What it meets on its way cuts the file off.
    "export_sessions": SIGNING | {"blob_not_found", "erased"},
    # What is gone meanwhile is left out.
    "verify_all": frozenset({"session_not_found"}),
    "get_checkpoint": frozenset({"beyond_the_log"}),
}
"""Codes that stand in the code below a route, and that it never answers; each with its reason."""


def refused_by_rule(command: type[Command]) -> set[type[CairnError]]:
    """Return what the rule of a command raises, and what it begins."""
    declared = [RULES[command], *([COMPANIONS[command]] if command in COMPANIONS else [])]
    raised = {error for rule in declared for error in findings(rule, of_module("domain")).raised}
    return raised.difference(ALWAYS_REFUSED, NEVER_OF_A_RULE.get(command, ()))


def before_the_handlers(site: Site) -> bool:
    """Tell whether a function is the route's, or of what it uses before a command is handled."""
    rule = site.function.__module__.startswith("domain.session.")
    return site.owner not in HANDLERS and not rule


@pytest.mark.parametrize("command", REFUSALS, ids=lambda command: command.__name__)
def test_a_rule_declares_what_it_refuses(command: type[Command]) -> None:
    assert set(REFUSALS[command]) == refused_by_rule(command), (
        f"write `refuses=` of @decides({command.__name__}) as its rule is"
    )


@pytest.mark.parametrize("route", WRITES, ids=lambda route: route.handler.__name__)
def test_a_route_names_the_commands_that_it_asks_for(route: Route) -> None:
    found = findings(route.handler, before_the_handlers).commands
    asks = set(description_of(route).asks)
    assert found <= asks, f"{route.handler.__name__} asks for {found - asks} as well"


@pytest.fixture(scope="module")
def operations() -> Mapping[str, Any]:
    """The operations of the document, by their ids."""
    paths = document(ROUTES)["paths"].values()
    return {one["operationId"]: one for methods in paths for one in methods.values()}


def codes_of(operation: Mapping[str, Any]) -> set[str]:
    """Return the codes that the document shows for an operation."""
    responses = operation["responses"].values()
    return {code for response in responses for code in response.get("x-codes", ())}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.handler.__name__)
def test_the_document_of_a_route_has_every_code_that_its_use_case_raises(
    route: Route, operations: Mapping[str, Any]
) -> None:
    found = findings(route.handler, before_the_handlers)
    raised = {error.code for error in found.raised if not error.__subclasses__()}
    name = route.handler.__name__
    missing = raised - codes_of(operations[name]) - NEVER_OF_A_ROUTE.get(name, frozenset())
    assert not missing, f"{name} may refuse {sorted(missing)}, which its `problems` lack"
