"""What a token sees through the docker-agent door, route by route; and what the door says it is."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from openapi_spec_validator import validate

from api.docker_agent.openapi import document
from api.docker_agent.route_table import ROUTES
from api.docker_agent.shapes.answers import ANSWERS
from api.http.routing import Route
from domain.principal import RIGHTS
from tests.docker_agent.test_changes import EVERY_WRITE
from tests.docker_agent.test_sessions import message_of, ok
from tests.support.postgres import Server
from tests.support.server import running

Ask = Any
GUARDED = [route for route in ROUTES if route.right is not None]
OF_A_SESSION = [route for route in GUARDED if "{session_id:" in route.path]
BODIES = {(method, end): body for method, end, body in EVERY_WRITE}
MARK = "qbank-secret"


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def body_for(route: Route) -> Any:
    """Return a body that the route would take."""
    end = route.path.partition("{session_id:str}")[2]
    for parameter, value in (("{agent:str}", "a"), ("{agent_name:str}", "b"),
                             ("{message_id:str}", "m")):  # fmt: skip
        end = end.replace(parameter, value)
    return BODIES.get((route.method, end))


def filled(route: Route, session: str) -> str:
    path = route.path.replace("{session_id:str}", session)
    for parameter in ("agent", "agent_name", "message_id"):
        path = path.replace(f"{{{parameter}:str}}", "x")
    return path


@pytest.fixture(scope="module")
def closed(postgres_server: Server) -> Iterator[tuple[str, dict[str, str], str]]:
    """A server of its own with tokens of two apps, and a session of each."""
    with (
        postgres_server.database() as url,
        running(url, doors="docker-agent", driver_seconds=0.2) as base,
        httpx.Client(base_url=base) as client,
    ):

        def made(**wanted: object) -> str:
            token: str = ok(client.post("/v1/tokens", json={"name": "t", **wanted}), 201)["token"]
            return token

        everything = made(allow=list(RIGHTS))
        client.headers["Authorization"] = f"Bearer {everything}"
        rights = ["read", "write", "stream"]
        tokens = {"all": everything}
        for app in ("qshop", "qbank"):
            tokens[app] = made(app=app, allow=rights)
            tokens[f"{app} ada"] = made(app=app, user="ada", allow=rights)
        for right in RIGHTS:
            tokens[f"not {right}"] = made(app="qbank", allow=[o for o in RIGHTS if o != right])
        body = {"app": "qbank", "user": "bob", "title": MARK}
        bank = ok(client.post("/v1/sessions", json=body), 201)["session"]["id"]
        yield base, tokens, bank


@pytest.fixture
def ask(closed: tuple[str, dict[str, str], str]) -> Iterator[Ask]:
    base, tokens, _ = closed
    with httpx.Client(base_url=base, timeout=60) as client:

        def asked(who: str | None, method: str, path: str, **how: Any) -> httpx.Response:
            headers = {} if who is None else {"Authorization": f"Bearer {tokens.get(who, who)}"}
            return client.request(method, path, headers=headers, **how)

        yield asked


def walk(ask: Ask, who: str | None, route: Route, session: str) -> httpx.Response:
    answer: httpx.Response = ask(who, route.method, filled(route, session), json=body_for(route))
    return answer


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_who_shows_no_token_or_a_wrong_one_is_not_let_in(closed, ask: Ask, route: Route):
    for who in (None, "x", "cairn_" + "x" * 43):
        refused = walk(ask, who, route, closed[2])
        assert (refused.status_code, bool(message_of(refused))) == (401, True)
        assert refused.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", OF_A_SESSION, ids=name_of)
def test_what_is_of_another_app_or_user_does_not_exist(closed, ask: Ask, route: Route):
    for who in ("qshop", "qshop ada", "qbank ada"):
        there, nothing = (walk(ask, who, route, one) for one in (closed[2], str(uuid4())))
        assert (there.status_code, there.content) == (404, nothing.content)
        assert message_of(there) == "session not found"


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_a_right_that_is_missing_is_named(closed, ask: Ask, route: Route):
    refused = walk(ask, f"not {route.right}", route, closed[2])
    assert refused.status_code == 403
    assert message_of(refused) == f"this token does not allow `{route.right}`"


@pytest.mark.parametrize("right", ["read", "stream"])
def test_a_run_tells_what_happens_so_it_needs_the_rights_to_see_it(closed, ask: Ask, right: str):
    path = f"/api/sessions/{closed[2]}/agent/demo"
    body = {"messages": [{"role": "user", "content": "go"}]}
    refused = ask(f"not {right}", "POST", path, json=body)
    assert refused.status_code == 403
    assert message_of(refused) == f"this token does not allow `{right}`"


AGENTS = "/api/agents"


@pytest.mark.parametrize(
    "path", ["/api/sessions", AGENTS, f"{AGENTS}/demo", f"{AGENTS}/demo/root/tools/count"]
)
def test_no_list_tells_a_word_of_another_app_or_user(ask: Ask, path: str):
    demo = {"description": MARK, "config": {"x": MARK}, "tools": {"root": 1}}
    state = {"set": {"app:docker-agent.agents": {"demo": demo}}}
    assert ask("all", "PATCH", "/v1/apps/qbank/state", json=state).is_success
    assert ask("qbank", "GET", path).status_code == 200
    for who in ("qshop", "qshop ada"):
        assert MARK not in ask(who, "GET", path).text
    assert closed_list(ask, "qbank ada") == []


def closed_list(ask: Ask, who: str) -> list[Any]:
    rows: list[Any] = ok(ask(who, "GET", "/api/sessions"))
    return rows


def test_a_batch_touches_nothing_of_somebody_else(closed, ask: Ask):
    body = {"session_ids": [closed[2]]}
    deleted = ok(ask("qshop", "POST", "/api/sessions/batch/delete", json=body))
    assert deleted == {"deleted_count": 0, "failed_count": 1, "failed_ids": [closed[2]]}
    exported = ok(ask("qshop", "POST", "/api/sessions/batch/export", json=body))
    assert (exported["sessions"], exported["missing_ids"]) == ([], [closed[2]])
    assert ask("qbank", "GET", f"/api/sessions/{closed[2]}").status_code == 200


def test_a_session_belongs_to_whom_its_token_is_for(ask: Ask):
    for who, owner in (
        ("all", ("docker-agent", "unknown")),
        ("qshop", ("qshop", "unknown")),
        ("qshop ada", ("qshop", "ada")),
    ):
        made = ok(ask(who, "POST", "/api/sessions", json={}))["id"]
        native = ok(ask("all", "GET", f"/v1/sessions/{made}"))["session"]
        assert (native["app"], native["user"]) == owner
        event = ok(ask("all", "GET", f"/v1/sessions/{made}/events"))["events"][0]
        assert (event["actor"], event["origin"]) == ("t", "docker-agent")


def test_without_a_token_only_the_probes_and_the_document_are_told(ask: Ask):
    assert {name_of(route) for route in ROUTES if route.right is None} == {
        "GET /health", "GET /ready", "GET /api/openapi.json",
    }  # fmt: skip
    for path in ("/health", "/ready", "/api/openapi.json"):
        assert ask(None, "GET", path).status_code == 200


def test_only_who_sees_all_sessions_is_told_how_much_goes_on(closed, ask: Ask):
    base, tokens, bank = closed
    headers = {"Authorization": f"Bearer {tokens['qbank']}"}
    at = f"{base}/api/sessions/{bank}/events"
    with httpx.stream("GET", at, headers=headers, timeout=60) as stream:
        lines = stream.iter_lines()
        next(lines)
        shown = [ok(ask(who, "GET", "/ready"))["active_sessions"] for who in (None, "qbank", "all")]
    assert (shown[:2], shown[2] > 0) == ([0, 0], True)


def test_a_runtime_that_has_attached_is_ready_for_those_alone_who_see_its_session(closed, ask: Ask):
    # Of nobody else here, so that no other test has attached to one of its.
    attached = {"allow": ["read", "write"], "app": "qdesk", "name": "d"}
    tokens = {
        whose: ok(ask("all", "POST", "/v1/tokens", json={**attached, **more}), 201)["token"]
        for whose, more in {"all": {}, "ada": {"user": "ada"}, "bob": {"user": "bob"}}.items()
    }
    other = ok(ask("all", "POST", "/v1/tokens", json={**attached, "app": "qelse"}), 201)["token"]

    def status(token: str) -> int:
        code: int = ask(token, "GET", "/api/ready", params={"timeout": "1ms"}).status_code
        return code

    body = {"app": "qdesk", "user": "ada"}
    session = ok(ask("all", "POST", "/v1/sessions", json=body), 201)["session"]["id"]
    ok(ask("all", "POST", f"/v1/sessions/{session}/attach", json={"holder": "runtime"}), 201)
    assert [status(tokens[whose]) for whose in ("all", "ada", "bob")] == [200, 200, 503]
    assert status(other) == 503


def test_the_door_describes_each_of_the_34_routes(ask: Ask):
    described = ok(ask(None, "GET", "/api/openapi.json"))
    validate(described)
    assert described == document(ROUTES)
    operations = {
        f"{method.upper()} {path}" for path, found in described["paths"].items() for method in found
    }
    assert operations - {"GET /api/openapi.json"} == set(ANSWERS)
    assert len(ANSWERS) == 34
    assert "/api/sessions" not in ok(ask("all", "GET", "/schema/openapi.json"))["paths"]
