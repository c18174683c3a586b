"""The house rules that a machine can check."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "application", "domain", "infrastructure", "migrations")
BIN = Path(sys.executable).parent


def run(*command: str) -> None:
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def test_dependencies_point_one_way_and_the_domain_knows_the_standard_library_only():
    run("lint-imports", "--no-cache")


def test_ruff_finds_nothing():
    run("ruff", "check", "--no-cache", ".")


def test_the_code_is_formatted():
    run("ruff", "format", "--check", "--no-cache", ".")


@pytest.mark.timeout(600)
def test_mypy_finds_nothing():
    run("mypy")


@pytest.mark.timeout(600)
def test_pyright_finds_nothing():
    run("basedpyright", "--level", "error")


def test_the_domain_imports_nothing_that_reads_clocks_draws_numbers_or_touches_the_world():
    forbidden = {"asyncio", "os", "random", "secrets", "socket", "subprocess", "threading", "time"}
    for path in (ROOT / "domain").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            roots = {name.split(".")[0] for name in names}
            assert not forbidden & roots, path
            foreign = roots - sys.stdlib_module_names - {"domain"}
            assert not foreign, f"{path} imports {sorted(foreign)}"
            called = getattr(node, "attr", None)
            assert called not in {"now", "utcnow", "today", "uuid4", "uuid1"}, path


BOUNDED_BY_WHAT_THEY_ARE_ASKED = {
    # Methods, routes and statuses that the server has.
    "api/http/around/tally.py": {"_counter", "_histogram"},
    # The routes of a door.
    "api/http/describing/openapi.py": {"_document"},
    "api/adk/openapi.py": {"document"},
    "api/agentapi/openapi.py": {"document"},
    "api/docker_agent/openapi.py": {"document"},
    # The models of queries and bodies.
    "api/http/incoming/query.py": {"_left_out"},
    "api/http/incoming/addresses.py": {"_fields_of", "names_sessions"},
}


def test_what_clients_ask_for_is_not_remembered_without_a_bound():
    """`cache` keeps an answer for each of its arguments, for ever."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            found = {
                node.name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.FunctionDef)
                and any(ast.unparse(one).endswith("cache") for one in node.decorator_list)
                and (node.args.args or node.args.kwonlyargs)
            }
            name = str(path.relative_to(ROOT))
            assert found == BOUNDED_BY_WHAT_THEY_ARE_ASKED.get(name, set()), name


TWICE = {"Inputs", "Interactions", "Turns"}
"""Topics: a part of the state, and what doors may ask for about it."""


def test_no_two_classes_of_domain_and_application_have_one_name():
    places: dict[str, list[str]] = {}
    for package in ("application", "domain"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert {name: twice[name] for name in twice.keys() - TWICE} == {}, "one word, one meaning"


def test_sql_stands_in_sql_files_only():
    statement = re.compile(
        r"\b(select|insert into|update|delete from)\b.+\b(from|set|values)\b", re.IGNORECASE
    )
    for package in ("api", "application", "domain", "infrastructure"):
        for path in (ROOT / package).rglob("*.py"):
            if path.is_relative_to(ROOT / "infrastructure" / "embedded_postgres"):
                continue  # it makes a role and a database before there is anything to load from
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    for argument in [*node.args, *(k.value for k in node.keywords)]:
                        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                            assert not statement.search(argument.value), (path, argument.value)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_owns_the_name_of_one_of_our_packages(package):
    owners = set(packages_distributions().get(package, ["cairn"]))
    assert owners == {"cairn"}


def test_the_lock_file_names_the_public_index_only():
    hosts = set(re.findall(r"https?://[^/\"]+", (ROOT / "uv.lock").read_text()))
    assert hosts == {"https://pypi.org", "https://files.pythonhosted.org"}


def test_every_module_of_the_layers_fits_in_a_head():
    # A list of what can happen: looked up in, not read through.
    catalogue = ROOT / "domain" / "session" / "events.py"
    for package in PACKAGES:
        for path in set((ROOT / package).rglob("*.py")) - {catalogue}:
            lines = len(path.read_text().splitlines())
            assert lines <= 300, f"{path.relative_to(ROOT)} has {lines} lines, more than 300"


def test_every_folder_of_the_layers_is_seen_at_a_glance():
    for package in PACKAGES:
        for folder in {path.parent for path in (ROOT / package).rglob("*.py")}:
            modules = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
            assert len(modules) <= 14, f"{folder.relative_to(ROOT)} has {len(modules)} modules"
