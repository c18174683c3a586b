"""Every SQL statement of the program, in files of named blocks beside this one.

A block begins with `-- name: some_name`; comment lines right below describe it, and the statement
follows. What stands before the first block is a comment on the file.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import LiteralString, cast

_NAME = re.compile(r"^--[ \t]*name:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_DESCRIPTION = re.compile(r"(?:\s*--[^\n]*(?:\n|$))*")


def load(name: str, *, folder: Traversable | None = None) -> Mapping[str, LiteralString]:
    """Read the statements of one file, by name.

    Args:
        name: The file, without `.sql`.
        folder: Where to look, this package by default.

    Raises:
        ValueError: Two blocks have one name, a block is empty, or there is text before the first.
        FileNotFoundError: There is no such file.
    """
    text = ((folder or files(__name__)) / f"{name}.sql").read_text("utf-8")
    preface, *parts = _NAME.split(text)
    if _without_description(preface):
        raise ValueError(f"{name}.sql has a statement before the first name")
    statements: dict[str, LiteralString] = {}
    for block, body in zip(parts[::2], parts[1::2], strict=True):
        statement = _without_description(body)
        if not statement:
            raise ValueError(f"{name}.sql has no statement under the name {block}")
        if block in statements:
            raise ValueError(f"{name}.sql has two statements of the name {block}")
        # As much a part of the program as a literal in a .py file; mypy holds it to be any string.
        statements[block] = cast("LiteralString", statement)  # type: ignore[redundant-cast]
    return MappingProxyType(statements)


def _without_description(body: str) -> str:
    match = _DESCRIPTION.match(body)
    return body[match.end() if match else 0 :].strip()
