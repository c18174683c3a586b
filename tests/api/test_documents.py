"""The documents describe every route, are valid, and can be read without a network."""

import asyncio
import json
import re
from html import unescape
from html.parser import HTMLParser
from threading import Event
from typing import Any

import httpx
import jsonschema_rs
import pytest
from litestar.response.base import ASGIResponse

from api.http.describing.examples import ADDRESS, example_of
from api.http.describing.glossary import describe_fields, named_fields
from api.http.describing.openapi import document
from api.http.describing.route_docs import description_of
from api.http.incoming.requests import HttpRequest
from api.http.outgoing.problems import statuses
from api.http.outgoing.responses import Reply
from api.http.routing import get
from api.v1.asyncapi import streams
from api.v1.route_table import ROUTES
from api.v1.routes import documents
from domain.log.catalogue import NAMES
from tests.support.api import Api, Json, done, openapi
from tests.support.server import running

OPERATIONS = [one for path in openapi()["paths"].values() for one in path.values()]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def resolved(whole: Json, reference: str) -> Any:
    at: Any = whole
    for step in reference.removeprefix("#/").split("/"):
        at = at[step.replace("~1", "/").replace("~0", "~")]
    return at


def test_every_route_is_described() -> None:
    shown = ROUTES
    for route in shown:
        assert description_of(route).answers, route
        assert (route.handler.__doc__ or "").strip(), route
    assert len(OPERATIONS) == len(shown)
    assert len({one["operationId"] for one in OPERATIONS}) == len(shown)


def test_a_route_without_a_description_is_found() -> None:
    @get("/new", right=None)
    async def new(_: HttpRequest) -> ASGIResponse:
        return Reply(b"")

    with pytest.raises(LookupError, match="new has no description"):
        document([*ROUTES, new])


def test_the_schemas_are_schemas_and_every_reference_leads_somewhere() -> None:
    whole = openapi()
    for reference in references(whole):
        assert resolved(whole, reference) is not None
    for name, schema in whole["components"]["schemas"].items():
        assert re.fullmatch(r"[A-Za-z0-9]+", name)
        jsonschema_rs.meta.validate({"$schema": whole["jsonSchemaDialect"], **schema})
    every = [{"$ref": f"#/components/schemas/{name}"} for name in whole["components"]["schemas"]]
    jsonschema_rs.Draft202012Validator({"anyOf": every, "components": whole["components"]})
    for operation in OPERATIONS:
        for parameter in operation["parameters"]:
            jsonschema_rs.meta.validate(
                {"$schema": whole["jsonSchemaDialect"], **parameter["schema"]}
            )


def test_every_event_type_is_in_the_catalogue() -> None:
    schemas = openapi()["components"]["schemas"]
    *known, erased, other = (
        schemas[one["$ref"].rpartition("/")[2]]["properties"]["type"]
        for one in schemas["EventRecord"]["anyOf"]
    )
    types = {name for name, _ in NAMES.values()} | {"unreadable"}
    assert {one["const"] for one in known} == types
    # What is erased keeps the type that it had.
    assert "const" not in erased
    assert set(other["not"]["enum"]) == types


def test_every_problem_code_is_known_and_almost_every_one_is_told_of() -> None:
    told = {
        code
        for operation in OPERATIONS
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for code in re.findall(r"`(\w+)`", answer["description"])
    }
    # What the framework and whoever comes later may give; no route of today does.
    unused = {"forbidden", "method_not_allowed", "not_implemented"}
    unused |= {"artifacts_full"}  # of another door alone
    assert told == set(statuses()) - unused


