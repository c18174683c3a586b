"""What a page that somebody visits can have the browser do here: nothing."""

from collections.abc import Iterator

import httpx
import pytest
from pydantic import ValidationError

from api.settings import Settings
from tests.support.api import Api
from tests.support.postgres import Server
from tests.support.server import running

CONSOLE = "https://console.example.com"


def asked(
    base: str, method: str, path: str, headers: dict[str, str], **body: object
) -> httpx.Response:
    return httpx.request(method, base + path, headers=headers, **body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/clear"),
        ("POST", "/stop"),
        ("DELETE", ""),
        ("PATCH", "/state"),
        ("PUT", "/models"),
    ],
)
def test_a_page_of_another_site_changes_nothing(
    api: Api, base_url: str, method: str, path: str, headers: dict[str, str]
) -> None:
    session = api.create()
    before = session.get().json()
    refused = asked(base_url, method, f"/v1/sessions/{session.id}{path}", headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "cross_site")
    assert "access-control-allow-origin" not in refused.headers
    assert session.get().json() == before


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_page_of_ours_may(api: Api, base_url: str, site: str) -> None:
    session = api.create()
    headers = {"Sec-Fetch-Site": site, "Origin": base_url}
    assert asked(base_url, "POST", f"/v1/sessions/{session.id}/clear", headers).status_code == 200
    only_origin = {"Origin": base_url}
    path = f"/v1/sessions/{session.id}/stop"
    assert asked(base_url, "POST", path, only_origin).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/sessions"), ("POST", "/v1/sessions"), ("GET", "/v1/events"), ("GET", "/docs")],
)
def test_a_foreign_name_for_this_machine_is_refused(
    base_url: str, host: str, method: str, path: str
) -> None:
    body = {"app": "a", "user": "u"} if method == "POST" else None
    refused = asked(base_url, method, path, {"Host": host}, json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "host_not_allowed")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:9", "[::1]:8080", "[::1]"]
)
def test_the_names_of_this_machine_are_known(base_url: str, host: str) -> None:
    assert asked(base_url, "GET", "/v1/sessions", {"Host": host}).status_code == 200


@pytest.fixture(scope="module")
def open_to_console(postgres_server: Server) -> Iterator[str]:
    settings = {
        "allowed_hosts": "cairn.internal",
        "allowed_origins": f"{CONSOLE}, https://b.example",
    }
    with postgres_server.database() as url, running(url, **settings) as base:
        yield base


def test_an_allowed_origin_may_read_and_write(open_to_console: str) -> None:
    headers = {"Origin": CONSOLE, "Sec-Fetch-Site": "cross-site"}
    body = {"app": "a", "user": "u"}
    made = asked(open_to_console, "POST", "/v1/sessions", headers, json=body)
    assert made.status_code == 201
    assert made.headers["access-control-allow-origin"] == CONSOLE
    exposed = made.headers["access-control-expose-headers"].split(", ")
    wanted = {"ETag", "RateLimit", "Repr-Digest", "X-Session-Managers-Unreachable"}
    assert wanted < set(exposed)
    assert "Origin" in made.headers["vary"]
    assert "access-control-allow-credentials" not in made.headers


def test_a_preflight_is_answered_for_allowed_origins_only(open_to_console: str) -> None:
    wanted = {
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "content-type,if-match",
    }
    allowed = asked(open_to_console, "OPTIONS", "/v1/sessions", {"Origin": CONSOLE, **wanted})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == CONSOLE
    assert allowed.headers["access-control-allow-headers"] == "content-type,if-match"
    evil = asked(
        open_to_console, "OPTIONS", "/v1/sessions", {"Origin": "https://e.example", **wanted}
    )
    assert "access-control-allow-origin" not in evil.headers


def test_a_named_host_is_known(open_to_console: str) -> None:
    assert asked(open_to_console, "GET", "/v1/sessions", {"Host": "cairn.internal"}).is_success


def test_answers_are_neither_guessed_at_nor_kept(api: Api, base_url: str) -> None:
    session = api.create()
    for path in ("/v1/sessions", f"/v1/sessions/{session.id}", "/health", "/v1/nothing", "/docs"):
        headers = httpx.get(base_url + path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "cache-control" in headers
    assert session.get().headers["cache-control"] == "private, no-cache"
    assert api.get("/v1/sessions").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("allowed_origins", "*"),
        ("allowed_origins", "null"),
        ("allowed_origins", "https://*.example.com"),
        ("allowed_origins", f"{CONSOLE}/"),
        ("allowed_origins", f"{CONSOLE}, https://Console.example.com"),
        ("allowed_origins", "https://console.example.com:443"),
        ("allowed_origins", "http://localhost:80"),
        ("allowed_origins", "console.example.com"),
        ("allowed_hosts", "cairn.internal:8080"),
        ("allowed_hosts", "http://cairn.internal"),
        ("allowed_hosts", "*"),
        ("allowed_hosts", "::1"),
    ],
)
def test_what_would_allow_nothing_or_everything_is_refused_at_the_start(
    setting: str, value: str
) -> None:
    with pytest.raises(ValidationError, match=r"is no (origin|name)"):
        Settings.model_validate({setting: value})


def test_origins_and_hosts_are_taken_as_browsers_send_them() -> None:
    origins = f"{CONSOLE}, http://localhost:3000,http://[::1]:5173, chrome-extension://abc"
    hosts = "cairn.internal, Cairn, 10.0.0.7, [fd00::7]"
    chosen = Settings.model_validate({"allowed_origins": origins, "allowed_hosts": hosts})
    assert len(chosen.names("allowed_origins")) == len(chosen.names("allowed_hosts")) == 4
