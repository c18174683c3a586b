"""The documentation page, made of the OpenAPI document; it can be read without a network."""

import json
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import Any

from api.http.describing.examples import example_of
from api.http.describing.openapi import Json
from api.http.outgoing.problems import statuses
from api.v1.schemas.events import RECORDS

CONTENT_SECURITY_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
_REFUSED = 400
_OF_A_SESSION = "/v1/sessions/{session_id}/"
"""What would stand before most paths in the sidebar, and fill it."""


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
            link = f"<b>{method}</b> {escape(path.replace(_OF_A_SESSION, '…/', 1))}"
            index.append(
                f'<a href="#{name}" title="{escape(path)}" data-words="{words}">{link}</a>'
            )
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
    return "".join((*shown, _example(method, operation), "</section>"))


def _example(method: str, operation: Json) -> str:
    """Return a request, what came of it, and how it can be refused."""
    shown = [f"<pre>{escape(example_of(operation['operationId']).curl(method))}</pre>"]
    told: set[bool] = set()
    for status, answer in operation["responses"].items():
        for content in answer.get("content", {}).values():
            refused = int(status) >= _REFUSED
            if "example" in content and refused not in told:
                told.add(refused)
                given = content["example"]
                said = given if isinstance(given, str) else json.dumps(given, indent=2)
                shown.append(f"<p>{status}</p><pre>{escape(said)}</pre>")
    return "".join(shown)


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
            f"{_kind(one)} {_text(_said_of(one))}",
        )
        for field, one in schema.get("properties", {}).items()
    ]
    kind = "" if "properties" in schema else f"<p>{_kind(schema)}</p>"
    words = _words(name, *schema.get("properties", {}))
    return (
        f'<section id="schema-{name}" data-words="{words}"><h3>{name}</h3>'
        f"<p>{said}</p>{kind}{_table(rows)}</section>"
    )


def _said_of(field: Json) -> str:
    """Return what is said of a field, or of the first of its choices that something is said of."""
    choices = (field, *field.get("anyOf", ()), *field.get("oneOf", ()))
    return next((one["description"] for one in choices if "description" in one), "")


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
