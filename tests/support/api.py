"""A client whose every answer is held to the OpenAPI document and to the conventions."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from itertools import islice
from typing import Any
from uuid import uuid4

import httpx
import jsonschema_rs

from api.http.describing.openapi import document
from api.v1.route_table import ROUTES
from application.commands.request import BY_ITSELF

Json = dict[str, Any]
JSON = {"content-type": "application/json"}
HELLO = [{"type": "text", "text": "Hello"}]
_REFERENCE = re.compile(r'"#/components/schemas/([^"/]+)"')
_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}


@cache
def openapi() -> Json:
    """The document, closed: clients must let unknown fields pass, but we tell of all there are."""
    return closed(deepcopy(document(ROUTES)))


def closed(document: Json) -> Json:
    """Forbid in a document, in place, what its objects do not name."""
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


@cache
def _templates() -> list[tuple[re.Pattern[str], Json]]:
    return [
        (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "/?"), operations)
        for path, operations in openapi()["paths"].items()
    ]


def _operation(method: str, path: str) -> Json | None:
    for pattern, operations in _templates():
        if pattern.fullmatch(path) and method.lower() in operations:
            found: Json = operations[method.lower()]
            return found
    return None


@cache
def _validator(schema: str) -> Any:
    """Compile a schema, as JSON, together with the components that it reaches and no others.

    Answers of many routes share a schema, and a compiled one takes megabytes with all components.
    """
    needed: Json = {}
    left = [schema]
    while left:
        for name in _REFERENCE.findall(left.pop()):
            if name not in needed:
                needed[name] = openapi()["components"]["schemas"][name]
                left.append(json.dumps(needed[name]))
    whole = {**json.loads(schema), "components": {"schemas": needed}}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def conforms(response: httpx.Response) -> None:
    """Hold an answer to what the document says of its route."""
    status, request_id = response.status_code, response.headers.get("x-request-id")
    media_type = response.headers.get("content-type", "").partition(";")[0]
    assert request_id, "an answer without a request id"
    if status >= 400 and response.request.method != "HEAD":
        assert media_type == "application/problem+json", response.text
        problem = response.json()
        assert problem.keys() >= _MEMBERS
        assert (problem["status"], problem["request_id"]) == (status, request_id)
        assert problem["type"] == "urn:cairn:problem:" + problem["code"].replace("_", "-")
    path = response.request.url.raw_path.decode().partition("?")[0]
    operation = _operation(response.request.method, path)
    if operation is None:
        return
    assert str(status) in operation["responses"], f"{status} is not in the document"
    described = operation["responses"][str(status)]
    if "x-codes" in described and response.request.method != "HEAD":
        assert response.json()["code"] in described["x-codes"]
    if not response.content:
        assert "content" not in described
        return
    forms = {name.partition(";")[0]: name for name in described["content"]}
    form = forms.get(media_type, forms.get("*/*"))
    assert form is not None, f"{media_type} is not in the document"
    if form.endswith("json"):
        assert faults_of(response.json(), described["content"][form]["schema"]) == []


def faults_of(value: Any, schema: Json) -> list[str]:
    """Return what of a value a schema of the document does not allow, at most three things."""
    found = _validator(json.dumps(schema)).iter_errors(value)
    return [f"{one.instance_path}: {one.message}" for one in islice(found, 3)]


class Api:
    """Talks to one server.

    Args:
        base_url: Where it is.
        **headers: Sent with every request.
    """

    def __init__(self, base_url: str, **headers: str) -> None:
        self.base_url = base_url
        self._client = httpx.Client(base_url=base_url, headers=headers, timeout=60)

    def close(self) -> None:
        self._client.close()

    def request(self, method: str, path: str, **rest: Any) -> httpx.Response:
        response = self._client.request(method, path, **rest)
        conforms(response)
        return response

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("GET", path, **rest)

    def post(self, path: str, json: Any = None, **rest: Any) -> httpx.Response:
        return self.request("POST", path, json={} if json is None else json, **rest)

    def patch(self, path: str, json: Any, **rest: Any) -> httpx.Response:
        return self.request("PATCH", path, json=json, **rest)

    def put(self, path: str, json: Any, **rest: Any) -> httpx.Response:
        return self.request("PUT", path, json=json, **rest)

    def delete(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("DELETE", path, **rest)

    def raw(self, method: str, path: str, body: bytes, **headers: str) -> httpx.Response:
        return self.request(method, path, content=body, headers={**JSON, **headers})

    def create(self, **body: Any) -> "SessionApi":
        """Make a session of an app and a user that no other test has."""
        unique = uuid4().hex[:12]
        whole = {"app": f"app-{unique}", "user": f"user-{unique}", **body}
        created = self.post("/v1/sessions", whole)
        assert created.status_code == 201, created.text
        return SessionApi(self, created.json()["session"])

    def feed_head(self) -> int:
        head: int = self.get("/v1/events", params={"after": "now"}).json()["head"]
        return head

    @contextmanager
    def nothing_recorded(self) -> Iterator[None]:
        """See that the log of all sessions does not grow by what a client does meanwhile.

        What the server does by itself, such as ending what a test of before has left open, is let
        pass: it comes when its time has come.
        """
        before = self.feed_head()
        yield
        recorded = self.get("/v1/events", params={"after": before}).json()["events"]
        by_clients = [one for one in recorded if one["origin"] not in BY_ITSELF]
        assert [(one["session_id"], one["type"], one["data"]) for one in by_clients] == []


class SessionApi:
    """Talks about one session."""

    def __init__(self, api: Api, created: Json) -> None:
        self.api = api
        self.id: str = created["id"]
        self.app: str = created["app"]
        self.user: str = created["user"]
        self.path = f"/v1/sessions/{self.id}"

    def get(self, path: str = "", **rest: Any) -> httpx.Response:
        return self.api.get(self.path + path, **rest)

    def post(self, path: str, json: Any = None, **rest: Any) -> httpx.Response:
        return self.api.post(self.path + path, json, **rest)

    def patch(self, path: str, json: Any, **rest: Any) -> httpx.Response:
        return self.api.patch(self.path + path, json, **rest)

    def put(self, path: str, json: Any, **rest: Any) -> httpx.Response:
        return self.api.put(self.path + path, json, **rest)

    def delete(self, path: str = "", **rest: Any) -> httpx.Response:
        return self.api.delete(self.path + path, **rest)

    def document(self) -> Json:
        """Return what lists show of it."""
        shown: Json = done(self.get())["session"]
        return shown

    @property
    def head(self) -> int:
        head: int = self.get("/events", params={"since": "now"}).json()["head"]
        return head

    def events(self, **query: Any) -> list[Json]:
        found: list[Json] = self.get("/events", params={"limit": 200, **query}).json()["events"]
        return found

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]

    def say(self, text: str = "Hello", **rest: Any) -> Json:
        body = {"role": "user", "parts": [{"type": "text", "text": text}], **rest}
        return done(self.post("/messages", body), 201)

    def start(self, turn_id: str = "t1", **rest: Any) -> Json:
        return done(
            self.post("/turns", {"input": {"parts": HELLO}, "turn_id": turn_id, **rest}), 201
        )

    def queue(self, *input_ids: str, **rest: Any) -> Json:
        """Have inputs wait that say their own ids."""
        inputs = [{"id": one, "parts": [{"type": "text", "text": one}]} for one in input_ids]
        return done(self.post("/inputs", {"inputs": inputs, **rest}), 202)

    def waiting(self) -> list[str]:
        """Return the ids of what waits, the next one first."""
        return [one["input_id"] for one in done(self.get("/inputs"))["inputs"]]

    def record(self, *events: tuple[str, Json], turn_id: str = "t1", **rest: Any) -> Json:
        body = {"events": [{"type": name, "data": data} for name, data in events], **rest}
        return done(self.post(f"/turns/{turn_id}/events", body))

    def ask(self, request_id: str = "r1", turn_id: str = "t1", **rest: Any) -> Json:
        options = [
            {"option_id": "yes", "name": "Allow", "kind": "allow_once"},
            {"option_id": "no", "name": "Reject", "kind": "reject_once"},
        ]
        body = {"request_id": request_id, "turn_id": turn_id, "options": options, **rest}
        return done(self.post("/interactions", body), 201)

    def complete(self, turn_id: str = "t1", **rest: Any) -> Json:
        return done(self.post(f"/turns/{turn_id}/complete", rest))

    @contextmanager
    def nothing_recorded(self) -> Iterator[None]:
        """See that neither this log nor any other grows meanwhile."""
        before = self.head
        with self.api.nothing_recorded():
            yield
        assert self.head == before


def done(response: httpx.Response, status: int = 200) -> Json:
    """Expect a success, and return what it says."""
    assert response.status_code == status, response.text
    body: Json = response.json()
    return body


def refused(response: httpx.Response, status: int, code: str, **facts: Any) -> Json:
    """Expect a problem of exactly this code, which tells at least these facts."""
    assert response.status_code == status, response.text
    problem: Json = response.json()
    assert problem["code"] == code, problem
    assert facts.items() <= problem.items(), problem
    return problem
