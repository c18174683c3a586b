"""Limits of a token, at two real servers: what is beyond them is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from api.settings import Settings
from domain.principal import Principal
from tests.cli.conftest import eventually
from tests.support.server import running

SSE = {"Accept": "text/event-stream"}
LONGEST = timedelta(minutes=2)
"""How long a test may take that counts by the day."""


@pytest.fixture
def one_day() -> None:
    """Begin when the day (UTC) is long enough for a test: at its end all is counted afresh."""

    def is_long_enough() -> bool:
        now = datetime.now(UTC)
        return (now + LONGEST).date() == now.date()

    assert eventually(is_long_enough, 1.5 * LONGEST.total_seconds())


def refused(answer: httpx.Response, limit: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert answer.json()["limit"] == limit
    assert int(answer.headers["retry-after"]) >= 1
    assert f'"{limit}";r=0;t=' in answer.headers["ratelimit"]
    of = {
        "requests": ";w=1",
        "streams": ';qu="concurrent-requests"',
        "sessions": ";w=86400",
        "bytes": ';qu="content-bytes";w=86400',
    }
    # Those of the requests a second stand behind it, if there is such a limit too.
    policy = answer.headers["ratelimit-policy"].partition(", ")[0]
    assert policy == f'"{limit}";q={answer.json()["most"]}{of[limit]}'


@pytest.mark.usefixtures("one_day")
def test_limits_hold_in_all_processes_together(database_url: str):
    limits: Any = {"limit_streams": 2, "limit_sessions": 40, "limit_bytes": 100_000}
    with (
        running(database_url, **limits) as one,
        running(database_url, **limits) as two,
        httpx.Client(timeout=60) as client,
    ):
        made = client.post(f"{one}/v1/tokens", json={"allow": ["read", "write", "stream"]})
        other = made.json()["token"]
        assert made.status_code == 201
        assert client.get(f"{one}/v1/sessions").status_code == 401

        def ask(base: str, method: str, path: str, **how: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {other}", **how.pop("headers", {})}
            return client.request(method, base + path, headers=headers, **how)

        # Sessions: at least 80 % of them, never more.
        body = {"app": "a", "user": "u"}
        for number in range(41):
            answer = ask((one, two)[number % 2], "POST", "/v1/sessions", json=body)
            if answer.status_code != 201:
                break
        refused(answer, "sessions")
        assert 32 <= number <= 40
        session_id = ask(one, "GET", "/v1/sessions").json()["sessions"][0]["id"]

        # Bytes.
        path = f"/v1/sessions/{session_id}/messages"
        part = {"type": "text", "text": "x" * 60_000}
        said = {"role": "user", "parts": [part]}
        assert ask(one, "POST", path, json=said).status_code == 201
        refused(ask(two, "POST", path, json=said), "bytes")
        part["text"] = "x"
        assert ask(two, "POST", path, json=said).status_code == 201

        # Streams, which count until they end.
        events = f"/v1/sessions/{session_id}/events?since=0"
        shown = {"Authorization": f"Bearer {other}", **SSE}
        with client.stream("GET", one + events, headers=shown) as first:
            assert first.status_code == 200
            with client.stream("GET", two + events, headers=shown) as second:
                assert second.status_code == 200
                refused(ask(one, "GET", events, headers=SSE), "streams")

        def opens() -> bool:
            with client.stream("GET", one + events, headers=shown) as again:
                return again.status_code == 200

        assert eventually(opens)


@pytest.mark.usefixtures("one_day")
def test_every_way_to_begin_a_session_counts_and_only_when_it_begins_one(database_url: str):
    with (
        running(database_url, limit_sessions=6, doors="adk,docker-agent") as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        made = client.post("/v1/tokens", json={"allow": ["read", "write"], "app": "a"})
        client.headers["Authorization"] = f"Bearer {made.json()['token']}"
        whose = {"app": "a", "user": "u"}
        wanted = {**whose, "external_id": "first"}
        first = client.post("/v1/sessions", json=wanted)
        path = first.headers["location"]
        child = {"agent": {"name": "x"}, "ttl_seconds": 60}
        ways: list[tuple[str, Any]] = [
            ("/v1/sessions", whose),
            (f"{path}/fork", {}),
            (f"{path}/spawn", child),
            ("/apps/a/users/u/sessions", None),
            ("/apps/a/users/u/sessions/named", None),
            ("/api/sessions", {}),
        ]
        for way, body in ways[1:]:
            begun = client.post(way, json=body)
            assert begun.status_code in (200, 201), (way, begun.text)
        for way, body in ways:
            beyond = client.post(way, json=body)
            assert (beyond.status_code, int(beyond.headers["retry-after"]) >= 1) == (429, True)
            assert beyond.headers["ratelimit-policy"] == '"sessions";q=6;w=86400'
            assert beyond.headers["ratelimit"].startswith('"sessions";r=0;t=')


@pytest.mark.usefixtures("one_day")
def test_a_session_that_was_there_already_is_not_counted_again(database_url: str):
    with (
        running(database_url, limit_sessions=3, doors="adk") as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        wanted = {"app": "a", "user": "u", "external_id": "mine"}
        again = {"app": "a", "user": "u", "title": "x"}
        for _ in range(5):
            assert client.post("/v1/sessions", json=wanted).status_code in (200, 201)
            key = {"Idempotency-Key": "k"}
            assert client.post("/v1/sessions", json=again, headers=key).status_code == 201
            other = {**wanted, "user": "v"}
            assert client.post("/v1/sessions", json=other).status_code == 409
        named = "/apps/a/users/u/sessions/named"
        assert client.post(named).status_code == 200
        refused(client.post("/v1/sessions", json={"app": "a", "user": "u"}), "sessions")


def test_requests_a_second_are_limited_and_answers_say_how_it_stands(database_url: str):
    with (
        running(database_url, limit_requests=1) as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        first = client.get("/v1/sessions")
        assert first.headers["ratelimit-policy"] == '"requests";q=1;w=1'
        assert first.headers["ratelimit"].startswith('"requests";r=')
        assert "ratelimit" not in client.get("/health").headers

        def beyond() -> bool:
            answer = client.get("/v1/sessions")
            if answer.status_code == 200:
                return False
            refused(answer, "requests")
            return True

        # Two may fall into two seconds.
        assert eventually(beyond)
        assert client.get("/health").status_code == 200


def test_what_is_counted_together_is_what_one_token_or_one_name_does():
    ada = Principal(actor="ada", app="a", user="u")
    others = (
        replace(ada, actor="bob"),
        replace(ada, app="b"),
        replace(ada, user=None),
        replace(ada, token_id="1"),
        replace(ada, token_id="2"),
    )
    assert len({one.key for one in (ada, *others)}) == 6
    assert replace(ada, rights=frozenset()).key == ada.key
    assert replace(others[-1], actor="renamed").key == others[-1].key


@pytest.mark.parametrize("kind", ["requests", "streams", "sessions", "bytes"])
def test_a_limit_that_cannot_be_counted_to_is_refused_at_the_start(kind: str):
    for wrong in (0, -1, "1.5", "many", 10**15, 2**63):
        with pytest.raises(ValidationError, match=f"limit_{kind}"):
            Settings.model_validate({f"limit_{kind}": wrong})


def test_the_largest_limits_can_be_counted_to(database_url: str):
    largest = 10**15 - 1
    limits: Any = {f"limit_{kind}": largest for kind in ("requests", "sessions", "bytes")}
    with (
        running(database_url, **limits, limit_streams=2**31 - 1) as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        begun = client.post("/v1/sessions", json={"app": "a", "user": "u"})
        assert begun.status_code == 201
        assert begun.headers["ratelimit-policy"] == f'"requests";q={largest};w=1'
        with client.stream("GET", "/v1/events", headers=SSE) as opened:
            assert opened.status_code == 200
