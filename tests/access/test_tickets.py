"""Tickets: what a browser shows that cannot send a header."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from httpx_sse import EventSource

from domain.principal import RIGHTS
from tests.support.postgres import Server
from tests.support.server import running

SSE = {"Accept": "text/event-stream"}


class Office:
    """A server that asks for tokens, with one session of each of two apps."""

    def __init__(self, base: str, client: httpx.Client) -> None:
        self.base = base
        self.client = client
        self.owner = ""
        self.owner = self.ask("POST", "/v1/tokens", {"allow": list(RIGHTS)})["token"]
        self.sessions = {
            app: self.ask("POST", "/v1/sessions", {"app": app, "user": "ada"})["session"]["id"]
            for app in ("shop", "bank")
        }
        self.till = self.ask(
            "POST", "/v1/tokens", {"allow": ["read", "write", "stream"], "app": "shop"}
        )

    def ask(self, method: str, path: str, body: Any, token: str | None = None) -> Any:
        answer = self.send(method, path, body, token or self.owner)
        assert answer.is_success, answer.text
        return answer.json()

    def send(self, method: str, path: str, body: Any, token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.request(method, self.base + path, json=body, headers=headers)

    def ticket(self, **body: Any) -> str:
        path: str = self.ask("POST", "/v1/tickets", body, self.till["token"])["path"]
        return path

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx.Response]:
        with self.client.stream("GET", self.base + path, headers=SSE) as response:
            yield response

    def status(self, path: str) -> int:
        with self.stream(path) as response:
            return response.status_code


@pytest.fixture(scope="module")
def office(postgres_server: Server) -> Iterator[Office]:
    with (
        postgres_server.database() as url,
        running(url) as base,
        httpx.Client(timeout=60) as client,
    ):
        yield Office(base, client)


def test_a_ticket_opens_the_stream_of_a_session_once(office: Office):
    session_id = office.sessions["shop"]
    path = office.ticket(session_id=session_id)
    assert path.startswith(f"/v1/sessions/{session_id}/events?ticket=")
    with office.stream(path + "&since=0") as response:
        assert response.status_code == 200
        first = next(EventSource(response).iter_sse())
        assert first.json()["type"] == "session.created"
    assert office.status(path) == 401


def test_a_ticket_of_the_feed_shows_no_more_than_its_maker_sees(office: Office):
    with office.stream(office.ticket() + "&after=0&types=session.created") as response:
        first = next(EventSource(response).iter_sse())
        assert first.json()["session_id"] == office.sessions["shop"]
    with office.stream(office.ticket(app="bank") + "&after=0") as response:
        assert response.status_code == 200
        frame = next(EventSource(response).iter_sse())
        assert "bank" not in frame.data


@pytest.mark.parametrize("other", ["sibling", "messages", "feed", "HEAD"])
def test_a_ticket_opens_nothing_else_and_is_spent_by_the_try(office: Office, other: str):
    session_id = office.sessions["shop"]
    ticket = office.ticket(session_id=session_id).partition("?")[2]
    sibling = office.ask("POST", "/v1/sessions", {"app": "shop", "user": "ada"})["session"]["id"]
    path = {
        "sibling": f"/v1/sessions/{sibling}/events",
        "messages": f"/v1/sessions/{session_id}/messages",
        "feed": "/v1/events",
        "HEAD": f"/v1/sessions/{session_id}/events",
    }[other]
    method = "HEAD" if other == "HEAD" else "GET"
    answer = office.client.request(method, f"{office.base}{path}?{ticket}")
    assert answer.status_code == 401


@pytest.mark.parametrize("body", [{"app": "x"}, {"user": "x"}])
def test_a_session_and_a_filter_exclude_each_other(office: Office, body: Any):
    body = {"session_id": office.sessions["shop"], **body}
    refused = office.send("POST", "/v1/tickets", body, office.till["token"])
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


def test_what_its_maker_does_not_see_or_may_not_do_gets_no_ticket(office: Office):
    for session_id in (office.sessions["bank"], str(uuid4())):
        body = {"session_id": session_id}
        refused = office.send("POST", "/v1/tickets", body, office.till["token"])
        assert (refused.status_code, refused.json()["code"]) == (404, "session_not_found")
    reader = office.ask("POST", "/v1/tokens", {"allow": ["read"], "app": "shop"})["token"]
    refused = office.send("POST", "/v1/tickets", {}, reader)
    assert (refused.status_code, refused.json()["right"]) == (403, "stream")


def test_a_session_that_is_not_there_gets_no_ticket_of_anybody(office: Office):
    for named in (str(uuid4()), "ext:nobody"):
        for token in (office.owner, office.till["token"]):
            refused = office.send("POST", "/v1/tickets", {"session_id": named}, token)
            assert (refused.status_code, refused.json()["code"]) == (404, "session_not_found")
    there = office.sessions["bank"]
    office.ask("POST", "/v1/tickets", {"session_id": there})


def test_a_ticket_and_its_stream_end_with_the_token_of_its_maker(office: Office):
    made = office.ask("POST", "/v1/tokens", {"allow": ["read", "stream"], "app": "shop"})
    paths = [office.ask("POST", "/v1/tickets", {}, made["token"])["path"] for _ in range(2)]
    with office.stream(paths[0]) as response:
        assert response.status_code == 200
        office.ask("DELETE", f"/v1/tokens/{made['id']}", None)
        *_, last = EventSource(response).iter_sse()
        assert (last.event, last.json()["code"]) == ("error", "unauthorized")
    assert office.status(paths[1]) == 401


@pytest.mark.parametrize("ticket", ["", "x", "ticket_", "ticket_" + "x" * 43, "%ff", "a&ticket=b"])
def test_what_is_no_ticket_lets_nobody_in(office: Office, ticket: str):
    assert office.status(f"/v1/events?ticket={ticket}") in (400, 401)


def test_no_ticket_stands_in_a_log_or_a_link(office: Office, caplog: pytest.LogCaptureFixture):
    for _ in range(3):
        office.ask("POST", "/v1/sessions", {"app": "shop", "user": "ada"})
    path = office.ticket()
    with caplog.at_level(logging.DEBUG):
        page = office.client.get(f"{office.base}{path}&after=0&limit=1")
    assert page.status_code == 200
    secret = path.partition("ticket=")[2]
    assert secret not in page.headers["link"]
    assert secret not in "".join(
        record.getMessage() + str(record.__dict__)
        for record in caplog.records
        if record.name.startswith(("cairn", "uvicorn"))
    )


def test_beside_a_token_a_ticket_is_left_alone_and_not_repeated(office: Office):
    path = office.ticket()
    headers = {"Authorization": f"Bearer {office.till['token']}"}
    for _ in range(2):
        office.ask("POST", "/v1/sessions", {"app": "shop", "user": "ada"})
    page = office.client.get(f"{office.base}{path}&after=0&limit=1", headers=headers)
    assert page.status_code == 200
    assert "ticket" not in page.headers["link"]
    assert office.status(path) == 200
