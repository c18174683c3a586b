"""The examples of the HTTP guide work as they are shown, and its table of problems is whole."""

import json
import re

from api.http.outgoing.problems import statuses
from tests.support.api import openapi
from tests.support.docs import ROOT, agrees, examples, last_json, shell
from tests.support.server import running

GUIDE = "docs/http.md"
TEXT = (ROOT / GUIDE).read_text("utf-8")


def test_the_examples_work_and_say_what_is_shown(database_url: str) -> None:
    with running(database_url) as base, shell() as sh:
        for example in examples(GUIDE):
            said = sh.run(example.commands.replace("http://127.0.0.1:8080", base))
            if example.shown:
                shown, answer = json.loads(example.shown), last_json(said)
                assert agrees(shown, answer), f"{example.commands}\n{said}"


def test_the_table_of_problems_is_whole() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \| (.+) \|$", TEXT, re.MULTILINE)

    assert {code: int(status) for code, status, _ in rows} == dict(statuses())
    assert [(int(status), code) for code, status, _ in rows] == sorted(
        (status, code) for code, status in statuses().items()
    )
    for code, _, remedy in rows:
        assert remedy.strip().endswith("."), code


def test_every_route_is_in_the_guide() -> None:
    for path, operations in openapi()["paths"].items():
        for method in operations:
            short = path.replace("{session_id}", "{id}")
            assert f"`{method.upper()} {short}`" in TEXT, f"{method.upper()} {short}"


def test_what_is_shown_is_compared() -> None:
    assert agrees({"a": "...", "b": [1, "..."]}, {"a": None, "b": [1, 2, 3], "c": 1})
    assert agrees("/v1/...", "/v1/x")
    assert not agrees({"a": 1}, {"a": True})
    assert not agrees({"a": 1}, {})
    assert not agrees([1], [1, 2])
    assert not agrees("/v2/...", "/v1/x")
