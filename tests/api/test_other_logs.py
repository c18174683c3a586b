"""The logs that belong to no session: under `/v1/sessions` they are not to be found."""

from collections.abc import Iterator

import pytest

from domain.access.events import ACCESS_LOG
from tests.support.api import HELLO, Api, done, openapi
from tests.support.postgres import Server
from tests.support.server import running

PATHS = {
    path: operations
    for path, operations in openapi()["paths"].items()
    if path.startswith("/v1/sessions/{session_id}")
}
READS = [path for path, one in PATHS.items() if "get" in one and not path.endswith("/verify")]
WRITES = [(method, path) for path, one in PATHS.items() for method in sorted(one.keys() - {"get"})]
TIMES = (
    "",
    "?last=1",
    "?since=0",
    "?since=9",
    "?since=0&wait=1",
    "?since=0&turn=t",
    "?last=1&turn=t",
)


@pytest.fixture(scope="module")
def logs(postgres_server: Server) -> Iterator[tuple[Api, list[str]]]:
    """The ids of the logs of an app's keys, of a user's keys and of the accesses."""
    with postgres_server.database() as url, running(url) as base:
        api = Api(base)
        for path, key in (("apps/shop", "app:k"), ("apps/shop/users/ada", "user:k")):
            done(api.patch(f"/v1/{path}/state", {"set": {key: 1}}))
        done(api.get("/v1/audit/events"))
        found = done(api.get("/v1/events"))["events"]
        ids = list(dict.fromkeys(event["session_id"] for event in found))
        assert len(ids) == 3
        assert str(ACCESS_LOG) in ids
        yield api, ids
        api.close()


def at(path: str, log: str) -> str:
    """Fill in a path, all ids but the first with names."""
    return path.replace("{session_id}", log).replace("{", "").replace("}", "")


@pytest.mark.parametrize("path", READS)
def test_nothing_of_them_is_read(logs: tuple[Api, list[str]], path: str) -> None:
    api, ids = logs
    for log in ids:
        assert api.get(at(path, log)).status_code == 404


@pytest.mark.parametrize("query", TIMES)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_their_events_are_not_found(logs: tuple[Api, list[str]], query: str, accept: str) -> None:
    api, ids = logs
    for log in ids:
        answer = api.get(f"/v1/sessions/{log}/events{query}", headers={"accept": accept})
        assert (answer.status_code, answer.json()["code"]) in {
            (404, "session_not_found"),
            (400, "invalid_parameter"),
        }


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_nothing_is_written_to_them(logs: tuple[Api, list[str]], method: str, path: str) -> None:
    api, ids = logs
    head = api.feed_head()
    for log in ids:
        assert 400 <= api.request(method.upper(), at(path, log), json={}).status_code < 500
    assert api.feed_head() == head


def test_bodies_that_a_session_would_take_are_not_found(logs: tuple[Api, list[str]]) -> None:
    api, ids = logs
    for log in ids:
        for path, body in (
            ("turns", {"input": {"parts": HELLO}}),
            ("messages", {"role": "user", "parts": HELLO}),
            ("repair", None),
            ("fork", {}),
            ("stop", {}),
        ):
            answer = api.post(f"/v1/sessions/{log}/{path}", body)
            assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found"), path


def test_they_can_be_verified(logs: tuple[Api, list[str]]) -> None:
    api, ids = logs
    for log in ids:
        assert done(api.get(f"/v1/sessions/{log}/verify"))["ok"]
