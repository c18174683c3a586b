"""What coverage.md says of the references is whole, and points at what is there."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

import pytest

from api.v1.route_table import ROUTES
from tests.support.docs import ROOT

GUIDE = (ROOT / "tests/docs/coverage.md").read_text("utf-8")
NAMES: Mapping[str, Iterable[str]] = json.loads(
    (ROOT / "tests/docs/coverage_rows.json").read_text("utf-8")
)
BEHAVIOURS = "agh-lifecycle.md 12"
REASONS = {"runtime", "foreign door", "open", "inside"}
_TABLES = (
    ("names", "what Cairn does", "where", "test"),
    ("names", "reason", "why"),
    ("behaviour", "here", "test"),
    ("behaviour", "reason", "why"),
)
LACKING = """\
## `docker-agent.md 13`

| names | what Cairn does | where | test |
|---|---|---|---|
| `AddMessage` | adds | here | none |

| names | reason | why |
|---|---|---|
| `AddSummary` | inside | it is not needed |
"""
_PARAMETER = re.compile(r":\w+}")
_FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*")


class Row(NamedTuple):
    """A row of one of the tables, which is about names of a reference."""

    reference: str
    names: tuple[str, ...]
    cells: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.reference}: {', '.join(self.names)}"


def rows_of(text: str) -> list[Row]:
    """Return the rows of all tables below the heading of a reference."""
    rows: list[Row] = []
    reference = ""
    head: tuple[str, ...] = ()
    for line in text.splitlines():
        if heading := re.fullmatch(r"## `(.+)`.*", line):
            reference, head = heading[1], ()
        elif not line.startswith("|"):
            head = ()
        elif reference and set(line) - set("|- "):
            cells = tuple(cell.strip() for cell in line.strip("|").split(" | "))
            if head:
                first, _, _ = cells[0].partition("` ")
                named = code(first + "`" if reference == BEHAVIOURS else cells[0])
                rows.append(Row(reference, named, dict(zip(head, cells, strict=True))))
            else:
                assert cells in _TABLES, line
                head = cells
    return rows


def code(cell: str) -> tuple[str, ...]:
    """Return what stands in a cell as code."""
    return tuple(re.findall(r"`([^`]+)`", cell))


@cache
def routes() -> frozenset[str]:
    return frozenset(f"{route.method} {_PARAMETER.sub('}', route.path)}" for route in ROUTES)


@cache
def functions_of(path: str) -> frozenset[str]:
    file = ROOT / path
    if not (path.startswith("tests/") and file.is_file()):
        return frozenset()
    tree = ast.parse(file.read_text("utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        one.name for one in tree.body if isinstance(one, functions) and one.name.startswith("test_")
    )


def is_test(named: str) -> bool:
    path, _, function = named.partition("::")
    return function in functions_of(path)


def is_place(named: str) -> bool:
    return named in routes() or (
        _FILE.fullmatch(named) is not None and ".." not in named and (ROOT / named).is_file()
    )


def faults(text: str) -> list[str]:
    """Return what is wrong with a text in the form of coverage.md."""
    rows = rows_of(text)
    found: list[str] = []
    for reference, names in NAMES.items():
        said = Counter(name for row in rows if row.reference == reference for name in row.names)
        found += [f"{reference}: {name} is in no row" for name in names if not said[name]]
        found += [f"{reference}: {name} is in {n} rows" for name, n in said.items() if n > 1]
        found += [f"{reference}: {name} is no name of it" for name in said if name not in names]
    return found + [f"{row}: {fault}" for row in rows for fault in _faults_of(row)]


def _faults_of(row: Row) -> Iterable[str]:
    if not row.names or not all(row.cells.values()):
        yield "says too little"
    places = code(row.cells.get("where", ""))
    if "where" in row.cells and not places:
        yield "is nowhere"
    if "test" in row.cells:
        tests = code(row.cells["test"])
        if not tests:
            yield "has no test"
        yield from (f"no test {one}" for one in tests if not is_test(one))
    else:
        if row.cells["reason"] not in REASONS:
            yield f"no reason {row.cells['reason']}"
        places = tuple(one for one in code(row.cells["why"]) if "/" in one)
        if row.cells["reason"] in {"inside", "open"} and not places:
            yield "does not say what is there instead"
    yield from (f"no route or file {one}" for one in places if not is_place(one))


def test_every_name_has_one_row_that_points_at_what_is_there() -> None:
    assert faults(GUIDE) == []


def test_the_reasons_are_those_that_the_guide_explains() -> None:
    explained = re.findall(r"^\| `([a-z ]+)` \| .+ \|$", GUIDE.partition("\n## ")[0], re.MULTILINE)

    assert set(explained) == REASONS
    assert len(explained) == len(REASONS)


def test_no_name_of_a_reference_is_missing() -> None:
    assert {reference: len(list(names)) for reference, names in NAMES.items()} == {
        "agh-lifecycle.md 15": 156,
        "agh-repair.md 18": 148,
        "docker-agent.md 13": 49,
        "adk-hector-agentapi.md E": 54,
        BEHAVIOURS: 92,
    }
    assert [
        reference for reference, names in NAMES.items() if len(set(names)) != len(list(names))
    ] == []


def test_every_behaviour_is_told_as_the_reference_has_it() -> None:
    behaviours = NAMES[BEHAVIOURS]
    assert isinstance(behaviours, dict)
    for row in rows_of(GUIDE):
        if row.reference == BEHAVIOURS:
            (name,) = row.names
            assert row.cells["behaviour"] == f"`{name}` {behaviours[name]}"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("`AddMessage`", "`AddMassage`", "AddMessage is in no row"),
        ("`AddMessage`", "`AddMassage`", "AddMassage is no name of it"),
        ("`AddSummary`", "`AddMessage`", "AddMessage is in 2 rows"),
        ("`POST /v1/sessions/{session_id}/spawn`", "`POST /v1/spawn`", "no route or file"),
        ("`POST /v1/webhooks`", "`PUT /v1/webhooks`", "no route or file PUT /v1/webhooks"),
        ("`domain/health.py`", "`domain/ealth.py`", "no route or file domain/ealth.py"),
        ("`domain/health.py`", "`domain/../domain/health.py`", "no route or file domain/.."),
        ("::test_", "::toast_", "no test tests/"),
        ("`tests/unit/", "`tests/units/", "no test tests/units/"),
        (" | runtime | ", " | no time | ", "no reason no time"),
    ],
)
def test_what_is_wrong_is_found(old: str, new: str, fault: str) -> None:
    assert old in GUIDE

    assert any(fault in one for one in faults(GUIDE.replace(old, new)))


def test_a_row_without_a_test_or_a_place_is_found() -> None:
    found = faults(LACKING)

    assert "docker-agent.md 13: AddMessage: is nowhere" in found
    assert "docker-agent.md 13: AddMessage: has no test" in found
    assert "docker-agent.md 13: AddSummary: does not say what is there instead" in found


def test_every_route_that_newcomers_are_told_of_is_there() -> None:
    guide = (ROOT / "docs/coming-from.md").read_text("utf-8")
    told = {
        named.partition("?")[0].replace(" S", " /v1/sessions/{session_id}")
        for named in code(guide)
        if re.match(r"[A-Z]+ [S/]", named)
    }

    assert len(told) > 30
    assert told - routes() == set()
