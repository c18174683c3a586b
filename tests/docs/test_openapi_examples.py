"""What the documents show as examples is what the server answers."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.http.describing.examples import FILE, example_of
from infrastructure.keys.audit_key_file import make_key
from tests.docs.example_requests import FIXED, NAMES, ask_everything
from tests.support.api import Json, faults_of, openapi
from tests.support.recording import Recorder
from tests.support.server import running

OPERATIONS = [one for methods in openapi()["paths"].values() for one in methods.values()]
WRITE = "CAIRN_WRITE_EXAMPLES"
"""Set in the environment, the file is written anew instead of compared."""
NEVER_REFUSED = {
    name
    for path, methods in openapi()["paths"].items()
    for name in (one["operationId"] for one in methods.values())
    if not path.startswith("/v1/")
}


def test_they_are_what_the_server_answers(database_url: str, tmp_path: Path) -> None:
    key = tmp_path / "audit.key"
    make_key(key, "example.com/cairn")
    settings: Json = {"webhook_private_targets": True, "webhook_attempts": 1, "audit_key_file": key}
    with running(database_url, **settings) as base:
        recorder = Recorder(base, FIXED, **NAMES)
        ask_everything(recorder)
        recorder.close()
    found = recorder.examples()

    if os.environ.get(WRITE):
        FILE.write_text(written(found), "utf-8")
    kept = json.loads(FILE.read_text("utf-8"))
    assert found.keys() == kept.keys()
    for name, one in found.items():
        assert one == kept[name], f"{name} answers otherwise now; with {WRITE}=1 it is written anew"
    assert FILE.read_text("utf-8") == written(kept)


def written(examples: Json) -> str:
    """Return the text of the file: a line for each request and each answer."""
    operations = []
    for name, one in sorted(examples.items()):
        lines = [f'"request": {json.dumps(one["request"], ensure_ascii=False)}']
        for status, forms in one["answers"].items():
            lines.append(f'"{status}": {json.dumps(forms, ensure_ascii=False)}')
        answers = ",\n    ".join(lines[1:])
        operations.append(f' "{name}": {{\n  {lines[0]},\n  "answers": {{\n    {answers}}}}}')
    return "{\n" + ",\n".join(operations) + "\n}\n"


def shown() -> Iterator[tuple[str, str, str, Json]]:
    """Give each form of each answer: its operation, status, media type, and what is said of it."""
    for operation in OPERATIONS:
        for status, answer in operation["responses"].items():
            for media, content in answer.get("content", {}).items():
                yield operation["operationId"], status, media.partition(";")[0], content


def test_each_fits_its_schema() -> None:
    for name, status, media, content in shown():
        if "example" in content:
            assert faults_of(content["example"], content["schema"]) == [], (name, status, media)
    for operation in OPERATIONS:
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if "example" in content:
                assert faults_of(content["example"], content["schema"]) == [], operation


def test_nothing_that_was_recorded_is_left_out() -> None:
    told = {
        (name, status, media) for name, status, media, content in shown() if "example" in content
    }
    recorded = {
        (operation["operationId"], status, media)
        for operation in OPERATIONS
        for status, forms in example_of(operation["operationId"]).answers.items()
        for media in forms
    }
    assert recorded == told


def test_every_answer_in_json_and_a_refusal_of_every_route_have_one() -> None:
    lacking = [
        (name, status)
        for name, status, media, content in shown()
        if int(status) < 300 and media.endswith("json") and "example" not in content
    ]
    assert lacking == []
    refused = {name for name, status, _, one in shown() if status >= "4" and "example" in one}
    every = {operation["operationId"] for operation in OPERATIONS}
    assert refused | NEVER_REFUSED == every


def test_every_body_that_must_be_has_one() -> None:
    for operation in OPERATIONS:
        body: Any = operation.get("requestBody", {})
        for media, content in body.get("content", {}).items():
            if body["required"] and media == "application/json":
                assert "example" in content, operation["operationId"]
