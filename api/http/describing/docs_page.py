"""The documentation page, made of the OpenAPI document; it can be read without a network."""

import json
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import Any

from api.http.describing.openapi import Json
from api.http.outgoing.problems import statuses
from api.v1.schemas.events import RECORDS

CONTENT_SECURITY_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"

_SESSION = "01890a5d-ac96-774b-bcce-b302099a8057"
_EXAMPLES: dict[str, Json] = {
    "create_session": {"app": "demo", "user": "ada", "title": "First steps"},
    "describe_session": {"title": "Second thoughts", "tags": ["kept"]},
    "stop_session": {"cause": "user_requested"},
    "add_message": {"role": "user", "parts": [{"type": "text", "text": "Hello"}]},
    "revise_message": {"parts": [{"type": "text", "text": "Hello again"}]},
    "start_turn": {"input": {"parts": [{"type": "text", "text": "Hi"}]}, "turn_id": "t1"},
    "record_activity": {
        "events": [
            {"type": "agent.message", "data": {"parts": [{"type": "text", "text": "Hello"}]}}
        ]
    },
    "complete_turn": {"stop_reason": "end_turn"},
    "fail_turn": {"kind": "model_error", "summary": "The model did not answer."},
    "cancel_turn": {"reason": "user_requested"},
    "queue_inputs": {"inputs": [{"parts": [{"type": "text", "text": "And then?"}]}]},
    "edit_input": {"parts": [{"type": "text", "text": "And what then?"}]},
    "cancel_input": {"reason": "user_requested"},
    "steer_input": {"expected_turn_id": "t1"},
    "interrupt": {"expected_turn_id": "t1"},
    "request_interaction": {
        "turn_id": "t1",
        "tool": "shell",
        "arguments": {"cmd": "ls"},
        "options": [{"option_id": "yes", "name": "Allow", "kind": "allow_once"}],
    },
    "decide_interaction": {"option_id": "yes", "grant": "tool"},
    "decide_in_turn": {"option_id": "yes"},
    "withdraw_interaction": {"reason": "withdrawn"},
    "replace_permissions": {"allow": ["read_*"], "deny": ["shell:cmd=rm*"], "mode": "ask"},
    "switch_tool_approval": {"enabled": True},
    "evaluate_call": {"tool": "shell", "arguments": {"cmd": "ls"}},
    "patch_state": {"set": {"theme": "dark", "user:name": "Ada"}, "delete": ["old"]},
    "patch_app_state": {"set": {"app:motd": "Welcome."}, "delete": ["app:old"]},
    "patch_user_state": {"set": {"user:name": "Ada"}},
    "fail_start": {"failure": {"kind": "startup_failure", "summary": "The agent did not answer."}},
    "resume_session": {"starting": False},
    "rewind_conversation": {"to": 7},
    "delete_sessions": {"session_ids": ["01890a5d-ac96-774b-bcce-b302099a8057"]},
    "record_usage": {"mode": "add", "input_tokens": 120, "output_tokens": 15, "cost": 0.01},
    "override_model": {"model": "large", "reasoning_effort": "high"},
    "add_summary": {"text": "They spoke of an order.", "first_kept": "m7"},
    "spawn_session": {"agent": {"name": "helper"}, "ttl_seconds": 3600, "role": "reviewer"},
    "fork_session": {"at": 7, "title": "Another way"},
    "set_profile": {"name": "clerk", "body": "Be kind.", "profile": {"tone": "warm"}},
    "report_sandbox": {"sandbox_id": "box-1", "operation": "prepare", "outcome": "completed"},
    "report_runtime": {
        "runtime_session_id": "thread-7",
        "name": "docker-agent",
        "version": "1.9",
        "capabilities": {"load_session": True},
        "models": [{"ref": "fast", "provider": "acme", "model": "small-1", "is_default": True}],
        "switching": "offered",
    },
    "add_peer": {"peer_id": "helper.7", "channel": "general"},
    "remove_peer": {"reason": "timeout"},
    "attach_session": {"holder": "terminal:7", "ttl_seconds": 900},
    "detach_session": {"lease_id": _SESSION},
    "report_presence": {"reporter": "runner-3", "process": "healthy"},
    "create_ticket": {"session_id": _SESSION},
    "erase_session": {"reason": "request 17 of the data-protection office"},
    "erase_user": {"reason": "request 17 of the data-protection office"},
    "prove_erasures": {"log_ids": [_SESSION]},
    "set_legal_hold": {"reason": "case 2026-4"},
    "release_legal_hold": {"reason": "case 2026-4 is closed"},
    "create_token": {"app": "shop", "allow": ["read", "write", "stream"], "name": "till"},
    "create_webhook": {"url": "https://hooks.example.com/cairn", "types": ["turn.completed"]},
    "replay_webhook": {"from": 0},
}
"""A body for each command that takes one; the tests hold them to the document."""

