"""Nobody is handed all ports at once: a part of the program takes those that it uses."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("api", "application", "domain", "infrastructure")
PORTS = ROOT / "application" / "ports"
BAG = "application.ports.store"
MAY_NAME_IT = (
    "api/composition/*.py",
    "api/services.py",
    "application/ports/store.py",
    "infrastructure/*/store.py",
)
MOST = 4
"""Ports of one class: one that needs more does two things."""


def trees(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text())


def modules_imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_what_puts_the_program_together_names_the_whole_store():
    naming = [
        path
        for layer in LAYERS
        for path, tree in trees(ROOT / layer)
        if BAG in modules_imported(tree)
    ]

    assert [str(one) for one in naming if not any(map(one.match, MAY_NAME_IT))] == []
    assert len(naming) >= 4


def ports() -> set[str]:
    """Return the names of all protocols of the ports."""
    return {
        node.name
        for _, tree in trees(PORTS)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).startswith("Protocol") for base in node.bases)
    }


def ports_known_to(tree: ast.Module, ports: set[str]) -> set[str]:
    """Return the names by which a module knows ports."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("application.ports.")
        for alias in node.names
        if alias.name in ports
    }


def taken(node: ast.AST, known: set[str]) -> list[str]:
    """Return the ports among the arguments of a function, or among the fields of a class."""
    annotations: list[ast.expr | None] = []
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = node.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        annotations = [one.annotation for one in every]
    elif isinstance(node, ast.ClassDef):
        annotations = [one.annotation for one in node.body if isinstance(one, ast.AnnAssign)]
    told = [ast.unparse(one).removesuffix(" | None") for one in annotations if one is not None]
    names = [one.partition("[")[0] for one in told]
    return [name for name in names if name in known]


def test_no_class_or_function_of_the_application_takes_more_than_a_few_ports():
    named = ports()
    found = {
        f"{path}:{node.name}": taken(node, ports_known_to(tree, named))
        for path, tree in trees(ROOT / "application")
        if not path.match("application/ports/store.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }

    assert {where: which for where, which in found.items() if len(which) > MOST} == {}
    assert sum(len(which) == MOST for which in found.values()) >= 4
