"""What a schema cannot say: which valid requests the state of the server lets through."""

import os
import re
from itertools import count, cycle
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis import Case, GenerationMode, HookContext

from api.http.describing.route_docs import COMMAND_HEADERS
from tests.support.api import closed

NAMES = {"message_id": "m", "turn_id": "t", "request_id": "r", "input_id": "i"}
"""Of what each prepared session has."""

_ETAGS = re.compile(
    next(one for one in COMMAND_HEADERS if one.name == "If-Match").schema["pattern"]
)
_run = uuid4().hex
_calls = count()
_sessions = cycle(os.environ.get("CAIRN_PREPARED_SESSIONS", "").split(","))


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    closed(raw_schema)
    # Those are recorded and asked for again by `tests/docs/test_openapi_examples.py`.
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            for told in (operation.get("requestBody", {}), *operation["responses"].values()):
                for form in told.get("content", {}).values():
                    form.pop("example", None)


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    if re.fullmatch(r"[\d.]+(ms|s|m)?", str(case.query.get("wait"))):
        case.query["wait"] = "1ms"
    meta = case.meta
    if meta is None or meta.generation.mode != GenerationMode.POSITIVE:
        return
    call = next(_calls)
    headers, query, path = case.headers, case.query, case.path_parameters
    # A key belongs to one request: given again with another body it is refused, as it should be.
    if headers and "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = f"{_run}-{call}"
    # The search of every word does not hold to its pattern.
    if headers and not _ETAGS.fullmatch(headers.get("If-Match", "*")):
        headers.pop("If-Match")
    # Nobody but the server makes a cursor; `since` and `last` exclude each other.
    query.pop("cursor", None)
    if "last" in query:
        query.pop("since", None)
    # A proof is of one event, or between two sizes.
    if case.operation.path.endswith("/audit/proof"):
        query.clear()
        query["position"] = 1
    # A key cannot be set and deleted at once.
    if isinstance(case.body, dict) and isinstance(case.body.get("set"), dict):
        case.body["delete"] = [k for k in case.body.get("delete", []) if k not in case.body["set"]]
    # Not every text is a URL that may be called, nor a type of event, nor a time gone by.
    if "/webhooks" in case.operation.path and isinstance(case.body, dict):
        change_webhook(case.body)
    if isinstance(case.body, dict):
        change_command(case.operation.path, case.body)
    # Most valid requests go to something that is there.
    if "session_id" in path and call % 4:
        path["session_id"] = next(_sessions)
        for name in NAMES.keys() & path.keys():
            path[name] = NAMES[name]
        if headers:
            headers.pop("If-Match", None)
        if isinstance(case.body, dict) and "option_id" in case.body:
            case.body["option_id"] = "yes"


def without_blobs(value: Any) -> None:
    """Have parts name URLs instead of blobs, in place: nobody has sent the bytes of those."""
    if isinstance(value, list):
        for item in value:
            without_blobs(item)
    elif isinstance(value, dict):
        if value.get("type") in ("image", "file") and value.pop("blob", None) is not None:
            value.setdefault("url", "https://example.invalid/picture")
        for item in value.values():
            without_blobs(item)


def change_command(path: str, body: dict[str, Any]) -> None:
    """Make of what only a schema allows something that a rule allows too."""
    without_blobs(body)
    # Not every text is a pattern, nor every object a schema; no two options or models are the same.
    for name in ("allow", "ask", "deny"):
        if path.endswith("/permissions") and body.get(name):
            body[name] = ["shell:cmd=ls*"]
    if isinstance(body.get("permissions"), dict):
        body["permissions"] = {"mode": "deny-all", "allow": ["shell:cmd=ls*"]}
    if path.endswith("/interactions") and isinstance(body.get("schema"), dict):
        body["schema"] = {"type": "object", "properties": {"size": {"type": "string"}}}
    for number, one in enumerate(body.get("options") or ()):
        one["option_id"] = f"o{number}"
    for number, one in enumerate(body.get("models") or ()):
        one["ref"] = f"m{number}"
    # Nothing but a tool call has input.
    if "/messages/" in path:
        body.pop("input", None)
        if body.get("parts") is None:
            body["parts"] = [{"type": "text", "text": "revised"}]
    # No two inputs are the same, nor is there room for as many as a queue may be made to hold.
    if path.endswith("/inputs"):
        del (body.get("inputs") or [])[20:]
        for one in (body.get("inputs") or ())[1:]:
            one.pop("id", None)
            one.pop("message_id", None)


def change_webhook(body: dict[str, Any]) -> None:
    """Make what only a schema allows something that can be done."""
    for name, value in (("url", "https://hooks.example.invalid/"), ("types", ["turn.*"])):
        if name in body:
            body[name] = value
    if isinstance(body.get("secret"), str):
        body["secret"] = "whsec_" + "A" * 32
    if body.get("from") not in (None, "now"):
        body["from"] = 0
    if body.get("upto") is not None:
        body["upto"] = 1
    if isinstance(body.get("batch"), float):
        body["batch"] = int(body["batch"])