_PATH = {
    "session_id": _SESSION,
    "message_id": "m1",
    "turn_id": "t1",
    "input_id": "t2",
    "request_id": "r1",
    "agent": "clerk",
    "peer_id": "helper.7",
    "app": "demo",
    "user": "ada",
    "key": "theme",
    "blob": "sha256:fbe7e62c0ef56b5bf3f8cf1d4e1e9ba5dc7d2e9b9a1a9be1c3b2f0a0c9d8e7f6",
    "webhook_id": _SESSION,
    "number": "1",
    "asset": "docs.css",
    "level": "0",
    "tile": "000",
}
"""A value for each parameter of a path."""


def page(document: Json) -> str:
    """Return the page.

    Args:
        document: The OpenAPI document.
    """
    by_topic: defaultdict[str, list[tuple[str, str, Json]]] = defaultdict(list)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            by_topic[operation["tags"][0]].append((method.upper(), path, operation))
    index: list[str] = []
    body: list[str] = []
    for topic, routes in by_topic.items():
        index.append(f"<h2>{escape(topic)}</h2>")
        body.append(f'<h2 id="{_id(topic)}">{escape(topic)}</h2>')
        for method, path, operation in routes:
            name = operation["operationId"]
            words = _words(method, path, operation["summary"], name)
            index.append(f'<a href="#{name}" data-words="{words}">{method} {escape(path)}</a>')
            body.append(_route(method, path, operation, words))
    schemas = document["components"]["schemas"]
    for anchor, title, shown in (
        ("events", "Event catalogue", _catalogue()),
        ("problems", "Problem codes", _problems(document)),
        ("schemas", "Schemas", "".join(_schema(name, schemas[name]) for name in sorted(schemas))),
    ):
        index.append(f'<h2><a href="#{anchor}">{title}</a></h2>')
        body.append(f'<h2 id="{anchor}">{title}</h2>{shown}')
    about = "".join(
        f"<p>{_text(paragraph)}</p>" for paragraph in document["info"]["description"].split("\n\n")
    )
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title>"
        '<link rel="stylesheet" href="docs/assets/docs.css">'
        '<script src="docs/assets/docs.js" defer></script></head><body>'
        '<nav><input type="search" placeholder="filter" aria-label="filter">'
        f"{''.join(index)}</nav><main><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f'{about}<p><a href="schema/openapi.json">OpenAPI</a> · '
        f'<a href="schema/asyncapi.json">AsyncAPI</a></p>{"".join(body)}</main></body></html>'
    )


def _route(method: str, path: str, operation: Json, words: str) -> str:
    name = operation["operationId"]
    shown = [
        f'<section id="{name}" data-words="{words}"><h3><b>{method}</b> {escape(path)}</h3>',
        f"<p>{_text(operation['summary'])}</p>",
        _parameters(operation["parameters"]),
    ]
    if "requestBody" in operation:
        content: Json = operation["requestBody"]["content"]
        bodies = (
            [_kind(content["application/json"]["schema"])]
            if "application/json" in content
            else map(escape, content)
        )
        shown.append(f"<h4>Body</h4><p>{', '.join(bodies)}</p>")
    answers: list[tuple[str, str]] = []
    for status, answer in operation["responses"].items():
        forms = ", ".join(
            f"{escape(media)}: {_kind(content['schema'])}" if int(status) < 300 else ""
            for media, content in answer.get("content", {}).items()
        )
        answers.append((status, f"{_text(answer['description'])} <span>{forms}</span>"))
    shown.append(f"<h4>Answers</h4>{_table(answers)}")
    shown.append(f"<pre>{escape(curl(method, path, name))}</pre></section>")
    return "".join(shown)


