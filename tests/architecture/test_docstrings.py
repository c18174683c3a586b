"""Docstrings name what is there: arguments that a function takes, and errors that there are."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "application", "domain", "infrastructure")
PATHS = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
NAMED = re.compile(r"(?m)^    \*{0,2}([\w.]+):")

Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def documented() -> Iterator[tuple[str, Documented, str]]:
    """Yield what has a docstring, with its place."""
    for path in PATHS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Documented) and (docstring := ast.get_docstring(node)):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node, docstring


def named_in(docstring: str, section: str) -> list[str]:
    """Return the names that a section of a docstring explains."""
    found = re.search(rf"(?m)^{section}:\n((?:(?: {{4}}.*)?\n?)*)", docstring)
    return NAMED.findall(found[1]) if found else []


def taken_by(node: Documented) -> set[str]:
    """Return what a function takes; of a class its fields, or what makes one of it."""
    if isinstance(node, ast.ClassDef):
        fields = [one.target for one in node.body if isinstance(one, ast.AnnAssign)]
        makers = [one for one in node.body if isinstance(one, ast.FunctionDef)]
        taken = [taken_by(one) for one in makers if one.name.startswith("__init")]
        return {one.id for one in fields if isinstance(one, ast.Name)}.union(*taken)
    given = node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {one.arg for one in every if one is not None}


def errors(above: type[BaseException] = BaseException) -> Iterator[str]:
    """Yield the names of all errors that were imported."""
    for error in above.__subclasses__():
        yield error.__name__
        yield from errors(error)


def test_docstrings_explain_only_arguments_that_are_taken():
    wrong = [
        (place, name)
        for place, node, docstring in documented()
        for name in named_in(docstring, "Args")
        if name not in taken_by(node)
    ]
    assert wrong == [], "no function or class takes these"


def test_docstrings_name_only_errors_that_there_are():
    for path in PATHS:
        if path.name != "__main__.py":
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    known = set(errors())
    wrong = [
        (place, name)
        for place, _, docstring in documented()
        for name in named_in(docstring, "Raises")
        if name.rpartition(".")[2] not in known
    ]
    assert wrong == [], "no error has these names"
