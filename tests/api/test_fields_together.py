"""What the OpenAPI document allows of the fields of a body together, the server takes.

Each field that may be left out is left out, null, or there, alone and together with each other one;
schemathesis meets few of these. The state of a session may still be in the way: only what is
refused as invalid would be wrong.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from tests.support.api import Api, faults_of, openapi

Json = dict[str, Any]

_WRITES = ("post", "put", "patch", "delete")
# From the first token on every request needs one.
_LEFT_OUT = {"create_token"}
_OF_THE_STATE = {
    "revise_message": "only a tool call has input",
    "record_activity": "a piece of the input is a string",
}
"""What no schema can say: it depends on what is in the session, or in the events."""
_IN_SHORT = {"export_sessions": {"limit": 1}}
"""What keeps an answer small that would have all that other tests have left."""


def operations() -> Iterator[tuple[str, str, Json]]:
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            form = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if method in _WRITES and form and operation["operationId"] not in _LEFT_OUT:
                yield method, path, operation


def resolved(schema: Json) -> Json:
    while "$ref" in schema:
        schema = openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def choices(schema: Json) -> Iterator[Json]:
    schema = resolved(schema)
    several = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if not several:
        yield schema
    for one in several:
        yield from choices(one)


def sample(schema: Json) -> Any:
    """Return a value of a schema, as plain as it can be."""
    one = next((one for one in choices(schema) if one.get("type") != "null"), {})
    if "const" in one or "enum" in one:
        return one["const"] if "const" in one else one["enum"][0]
    match one.get("type"):
        case "string" if one.get("format") == "uuid":
            return "01890a5d-ac96-774b-bcce-b302099a8057"
        case "integer" | "number":
            return max(one.get("minimum", 1), 1)
        case "boolean":
            return True
        case "array":
            return [sample(one.get("items", {}))]
        case "object":
            fields = one.get("properties", {})
            return {name: sample(fields[name]) for name in one.get("required", ())}
        case _:
            return "x"


def bodies(shape: Json, example: Any) -> Iterator[Json]:
    """Yield bodies that differ in which fields they have."""
    fields, needed = shape.get("properties", {}), shape.get("required", [])
    known = example if isinstance(example, dict) else {}
    values = {
        name: sample(field) if known.get(name) is None else known[name]
        for name, field in fields.items()
    }
    least = {name: values[name] for name in needed}
    others = [name for name in fields if name not in least]
    yield least
    yield {**least, **dict.fromkeys(others)}
    for name in others:
        yield {**least, name: None}
        for word in next(iter(choices(fields[name]))).get("enum", ()):
            yield {**least, name: word}
    for many in (1, 2):
        for some in combinations(others, many):
            yield {**least, **{name: values[name] for name in some}}


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [pytest.param(*one, id=one[2]["operationId"]) for one in operations()],
)
def test_what_the_document_allows_is_valid(
    api: Api, method: str, path: str, operation: Json
) -> None:
    form = operation["requestBody"]["content"]["application/json"]
    in_short = _IN_SHORT.get(operation["operationId"], {})
    allowed = [
        body
        for shape in choices(form["schema"])
        for fields in bodies(shape, form.get("example"))
        if not faults_of(body := {**in_short, **fields}, form["schema"])
    ]
    assert allowed
    for body in allowed:
        session = api.create()
        session.say(id="m1")
        session.start("t1")
        names = {"session_id": session.id, "turn_id": "t1", "message_id": "m1"}
        names |= {"app": session.app, "user": session.user}
        filled = path
        for name in operation.get("parameters", ()):
            if name["in"] == "path":
                filled = filled.replace(f"{{{name['name']}}}", names.get(name["name"], "x"))
        answer = api.request(method.upper(), filled, json=body)
        if answer.status_code in (400, 422):
            expected = _OF_THE_STATE.get(operation["operationId"], "nothing")
            assert expected in answer.json()["detail"], f"{body}: {answer.text}"


def test_a_token_of_a_user_names_their_app() -> None:
    """`tests/access` asks the server, which such a request would close for all that follow."""
    told = openapi()["paths"]["/v1/tokens"]["post"]["requestBody"]["content"]["application/json"]
    one = {"allow": ["read"], "user": "ada"}
    assert faults_of(one, told["schema"])
    assert faults_of({**one, "app": None}, told["schema"])
    assert not faults_of({**one, "app": "shop"}, told["schema"])
    assert not faults_of({**one, "user": None}, told["schema"])
