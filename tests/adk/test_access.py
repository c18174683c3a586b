"""What a token sees through the ADK door: its own app and nothing else."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.adk.route_table import ROUTES
from api.http.routing import Route
from domain.principal import RIGHTS
from tests.support.postgres import Server
from tests.support.server import running


@pytest.fixture(scope="module")
def closed_server(postgres_server: Server) -> Iterator[tuple[str, dict[str, str]]]:
    """A server of its own, with a token of the app `shop`, one of a user of it, and one for all."""
    with postgres_server.database() as url, running(url, doors="adk") as base:
        with httpx.Client(base_url=base) as client:

            def made(**wanted: object) -> str:
                body = {"name": "t", **wanted}
                answer = client.post("/v1/tokens", json=body)
                assert answer.status_code == 201, answer.text
                token: str = answer.json()["token"]
                return token

            rights = ["read", "write", "stream"]
            everything = made(allow=list(RIGHTS))
            client.headers["Authorization"] = f"Bearer {everything}"
            tokens = {
                "all": everything,
                "shop": made(app="shop", allow=rights),
                "ada": made(app="shop", user="ada", allow=rights),
                "sharing ada": made(app="shop", user="ada", allow=[*rights, "share"]),
                **{
                    f"not {right}": made(app="shop", allow=[one for one in RIGHTS if one != right])
                    for right in ("read", "write", "stream")
                },
            }
            for app in ("shop", "bank"):
                for user in ("ada", "bob"):
                    path = f"/apps/{app}/users/{user}/sessions"
                    assert client.post(path, json={"sessionId": "s"}).status_code == 200
        yield base, tokens


@pytest.fixture
def ask(closed_server: tuple[str, dict[str, str]]) -> Iterator[object]:
    base, tokens = closed_server
    with httpx.Client(base_url=base) as client:

        def asked(
            who: str, method: str, path: str, json: object = None
        ) -> tuple[int, httpx.Response]:
            headers = {"Authorization": f"Bearer {tokens[who]}"} if who in tokens else {}
            answer = client.request(method, path, json=json, headers=headers)
            return answer.status_code, answer

        yield asked


GUARDED = [route for route in ROUTES if route.right is not None]
OF_SOMEBODY = [one for one in GUARDED if "{app:str}" in one.path or "run" in one.path]
BODIES = {
    "/sessions": {},
    "/sessions/{name:str}": {"stateDelta": {}},
    "/events": {"event": {}},
    "/rewind": {"rewindBeforeInvocationId": "i"},
    "/artifacts": {"filename": "a", "artifact": {"text": "x"}},
    "/memory": {"sessionId": "s"},
}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def walk(
    ask: Any, who: str, route: Route, app: str, user: str, name: str
) -> tuple[int, httpx.Response]:
    """Return the answer to a request that the route would take."""
    path = route.path.replace("{artifact:path}", "a")
    values = {"app": app, "user": user, "name": name, "id": "x", "event_id": "x"}
    for parameter, value in values.items():
        path = path.replace(f"{{{parameter}:str}}", value)
    body: object = None
    if route.path.endswith(("/run", "/run_sse")):
        body = {"appName": app, "userId": user, "sessionId": name}
    elif route.method in ("POST", "PATCH"):
        body = next(one for end, one in BODIES.items() if route.path.endswith(end))
    found: tuple[int, httpx.Response] = ask(who, route.method, path, body)
    return found


@pytest.mark.parametrize("route", OF_SOMEBODY, ids=name_of)
def test_what_is_of_another_app_or_user_is_not_there(ask, route: Route):
    constant = route.path.startswith("/dev/")  # the same of every app, whether there is one or not
    for who, app, user in (("shop", "bank", "ada"), ("ada", "bank", "ada"), ("ada", "shop", "bob")):
        if app == "shop" and "{user:str}" not in route.path and "run" not in route.path:
            continue  # it is about the whole app, and this user has a part in it
        status, there = walk(ask, who, route, app, user, "s")
        never, nothing = walk(ask, who, route, "nowhere", user, "s")
        assert status == never, there.text
        assert constant or status == 404, there.text
        assert there.text.replace(app, "nowhere") == nothing.text
    assert ask("all", "GET", "/apps/bank/users/ada/sessions/s")[0] == 200


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_who_shows_no_token_or_not_the_right_is_not_let_in(ask, route: Route):
    status, refused = walk(ask, "nobody", route, "shop", "ada", "s")
    assert (status, list(refused.json())) == (401, ["detail"])
    assert refused.headers["www-authenticate"].startswith("Bearer")
    status, refused = walk(ask, f"not {route.right}", route, "shop", "ada", "s")
    told = {"detail": f"this token does not allow `{route.right}`"}
    assert (status, refused.json()) == (403, told)


def test_what_is_open_to_everybody_is_named_here():
    assert {name_of(route) for route in ROUTES if route.right is None} == {
        "GET /health", "GET /version", "GET /config/telemetry",
        "GET /apps/openapi.json", "GET /api/apps/openapi.json",
    }  # fmt: skip


def test_a_token_of_one_user_sees_no_other_user(ask):
    assert ask("ada", "GET", "/apps/shop/users/bob/sessions/s")[0] == 404
    assert ask("ada", "GET", "/apps/shop/users/ada/sessions/s")[0] == 200
    _, found = ask("ada", "GET", "/apps/shop/sessions")
    assert [one["userId"] for one in found.json()] == ["ada"]
    assert ask("ada", "GET", "/list-apps")[1].json() == ["shop"]
    assert ask("all", "GET", "/list-apps")[1].json() == ["bank", "shop"]


def test_the_id_of_a_session_of_somebody_else_names_nothing(ask):
    whose = {"app": "bank", "user": "ada", "title": "theirs"}
    theirs = ask("all", "POST", "/v1/sessions", whose)[1].json()["session"]["id"]
    assert ask("all", "GET", f"/apps/bank/users/ada/sessions/{theirs}")[0] == 200
    for who, user in (("shop", "ada"), ("shop", "bob"), ("ada", "ada")):
        at = f"/apps/shop/users/{user}/sessions/{theirs}"
        assert ask(who, "GET", at)[0] == 404
        assert ask(who, "PATCH", at, {"stateDelta": {"a": 1}})[0] == 404
        run = {"appName": "shop", "userId": user, "sessionId": theirs}
        message = {"role": "user", "parts": [{"text": "x"}]}
        assert ask(who, "POST", "/run", {**run, "newMessage": message})[0] == 404
        assert ask(who, "DELETE", at)[0] == 200
    assert ask("all", "GET", f"/v1/sessions/{theirs}")[1].json()["session"]["status"] == "idle"


def test_a_token_may_be_the_password_of_the_address(closed_server, ask):
    base, tokens = closed_server
    for path in ("/health", "/version"):
        assert ask("nobody", "GET", path)[0] == 200
    with_password = base.replace("http://", f"http://adk:{tokens['shop']}@")
    assert httpx.get(f"{with_password}/apps/shop/users/ada/sessions").status_code == 200


def test_the_log_names_the_token_and_the_door(closed_server, ask):
    _, found = ask("shop", "GET", "/v1/sessions?app=shop&user=bob")
    native = found.json()["sessions"][0]["id"]
    body = {"stateDelta": {"a": 1}}
    assert ask("shop", "PATCH", "/apps/shop/users/bob/sessions/s", body)[0] == 200
    _, events = ask("shop", "GET", f"/v1/sessions/{native}/events")
    last = events.json()["events"][-1]
    assert (last["actor"], last["origin"]) == ("t", "adk")


def test_a_token_of_one_user_sets_keys_of_all_users_only_where_it_may_share(ask: Any):
    path = "/apps/shop/users/ada/sessions"
    shared = {"actions": {"stateDelta": {"app:k": "hers"}}, "author": "agent"}
    run: dict[str, Any] = {
        "appName": "shop", "userId": "ada", "sessionId": "s", "stateDelta": {"app:k": "hers"},
        "newMessage": {"role": "user", "parts": [{"text": "hi"}]},
    }  # fmt: skip

    def tried(who: str) -> list[tuple[int, httpx.Response]]:
        return [
            ask(who, "POST", path, {"state": {"app:k": "hers"}}),
            ask(who, "POST", path, {"events": [shared]}),
            ask(who, "POST", f"{path}/s/events", {"event": shared}),
            ask(who, "PATCH", f"{path}/s", {"stateDelta": {"app:k": who}}),
        ]

    for status, answer in [*tried("ada"), ask("ada", "POST", "/run", run)]:
        assert (status, 'scope="cairn:share"' in answer.headers["WWW-Authenticate"]) == (403, True)
        assert "does not allow `share`" in answer.json()["detail"]
    assert ask("all", "GET", f"{path}/s")[1].json()["state"] == {}
    assert [status for status, _ in tried("sharing ada")] == [200] * 4
    assert ask("ada", "GET", f"{path}/s")[1].json()["state"] == {"app:k": "sharing ada"}
    assert ask("ada", "PATCH", f"{path}/s", {"stateDelta": {"app:k": "sharing ada"}})[0] == 200
