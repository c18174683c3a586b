"""The OpenAPI document, as the validator and the generators that people use read it."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from api.http.describing.openapi import document
from api.v1.route_table import ROUTES
from tests.support.api import Api, Json, SessionApi
from tests.support.docs import ROOT
from tests.support.node import packages, run_node

HERE = ROOT / "tests/clients"
DOCUMENT = document(ROUTES)
SCHEMAS = DOCUMENT["components"]["schemas"]
TURN = ["session.created", "turn.started", "agent.message", "turn.completed"]
_WITHIN = 100
_UNREAD = re.compile(r"Unsupported content[_ ]type (application/(jsonl|zstd|x-tar|x-ndjson)|\*/\*)")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_WITHIN, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-4000:]
    return done.stdout + done.stderr


def test_the_validator_finds_nothing() -> None:
    validate(DOCUMENT)


def test_answers_are_open_and_requests_are_closed() -> None:
    for name in ("Session", "EventPage", "TurnStartedRecord", "TurnStarted", "Problem"):
        assert SCHEMAS[name].get("additionalProperties", True) is True
    for name in ("CreateSessionBody", "StartTurnBody"):
        assert SCHEMAS[name]["additionalProperties"] is False


def test_every_choice_has_a_name() -> None:
    def unnamed(schema: Any) -> Any:
        if isinstance(schema, dict):
            if len(schema.get("enum", [])) > 1:
                yield schema["enum"]
            for name, inner in schema.items():
                if name != "not":
                    yield from unnamed(inner)
        elif isinstance(schema, list):
            for inner in schema:
                yield from unnamed(inner)

    models = {name: schema for name, schema in SCHEMAS.items() if "enum" not in schema}
    assert list(unnamed(models)) == []


def test_openapi_python_client_knows_every_operation_and_runs_a_turn(file: Path, api: Api) -> None:
    package = file.parent / "cairn_client"
    said = run(
        str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--path",
        str(file), "--output-path", str(package), "--meta", "none", PATH="",
    )  # fmt: skip

    operations = {
        (operation["tags"][0].lower(), operation["operationId"])
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
    }
    made = {
        (path.parent.name, path.stem)
        for path in (package / "api").rglob("*.py")
        if path.stem != "__init__"
    }
    assert made == operations
    # JSON Lines, archives and bytes of any type are no forms that it can read; all else is.
    assert said.count("WARNING") == len(_UNREAD.findall(said))
    assert "Unable to" not in said
    program = str(HERE / "generated/with_openapi_python_client.py")
    answer = json.loads(
        run(sys.executable, "-P", program, api.base_url, PYTHONPATH=str(file.parent))
    )
    assert answer["types"] == TURN


def test_datamodel_code_generator_reads_every_answer_and_what_it_does_not_know(
    file: Path, session: SessionApi
) -> None:
    models = _models(file)
    numbered = [name for name in dir(models) if name[-1].isdigit() and hasattr(models, name)]
    enums = [n for n in numbered if hasattr(getattr(models, n), "__members__")]
    assert enums == []
    session.say()

    page = session.get("/events").json()
    page["events"].append(
        {**page["events"][-1], "type": "of.tomorrow", "data": {"x": 1}, "more": True}
    )
    read = models.EventPage.model_validate(page)
    assert [event.root.type for event in read.events] == [e["type"] for e in page["events"]]
    assert models.Snapshot.model_validate(session.get("/snapshot").json()).sequence == 2
    assert _turn_by_models(models, session.api) == TURN


def _turn_by_models(models: Any, api: Api) -> list[str]:
    """Create a session, run a turn in it and read the log, with models that were generated."""

    def sent(model: Any) -> Json:
        said: Json = model.model_dump(mode="json", exclude_none=True)
        return said

    hello = {"parts": [{"type": "text", "text": "Hello"}]}
    create = models.CreateSessionBody(app="shop", user="ada")
    made = models.SessionAnswer.model_validate(api.post("/v1/sessions", sent(create)).json())
    path = f"/v1/sessions/{made.session.id}"
    start = models.StartTurnBody.model_validate({"turn_id": "t1", "input": hello})
    models.TurnAnswer.model_validate(api.post(f"{path}/turns", sent(start)).json())
    said = {"events": [{"type": "agent.message", "data": hello}]}
    report = models.RecordActivityBody.model_validate(said)
    recorded = api.post(f"{path}/turns/t1/events", sent(report)).json()
    models.ActivityAnswer.model_validate(recorded)
    end = models.CompleteTurnBody.model_validate({"stop_reason": "end_turn"})
    models.TurnEnded.model_validate(api.post(f"{path}/turns/t1/complete", sent(end)).json())
    seen: list[str] = []
    since, more = 0, True
    while more:
        query = f"?since={since}&limit=3"
        page = models.EventPage.model_validate(api.get(f"{path}/events{query}").json())
        seen += [event.root.type for event in page.events]
        since, more = page.next, not page.up_to_date
    return seen


def _models(file: Path) -> Any:
    path = file.with_name("cairn_models.py")
    run(
        sys.executable, "-W", "ignore", "-m", "datamodel_code_generator", "--input", str(file),
        "--input-file-type", "openapi", "--output", str(path), "--output-model-type",
        "pydantic_v2.BaseModel", "--target-python-version", "3.11", "--disable-timestamp",
        # Nobody reads them, and black takes longer than all else.
        "--formatters", "builtin",
    )  # fmt: skip
    found = importlib.util.spec_from_file_location("cairn_models", path)
    assert found is not None
    assert found.loader is not None
    models = importlib.util.module_from_spec(found)
    sys.modules["cairn_models"] = models
    try:
        found.loader.exec_module(models)
        return models
    finally:
        del sys.modules["cairn_models"]


def test_openapi_typescript_types_a_program_that_runs_a_turn(file: Path, api: Api) -> None:
    modules, types = packages() / "node_modules", file.with_name("api.d.ts")
    program = file.with_name("program.mts")
    program.write_text((HERE / "node/openapi_typescript.mts").read_text("utf-8"))
    run_node(str(modules / "openapi-typescript/bin/cli.js"), str(file), "-o", str(types))
    run_node(
        str(modules / "typescript/bin/tsc"), "--noEmit", "--strict", "--target", "es2022",
        "--module", "nodenext", "--allowImportingTsExtensions", "--lib", "es2022,dom",
        # The libraries that come with TypeScript are as they are.
        "--skipDefaultLibCheck", str(program),
    )  # fmt: skip

    seen: Json = json.loads(run_node(str(program), api.base_url))

    assert seen == ["session.created", "turn.started", "turn.completed t1"]