def curl(method: str, path: str, name: str) -> str:
    """Return an example call of a route.

    Args:
        method: In capitals.
        path: With the names of its parameters in braces.
        name: Its operation id.
    """
    # A key that is shared begins with the word for those who share it.
    scope = "user:" if "{user}" in path else "app:" if "{app}" in path else ""
    filled = path.replace("{key}", f"{scope}{{key}}")
    for parameter, value in _PATH.items():
        filled = filled.replace(f"{{{parameter}}}", value)
    call = "curl -s" + ("" if method == "GET" else f" -X {method}")
    call += f" http://127.0.0.1:8080{filled}"
    if name in _EXAMPLES:
        body = json.dumps(_EXAMPLES[name])
        call += f" \\\n  -H 'Content-Type: application/json' -d '{body}'"
    return call


def example_of(name: str) -> Json:
    """Return the body of the example of a route; an empty object when it needs none."""
    return _EXAMPLES.get(name, {})


def _parameters(parameters: list[Json]) -> str:
    rows = [
        (
            f"<code>{escape(one['name'])}</code>",
            f"{one['in']}",
            f"{_kind(one['schema'])} {_text(one.get('description', ''))}",
        )
        for one in parameters
    ]
    return f"<h4>Parameters</h4>{_table(rows)}" if rows else ""


def _catalogue() -> str:
    rows = [
        (f"<code>{name}</code>", f"{_text(record.__doc__ or '')} {_kind(_ref(record.__name__))}")
        for name, record in RECORDS.items()
    ]
    return _table(rows)


def _problems(document: Json) -> str:
    operations = [one for path in document["paths"].values() for one in path.values()]
    rows: list[tuple[str, str, str]] = []
    for code, status in sorted(statuses().items(), key=lambda item: (item[1], item[0])):
        routes = [
            one["operationId"]
            for one in operations
            if f"`{code}`" in one["responses"].get(str(status), {}).get("description", "")
        ]
        everywhere = len(routes) == len(operations)
        where = "everywhere" if everywhere else ", ".join(routes)
        rows.append((str(status), f"<code>{code}</code>", f'<span class="dim">{where}</span>'))
    return _table(rows)


def _schema(name: str, schema: Json) -> str:
    said = _text(schema.get("description", ""))
    needed = schema.get("required", [])
    rows = [
        (
            f"<code>{escape(field)}</code>{'' if field in needed else ' <i>optional</i>'}",
            f"{_kind(one)} {_text(one.get('description', ''))}",
        )
        for field, one in schema.get("properties", {}).items()
    ]
    kind = "" if "properties" in schema else f"<p>{_kind(schema)}</p>"
    words = _words(name, *schema.get("properties", {}))
    return (
        f'<section id="schema-{name}" data-words="{words}"><h3>{name}</h3>'
        f"<p>{said}</p>{kind}{_table(rows)}</section>"
    )


def _kind(schema: Any) -> str:
    """Return in a few words what a schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{name}">{name}</a>'
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            return " or ".join(map(_kind, schema[key]))
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"array of {_kind(schema.get('items', {}))}"
    limits = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "≥"), ("maximum", "≤"), ("maxLength", "at most"))
        if key in schema
    ]
    return f'<span class="dim">{" ".join([schema.get("format", kind), *limits])}</span>'


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{cells}</table>"


def _text(text: str) -> str:
    """Return a text as HTML, with what stands in backticks as code."""
    pieces = escape(" ".join(text.split())).split("`")
    return "".join(f"<code>{one}</code>" if i % 2 else one for i, one in enumerate(pieces))


def _words(*texts: str) -> str:
    return escape(" ".join(texts).lower())


def _id(topic: str) -> str:
    return f"topic-{topic.lower()}"