def test_a_document_says_whether_a_token_is_needed() -> None:
    assert document(ROUTES)["security"] == []
    assert document(ROUTES, token=True)["security"] == [{"bearer": []}]
    assert openapi()["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_it_is_served(api: Api) -> None:
    response = api.get("/schema/openapi.json")
    assert response.json() == json.loads(json.dumps(document(ROUTES)))
    assert response.headers["content-type"] == "application/json"


def test_the_streams_have_a_document(api: Api) -> None:
    served = done(api.get("/schema/asyncapi.json"))
    assert served == json.loads(json.dumps(streams(ROUTES)))
    assert served["asyncapi"] == "3.0.0"
    for reference in references(served):
        assert resolved(served, reference) is not None
    names = set(served["channels"]["session"]["messages"])
    assert {name for name, _ in NAMES.values()} < names
    assert {"caught-up", "ping", "partial", "session.closed", "stream.closing", "error"} < names


class Page(HTMLParser):
    """What a page points to, and what a strict browser would not run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.inline: list[str] = []
        self._in: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                assert value not in self.ids
                self.ids.add(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.inline.append(tag)


def test_the_page_needs_no_network_and_nothing_inline(api: Api) -> None:
    response = api.get("/docs")
    page = Page(response.text)

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"].startswith("default-src 'self'")
    assert page.inline == []
    for link in page.links:
        # Relative, so that it also leads back under the path of a proxy.
        assert re.match("[a-z]+:|/", link) is None, link
        if link.startswith("#"):
            assert link[1:] in page.ids, link
        else:
            assert api.get(link).status_code == 200
    for operation in OPERATIONS:
        assert operation["operationId"] in page.ids
    for name, _ in NAMES.values():
        assert name in response.text
    assert response.text.count("curl -s") == len(OPERATIONS)
    assert response.text.count(f"{api.base_url}/v1/") >= response.text.count("8080/v1/") == 0


def undescribed(schemas: Json) -> list[str]:
    """The fields that nothing is said of, where they stand."""
    return [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, one in schema.get("properties", {}).items()
        if not any(
            choice.get("description", "").strip()
            for choice in (one, *one.get("anyOf", ()), *one.get("oneOf", ()))
        )
    ]


def test_every_parameter_and_every_field_is_described() -> None:
    bare = [
        (operation["operationId"], one["name"])
        for operation in OPERATIONS
        for one in operation["parameters"]
        if not one.get("description")
    ]
    assert bare == []
    fields = undescribed(openapi()["components"]["schemas"])
    assert fields == [], (
        f"say in api/http/describing/fields.toml what these are: {', '.join(fields)}"
    )


def test_a_field_without_a_description_is_found() -> None:
    schemas: Json = {
        "Known": {"description": "Something known. And more.", "type": "object"},
        "New": {"properties": {
            "colour": {"type": "string"},
            "kind": {"const": "new"},
            "known": {"anyOf": [{"$ref": "#/components/schemas/Known"}, {"type": "null"}]},
            "id": {"type": "string"},
        }},
    }  # fmt: skip
    describe_fields(schemas)

    assert undescribed(schemas) == ["New.colour"]
    fields = schemas["New"]["properties"]
    assert fields["kind"]["description"] == "always `new`"
    assert fields["known"]["description"] == "something known"


def test_what_is_described_by_its_own_name_is_there() -> None:
    schemas = openapi()["components"]["schemas"]
    dead = [
        f"{name}.{field}"
        for name, field in named_fields()
        if field not in schemas.get(name, {}).get("properties", {})
    ]
    assert dead == [], f"no answer, body or event has these any more: {', '.join(dead)}"


def test_the_sidebar_tells_routes_apart_within_two_lines(api: Api) -> None:
    found = re.findall(
        r'<a href="#\w+" title="[^"]+"[^>]*><b>(\w+)</b> ([^<]+)</a>', api.get("/docs").text
    )

    assert len(found) == len(set(found)) == len(OPERATIONS)
    assert max(len(path) for _, path in found) <= 64


def test_the_page_shows_requests_with_what_came_of_them(api: Api) -> None:
    shown = unescape(api.get("/docs").text).replace(api.base_url, ADDRESS)

    start = example_of("start_turn")
    assert f"<pre>{start.curl('POST')}</pre>" in shown
    for status in ("201", "409"):
        (answer,) = start.answers[status].values()
        assert f"<p>{status}</p><pre>{json.dumps(answer, indent=2)}</pre>" in shown


def test_a_person_who_opens_the_server_is_told_what_it_is(api: Api) -> None:
    page = api.get("/", headers={"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"})
    told = done(api.get("/"))

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "Accept"
    assert set(re.findall(r'href="([^"]+)"', page.text)) == set(told["links"].values())
    for url in told["links"].values():
        assert api.get(url).status_code == 200, url
    assert api.get("/", headers={"Accept": "image/png"}).status_code == 406


def test_under_a_prefix_every_address_leads_back(database_url: str) -> None:
    settings = {"root_path": "/cairn", "trusted_proxies": "127.0.0.1"}
    with running(database_url, **settings) as base, httpx.Client(base_url=base) as client:
        shown = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example"}
        assert "https://a.example/cairn/docs" in client.get("/", headers=shown).text
        made = client.post("/cairn/v1/sessions", json={"app": "a", "user": "u"})
        client.post("/v1/sessions", json={"app": "a", "user": "u"})
        assert client.get(made.headers["location"]).json()["session"]["app"] == "a"
        page = client.get("/cairn/v1/sessions?limit=1")
        assert page.links["next"]["url"].startswith(f"{base}/cairn/v1/sessions?")
        assert len(client.get(page.links["next"]["url"]).json()["sessions"]) == 1
        docs = client.get("/cairn/docs")
        assets = re.findall(r'(?:href|src)="([^"#]+)"', docs.text)
        assert len(assets) == 4
        assert f"curl -s {base}/cairn/v1/sessions/" in docs.text
        for asset in assets:
            assert client.get(str(docs.url.join(asset))).status_code == 200
        assert client.get("/cairn/schema/openapi.json").json()["servers"] == [{"url": "/cairn"}]


async def test_others_are_answered_while_a_document_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, may_end, loop = asyncio.Event(), Event(), asyncio.get_running_loop()

    def slow(_: object) -> Json:
        loop.call_soon_threadsafe(begun.set)
        assert may_end.wait(5)
        return {}

    monkeypatch.setattr(documents, "streams", slow)
    scope: Any = {"type": "http", "query_string": b""}
    receive: Any = None
    request = HttpRequest(scope, receive)
    _, asyncapi, *_ = documents.documents([])
    asked = asyncio.ensure_future(asyncapi.handler(request))
    await begun.wait()
    assert not asked.done()
    may_end.set()
    assert (await asked).whole == b"{}"
