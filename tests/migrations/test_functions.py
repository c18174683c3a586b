"""What the program calls in the database has a version in its name."""

import re
from importlib.resources import files

from infrastructure.postgres.connecting.migrations import MIGRATIONS
from infrastructure.postgres.sql import load

STATEMENTS = [
    file.name.removesuffix(".sql")
    for file in files("infrastructure.postgres.sql").iterdir()
    if file.name.endswith(".sql")
]
MADE = re.compile(r"create (?:or replace )?function (\w+)\(.*?\breturns (\w+)", re.DOTALL)


def made() -> dict[str, str]:
    """The functions of all migrations, and what they return."""
    found = [file for file in MIGRATIONS.iterdir() if file.name.endswith(".sql")]
    return {name: kind for file in found for name, kind in MADE.findall(file.read_text())}


def test_every_function_but_those_of_triggers_has_a_version():
    unversioned = [name for name, kind in made().items() if not re.search(r"_v\d+$", name)]

    assert {made()[name] for name in unversioned} == {"trigger"}


def test_the_program_calls_functions_by_their_version():
    called = {
        word
        for file in STATEMENTS
        for statement in load(file).values()
        for word in re.findall(r"\b(\w+)\(", statement)
        if word in made()
    }

    assert "append_batch_v1" in called
    assert all(re.search(r"_v\d+$", name) for name in called)
