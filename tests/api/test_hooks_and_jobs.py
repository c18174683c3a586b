"""What a server does beside answering: it asks hooks first, and looks after what is due."""

from collections.abc import Iterator

import pytest

from tests.support.api import Api, SessionApi, refused
from tests.support.postgres import Server
from tests.support.server import running


@pytest.fixture(scope="module")
def strict(postgres_server: Server) -> Iterator[Api]:
    """A server with the hooks of `tests/support/hooks.py`, and impatient with silent turns."""
    settings = {
        "hooks": "tests.support.hooks:HOOKS",
        "turn_warning_seconds": 0,
        "turn_silence_seconds": 0.4,
        "turn_grace_seconds": 0.2,
    }
    with postgres_server.database() as url, running(url, **settings) as base:
        api = Api(base)
        yield api
        api.close()


def said(text: str) -> dict[str, object]:
    return {"input": {"parts": [{"type": "text", "text": text}]}, "turn_id": "t1"}


def test_a_hook_that_says_no_is_a_problem_that_names_it_and_nothing_is_recorded(strict: Api):
    session = strict.create()
    with session.nothing_recorded():
        refused(
            session.post("/turns", said("a forbidden word")),
            403,
            "hook_denied",
            detail="that word is not said here",
            hook="no secrets",
            point="input.pre_submit",
        )
        refused(session.delete(), 403, "hook_denied", detail="anonymous may not delete sessions")


def test_what_a_hook_makes_of_a_command_is_what_is_recorded(strict: Api):
    session = strict.create()

    session.post("/turns", said("my password is hunter2"))

    started = next(event for event in session.events() if event["type"] == "turn.started")
    assert started["data"]["parts"] == [{"type": "text", "text": "[withheld]"}]


def test_a_turn_that_falls_silent_is_stalled_then_given_up_by_the_server_itself(strict: Api):
    session = strict.create()
    session.post("/turns", said("hello"))

    answer = session.get("/events", params={"since": 2, "types": "session.stopped", "wait": "20s"})

    stopped = answer.json()["events"][0]
    assert stopped["origin"] == "supervision"
    assert stopped["actor"] == "system"
    assert stopped["data"]["detail"] == "activity_timeout"
    asked = next(one for one in session.events() if one["type"] == "session.stalled")
    assert asked["data"]["reason"] == "activity_timeout"
    # Both by the clock of the database.
    assert asked["at"] < asked["data"]["ends_at"] <= stopped["at"]
    assert session.types() == [
        "session.created",
        "turn.started",
        "session.stalled",
        "turn.failed",
        "session.stopped",
    ]
    shown = session.get().json()["session"]
    assert (shown["status"], shown["badge"]) == ("stopped", "failed")


def test_a_request_runs_out_by_itself_and_its_deadline_is_in_the_log(session: SessionApi):
    # Not of the impatient server, which may give the turn up before it asks.
    session.start()
    session.ask("r1", timeout_seconds=1)

    answer = session.get("/events", params={"types": "permission.decided", "wait": "20s"})

    decided = answer.json()["events"][0]
    assert decided["data"] == {"request_id": "r1", "decision": "timeout", "reason": "expired"}
    refused(
        session.post("/interactions/r1/decision", {"option_id": "yes"}),
        409,
        "interaction_decided",
        decision="timeout",
    )


def test_a_child_lives_no_longer_than_it_may(strict: Api):
    parent = strict.create()
    body = {"agent": {"name": "coder"}, "ttl_seconds": 1}
    spawned = parent.post("/spawn", body)
    assert spawned.status_code == 201, spawned.text
    child = spawned.json()["session"]["id"]

    answer = strict.get(
        f"/v1/sessions/{child}/events", params={"types": "session.stopped", "wait": "20s"}
    )
    reaped = parent.get("/events", params={"types": "child.reaped", "wait": "20s"})

    assert answer.json()["events"][0]["data"]["detail"] == "ttl_expired"
    assert reaped.json()["events"][0]["data"] == {"child_id": child, "reason": "ttl_expired"}
