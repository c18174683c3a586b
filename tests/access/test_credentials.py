"""What a request shows of itself: which forms of a credential let in, and what the rest is told."""

from base64 import b64encode
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from httpx_sse import EventSource

from tests.support.postgres import Server
from tests.support.server import running

_NONE = 'Bearer realm="cairn"'
_WRONG = f'{_NONE}, error="invalid_token"'


class Gate(NamedTuple):
    """A server that asks for a token, and one that lets in."""

    client: httpx.Client
    token: str

    def ask(self, shown: bytes) -> httpx.Response:
        """Ask with a header `Authorization` as it is."""
        return self.client.get("/v1/sessions", headers=[(b"Authorization", shown)])


@pytest.fixture(scope="module")
def gate(postgres_server: Server) -> Iterator[Gate]:
    with (
        postgres_server.database() as url,
        running(url) as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        made = client.post("/v1/tokens", json={"name": "till", "allow": ["read"], "app": "shop"})
        yield Gate(client, made.json()["token"])


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer  {}"])
def test_a_token_lets_in(gate: Gate, form: str):
    assert gate.ask(form.format(gate.token).encode()).status_code == 200


@pytest.mark.parametrize(
    ("form", "challenge"),
    [
        (b"", _NONE),
        (b"Bearer", _NONE),
        (b"TOKEN", _NONE),
        (b"Token TOKEN", _NONE),
        (b"Bearer\tTOKEN", _NONE),
        (b"Basic " + b64encode(b"x:TOKEN"), _NONE),
        (b"Bearer \xa0TOKEN", _WRONG),
        (b"Bearer TOKEN\xe9", _WRONG),
        (b"Bearer TOKEN x", _WRONG),
        (b"Bearer TOKEN,TOKEN", _WRONG),
        (b'Bearer "TOKEN"', _WRONG),
        (b"Bearer TOKENx", _WRONG),
        (b"Bearer " + b"x" * 20_000, _WRONG),
        (b"Bearer x.y.z", _WRONG),
    ],
)
def test_what_is_no_token_lets_nobody_in(gate: Gate, form: bytes, challenge: str):
    answer = gate.ask(form.replace(b"TOKEN", gate.token.encode()))
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, challenge)
    assert gate.token not in answer.text


def test_a_token_with_another_letter_anywhere_lets_nobody_in(gate: Gate):
    for place in range(len(gate.token)):
        other = "A" if gate.token[place] != "A" else "B"
        changed = f"{gate.token[:place]}{other}{gate.token[place + 1 :]}"
        assert gate.ask(f"Bearer {changed}".encode()).status_code == 401
    for wrong in (gate.token[:-1], gate.token.upper(), gate.token.lower()):
        assert gate.ask(f"Bearer {wrong}".encode()).status_code == 401


@pytest.mark.parametrize("name", ["access_token", "token", "bearer", "authorization", "ticket"])
def test_no_token_in_an_address_lets_in(gate: Gate, name: str):
    for path in ("/v1/sessions", "/v1/events"):
        answer = gate.client.get(f"{path}?{name}={gate.token}")
        assert answer.status_code == 401
        assert gate.token not in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_what_a_browser_asks_before_needs_no_token(gate: Gate, method: str):
    before = {"Access-Control-Request-Method": "POST", "Origin": "http://127.0.0.1"}
    body = {"app": "shop", "user": "ada"} if method == "POST" else None
    headers = before | {"Sec-Fetch-Site": "same-origin"}
    answer = gate.client.request(method, "/v1/sessions", headers=headers, json=body)
    assert answer.status_code == (204 if method == "OPTIONS" else 401)


def test_what_is_open_to_everybody_is_named_here(gate: Gate):
    for path in ("/", "/health", "/ready", "/version"):
        assert gate.client.get(path).status_code == 200
        assert gate.client.get(path, headers={"Authorization": "Bearer x"}).status_code == 200
    for path in ("/metrics", "/docs", "/schema/openapi.json", "/health/x", "/v1", "/nothing"):
        assert gate.client.get(path).status_code == 401


def test_a_server_that_asks_for_a_token_answers_to_any_name(gate: Gate):
    headers = {"Authorization": f"Bearer {gate.token}", "Host": "cairn.example"}
    assert gate.client.get("/v1/sessions", headers=headers).status_code == 200


def test_a_missing_right_is_in_the_challenge(gate: Gate):
    answer = gate.client.post(
        "/v1/sessions",
        json={"app": "shop", "user": "ada"},
        headers={"Authorization": f"Bearer {gate.token}"},
    )
    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == (
        f'{_NONE}, error="insufficient_scope", scope="cairn:write"'
    )


def test_who_came_in_without_a_token_has_to_go_when_there_is_one(database_url: str):
    with (
        running(database_url) as one,
        running(database_url) as two,
        httpx.Client(timeout=120) as client,
    ):
        ticket = client.post(f"{two}/v1/tickets", json={}).json()["path"]
        with (
            client.stream("GET", f"{one}/v1/events", headers={"Accept": "text/event-stream"}) as a,
            client.stream("GET", f"{two}/v1/events", headers={"Accept": "text/event-stream"}) as b,
        ):
            streams = [EventSource(a).iter_sse(), EventSource(b).iter_sse()]
            assert [next(stream).event for stream in streams] == ["caught-up"] * 2
            made = client.post(f"{one}/v1/tokens", json={"allow": ["admin"]})
            assert made.status_code == 201
            for stream in streams:
                *_, last = stream
                assert (last.event, last.json()["code"]) == ("error", "unauthorized")
        assert client.get(two + ticket).status_code == 401
