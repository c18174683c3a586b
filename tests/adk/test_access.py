"""What a token sees through the ADK door: its own app and nothing else."""

from collections.abc import Iterator

import httpx
import pytest

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
            everything = made(allow=[*rights, "admin"])
            client.headers["Authorization"] = f"Bearer {everything}"
            tokens = {
                "all": everything,
                "shop": made(app="shop", allow=rights),
                "ada": made(app="shop", user="ada", allow=rights),
                "reader": made(app="shop", allow=["read"]),
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


RUN = {"appName": "bank", "userId": "ada", "sessionId": "s"}
SAVE = {"filename": "a", "artifact": {"text": "x"}}
ELSEWHERE = [
    ("GET", "/apps/bank/users/ada/sessions", None),
    ("GET", "/apps/bank/sessions", None),
    ("POST", "/apps/bank/users/ada/sessions", {}),
    ("GET", "/apps/bank/users/ada/sessions/s", None),
    ("POST", "/apps/bank/users/ada/sessions/s", {}),
    ("DELETE", "/apps/bank/users/ada/sessions/s", None),
    ("PATCH", "/apps/bank/users/ada/sessions/s", {"stateDelta": {}}),
    ("POST", "/apps/bank/users/ada/sessions/s/events", {"event": {}}),
    ("POST", "/apps/bank/users/ada/sessions/s/rewind", {"rewindBeforeInvocationId": "i"}),
    ("GET", "/apps/bank/users/ada/sessions/s/artifacts", None),
    ("POST", "/apps/bank/users/ada/sessions/s/artifacts", SAVE),
    ("GET", "/apps/bank/users/ada/sessions/s/artifacts/a", None),
    ("DELETE", "/apps/bank/users/ada/sessions/s/artifacts/a", None),
    ("PATCH", "/apps/bank/users/ada/memory", {"sessionId": "s"}),
    ("GET", "/apps/bank/app-info", None),
    ("POST", "/run", RUN),
    ("POST", "/run_sse", RUN),
]


@pytest.mark.parametrize(("method", "path", "body"), ELSEWHERE)
def test_what_is_another_apps_is_not_there(ask, method: str, path: str, body: object):
    missing = path.replace("/s/", "/none/").replace("sessions/s", "sessions/none")
    absent = body if body is not RUN else {**RUN, "userId": "nobody"}
    for prefix in ("", "/api"):
        status, there = ask("shop", method, prefix + path, body)
        gone, nothing = ask("shop", method, prefix + missing, absent)
        assert (status, gone) == (404, 404)
        assert there.content == nothing.content
    assert ask("all", "GET", "/apps/bank/users/ada/sessions/s")[0] == 200


def test_a_token_of_one_user_sees_no_other_user(ask):
    assert ask("ada", "GET", "/apps/shop/users/bob/sessions/s")[0] == 404
    assert ask("ada", "GET", "/apps/shop/users/ada/sessions/s")[0] == 200
    _, found = ask("ada", "GET", "/apps/shop/sessions")
    assert [one["userId"] for one in found.json()] == ["ada"]
    assert ask("ada", "GET", "/list-apps")[1].json() == ["shop"]
    assert ask("all", "GET", "/list-apps")[1].json() == ["bank", "shop"]


def test_a_right_that_is_missing_is_named(ask):
    status, refused = ask("reader", "POST", "/apps/shop/users/ada/sessions", {})
    assert (status, refused.json()) == (403, {"detail": "this token does not allow `write`"})
    assert ask("reader", "POST", "/run", RUN | {"appName": "shop"})[0] == 403


def test_without_a_token_only_health_and_version_are_told(closed_server, ask):
    base, tokens = closed_server
    status, refused = ask("nobody", "GET", "/apps/shop/users/ada/sessions")
    assert (status, list(refused.json())) == (401, ["detail"])
    assert refused.headers["www-authenticate"].startswith("Bearer")
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
