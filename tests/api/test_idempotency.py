"""The same Idempotency-Key gives one effect and one answer, whatever happens in between."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.support.api import HELLO, Api, SessionApi, done, refused
from tests.support.locks import until_somebody_waits
from tests.support.postgres import Server
from tests.support.server import running

TEXT = {"parts": HELLO}
CALL = {"type": "tool.called", "data": {"tool_call_id": "c", "name": "n"}}
OPTION = {"option_id": "a", "name": "a", "kind": "k"}


def key(value: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": value or uuid4().hex}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "", {"title": "T"}, 200),
        ("POST", "/messages", {"role": "user", **TEXT}, 201),
        ("PATCH", "/messages/m", TEXT, 200),
        ("POST", "/turns", {"input": TEXT}, 201),
        ("POST", "/turns/t/events", {"events": [{"type": "x"}]}, 200),
        ("POST", "/turns/t/events", {"events": [CALL]}, 200),
        ("POST", "/turns/t/complete", {}, 200),
        ("POST", "/turns/t/fail", {"kind": "k"}, 200),
        ("POST", "/turns/t/cancel", {}, 200),
        ("POST", "/interactions", {"turn_id": "t", "options": [OPTION]}, 201),
        ("POST", "/interactions", {"kind": "elicitation", "message": "?", "url": "http://x"}, 201),
        ("POST", "/interactions/r/decision", {"option_id": "yes"}, 200),
        ("POST", "/interactions/r/decision", {"option_id": "yes", "grant": "session"}, 200),
        ("DELETE", "/interactions/r", {}, 200),
        ("POST", "/inputs", {"inputs": [TEXT, TEXT]}, 202),
        ("PATCH", "/inputs/i", TEXT, 200),
        ("DELETE", "/inputs/i", {}, 200),
        ("POST", "/inputs/i/steer", {}, 200),
        ("POST", "/interrupt", {}, 200),
        ("PUT", "/permissions", {"allow": ["a"]}, 200),
        ("PUT", "/tool-approval", {"enabled": True}, 200),
        ("PATCH", "/state", {"set": {"k": 1, "app:k": 2}}, 200),
        ("POST", "/stop", {"cause": "timeout"}, 200),
        ("POST", "/resume", {}, 200),
        ("DELETE", "", {}, 200),
    ],
)  # fmt: skip
def test_every_command_again(
    api: Api, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    session = api.create()
    if path != "/turns":
        session.start("t")
        session.ask("r", "t")
        session.queue("i")
    session.say(id="m")
    if path == "/resume":
        session.post("/stop")
    headers = key()
    first = api.request(method, session.path + path, json=body, headers=headers)
    assert "idempotent-replayed" not in first.headers

    with session.nothing_recorded():
        for _ in range(2):
            again = api.request(method, session.path + path, json=body, headers=headers)
            assert again.headers["idempotent-replayed"] == "true"
            assert again.json() == done(first, status)
            assert again.status_code == status
            for name in ("etag", "location"):
                assert again.headers.get(name) == first.headers.get(name)
        other = api.request(method, session.path + path, json={**body, "x": 1}, headers=headers)
        assert other.status_code == 422
    if method != "DELETE":
        assert session.events()[-1]["idempotency_key"] == headers["Idempotency-Key"]


def test_the_same_key_with_another_request(session: SessionApi) -> None:
    headers = key()
    done(session.post("/messages", {"role": "user", **TEXT}, headers=headers), 201)

    with session.nothing_recorded():
        body = session.post("/messages", {"role": "system", **TEXT}, headers=headers)
        refused(body, 422, "idempotency_key_reused")
        path = session.patch("/state", {"set": {"k": 1}}, headers=headers)
        refused(path, 422, "idempotency_key_reused")
        refusal = session.post("/turns/none/complete", headers=headers)
        refused(refusal, 422, "idempotency_key_reused")


def test_a_key_belongs_to_its_session(api: Api) -> None:
    headers = key()
    for _ in range(2):
        session = api.create()
        response = session.post("/messages", {"role": "user", **TEXT}, headers=headers)
        assert "idempotent-replayed" not in response.headers


def test_a_command_that_would_be_refused_now(session: SessionApi) -> None:
    headers = key()
    body = {"input": TEXT}
    first = done(session.post("/turns", body, headers=headers), 201)

    running_now = session.post("/turns", body, headers=headers)
    assert (running_now.json(), running_now.status_code) == (first, 201)
    session.complete(first["turn_id"])
    session.post("/stop")
    with session.nothing_recorded():
        again = session.post("/turns", body, headers={**headers, "If-Match": '"1"'})
        assert (again.json(), again.headers["idempotent-replayed"]) == (first, "true")
        refused(session.post("/turns", body, headers=key()), 409, "session_stopped")


def test_a_refusal_is_not_kept(session: SessionApi) -> None:
    session.start()
    headers = key()
    refused(session.post("/turns", {"input": TEXT}, headers=headers), 409, "turn_in_progress")
    session.complete()

    response = session.post("/turns", {"input": TEXT}, headers=headers)
    done(response, 201)
    assert "idempotent-replayed" not in response.headers


def test_create_with_a_key(api: Api) -> None:
    headers, body = key(), {"app": "a", "user": uuid4().hex}
    first = api.post("/v1/sessions", body, headers=headers)

    with api.nothing_recorded():
        again = api.post("/v1/sessions", body, headers=headers)
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["idempotent-replayed"] == "true"
        other = api.post("/v1/sessions", {**body, "title": "T"}, headers=headers)
        refused(other, 422, "idempotency_key_reused")
    assert len(done(api.get("/v1/sessions", params={"user": body["user"]}))["sessions"]) == 1


@pytest.mark.parametrize("given", ["", "x" * 256, "ü"])
def test_a_key_that_is_malformed(session: SessionApi, given: str) -> None:
    with session.nothing_recorded():
        headers = {b"Idempotency-Key": given.encode()}
        refused(session.post("/resume", headers=headers), 400, "malformed_header")
    done(session.post("/stop", headers={"Idempotency-Key": "x" * 255}))


def test_a_key_survives_a_restart(postgres_server: Server) -> None:
    headers, body = key(), {"role": "user", **TEXT}
    with postgres_server.database() as url:
        with running(url) as base:
            api = Api(base)
            session = api.create()
            first = session.post("/messages", body, headers=headers)
            made = api.post("/v1/sessions", {"app": "a", "user": "u"}, headers=headers)
            api.close()
        with running(url) as base:
            api = Api(base)
            with api.nothing_recorded():
                again = api.post(f"{session.path}/messages", body, headers=headers)
                assert (again.status_code, again.json()) == (201, first.json())
                assert again.headers["idempotent-replayed"] == "true"
                remade = api.post("/v1/sessions", {"app": "a", "user": "u"}, headers=headers)
                assert remade.json() == made.json()
            api.close()


def test_a_key_that_is_still_in_flight(database_url: str) -> None:
    headers, body = key(), {"role": "user", **TEXT}
    with (
        running(database_url) as base,
        psycopg.connect(database_url) as blocker,
        ThreadPoolExecutor() as pool,
    ):
        api = Api(base)
        session = api.create()
        # Whoever appends waits for this row, so that the first request does not come to its end.
        blocker.execute("select head from log_head for update")
        first = pool.submit(session.post, "/messages", body, headers=headers)
        until_somebody_waits(database_url)
        second = session.post("/messages", body, headers=headers)
        refused(second, 409, "idempotency_key_in_flight")
        assert second.headers["retry-after"] == "1"
        assert not first.done()
        blocker.rollback()
        answer = done(first.result(timeout=60), 201)
        again = session.post("/messages", body, headers=headers)
        assert (again.json(), again.headers["idempotent-replayed"]) == (answer, "true")
        assert session.head == 2
        api.close()


def test_two_servers_at_once_have_one_effect(postgres_server: Server) -> None:
    with (
        postgres_server.database() as url,
        running(url) as one,
        running(url) as two,
        ThreadPoolExecutor(8) as pool,
    ):
        apis = [Api(one), Api(two)]
        session = apis[0].create()
        for number in range(8):
            headers = key()
            body = {"role": "user", **TEXT, "author": f"a{number}"}
            new = {"app": "both", "user": f"u{number}"}
            jobs = [
                pool.submit(api.post, path, value, headers=headers)
                for path, value in ((f"{session.path}/messages", body), ("/v1/sessions", new))
                for api in apis * 2
            ]
            answers = [job.result() for job in jobs]
            for answered in (answers[:4], answers[4:]):
                good = [one for one in answered if one.status_code == 201]
                busy = [one for one in answered if one.status_code != 201]
                assert len({one.text for one in good}) == 1
                assert sum("idempotent-replayed" not in one.headers for one in good) <= 1
                for response in busy:
                    refused(response, 409, "idempotency_key_in_flight")
                    assert response.headers["retry-after"] == "1"
        assert session.head == 9
        assert apis[1].feed_head() == 9 + 8
        for api in apis:
            api.close()
