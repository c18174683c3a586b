"""One request of each operation, and what the server has answered, as it was recorded.

`tests/docs/test_openapi_examples.py` asks all of it again, and writes `examples.json`.
"""

import json
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]

FILE = Path(__file__).with_name("examples.json")
ADDRESS = "http://127.0.0.1:8080"
"""Stands for that of the server, until somebody asks one."""


class Example(NamedTuple):
    """What was asked of an operation, and its answers.

    Args:
        path: With its query.
        headers: Besides those that every request has.
        body: JSON, or None.
        has_file: The body is a file.
        answers: By status and media type without parameters: JSON, or text.
    """

    path: str
    headers: Mapping[str, str]
    body: Any
    has_file: bool
    answers: Mapping[str, Mapping[str, Any]]

    def shown(self, status: int | str, media_type: str) -> Json:
        """Return one answer as `example` for a media type of the document, if there is one."""
        forms, media = self.answers.get(str(status), {}), media_type.partition(";")[0]
        return {"example": forms[media]} if media in forms else {}

    def curl(self, method: str) -> str:
        """Return the request as a command.

        Args:
            method: In capitals.
        """
        call = "curl -s" + ("" if method == "GET" else f" -X {method}")
        call += " " + shlex.quote(ADDRESS + self.path)
        for name, value in self.headers.items():
            call += f" \\\n  -H {shlex.quote(f'{name}: {value}')}"
        if self.has_file:
            call += " \\\n  --data-binary @file"
        if self.body is not None:
            call += f" \\\n  -d {shlex.quote(json.dumps(self.body))}"
        return call


_NONE = Example("", {}, None, has_file=False, answers={})


def example_of(operation: str) -> Example:
    """Return what was recorded of an operation; of one that never was, an example of nothing."""
    return _recorded().get(operation, _NONE)


@cache
def _recorded() -> Mapping[str, Example]:
    found: Json = json.loads(FILE.read_text("utf-8"))
    return {
        name: Example(
            one["request"]["path"],
            one["request"].get("headers", {}),
            one["request"].get("body"),
            one["request"].get("file", False),
            one["answers"],
        )
        for name, one in found.items()
    }
