"""The threat model names tests that are there, and each thing that holds has one."""

import ast
import re

from tests.support.docs import ROOT

TEXT = (ROOT / "docs/threat-model.md").read_text("utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_the_tests_that_are_named_are_there() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) > 30
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert name in {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }, f"{path} has no {name}"


def test_each_thing_that_holds_names_a_test() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and "| tries |" not in line]
    assert len(rows) > 20
    for row in rows:
        assert NAMED.search(row), row
