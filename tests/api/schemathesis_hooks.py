"""What a schema cannot say: which valid requests the state of the server lets through."""

import os
import re
from itertools import count, cycle
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis import Case, GenerationMode, HookContext

NAMES = {"message_id": "m", "turn_id": "t", "request_id": "r"}
"""Of what each prepared session has."""

_run = uuid4().hex
_calls = count()
_sessions = cycle(os.environ.get("CAIRN_PREPARED_SESSIONS", "").split(","))


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
    # Nobody but the server makes a cursor; `since` and `last` exclude each other.
    query.pop("cursor", None)
    if "last" in query:
        query.pop("since", None)
    # A key cannot be set and deleted at once.
    if isinstance(case.body, dict) and isinstance(case.body.get("set"), dict):
        case.body["delete"] = [k for k in case.body.get("delete", []) if k not in case.body["set"]]
    # Most valid requests go to something that is there.
    if "session_id" in path and call % 4:
        path["session_id"] = next(_sessions)
        for name in NAMES.keys() & path.keys():
            path[name] = NAMES[name]
        if headers:
            headers.pop("If-Match", None)
        if "request_id" in path and isinstance(case.body, dict):
            case.body["option_id"] = "yes"
