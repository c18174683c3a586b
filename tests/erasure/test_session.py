"""A session is erased: its payloads are gone, its places and its proof stay."""

import json
import re
from typing import Any

import pytest

from api.v1.route_table import ROUTES
from tests.erasure.conftest import BECAUSE, Eraser
from tests.support.api import HELLO, SessionApi, done, refused

SECRET = "the-secret-of-ada"


def furnished(eraser: Eraser, **body: Any) -> SessionApi:
    """Begin a session all of whose parts hold the secret."""
    session = eraser.api.create(
        title=SECRET,
        tags=[SECRET],
        metadata={"m": SECRET},
        state={"own": SECRET, "app:k": SECRET, "user:k": SECRET},
        **body,
    )
    session.say(SECRET)
    session.start("t1")
    session.record(("agent.message", {"parts": [{"type": "text", "text": SECRET}]}))
    session.complete("t1")
    return session


def test_what_was_said_is_gone_and_its_places_stay(eraser: Eraser) -> None:
    session = furnished(eraser)
    before = session.events()
    report = eraser.erase(session.id)
    assert (report["sessions"], report["events"]) == (1, len(before))
    feed = eraser.api.get("/v1/events", params={"after": 0, "limit": 200}).json()["events"]
    mine = [event for event in feed if event["session_id"] == session.id]
    assert [event["type"] for event in mine][-1] == "session.erased"
    assert mine[-1]["data"]["reason"] == BECAUSE["reason"]
    for was, now in zip(before, mine[:-1], strict=True):
        kept = {name: was[name] for name in ("session_id", "sequence", "position", "type", "at")}
        assert {name: now[name] for name in kept} == kept
        assert (now["digest"], now["erased"]) == (was["digest"], True)
        assert now.keys() == {*kept, "digest", "erased", "record_hash"}
    assert SECRET not in json.dumps(mine)
    eraser.verify()


ASKED = {"/diff": "?from=1&to=2", "/wait": "?for=stopped"}
PAST = ["/events?since=0", "/events?last=2", "/snapshot?at=2", "/messages?at=1", "/state?at=1"]
LEFT = {"/erasure", "/export", "/verify"}
"""What tells of the places that stay, and of nothing else."""


def reads_of_a_session() -> list[str]:
    """The path of every read of a session, behind that of the session."""
    of_one = "/v1/sessions/{session_id:str}"
    paths = [one.path for one in ROUTES if one.method == "GET" and one.path.startswith(of_one)]
    reads = {re.sub(r"\{\w+:\w+\}", "x", path.removeprefix(of_one)) for path in paths} - LEFT
    assert len(reads) > 20
    return [path + ASKED.get(path, "") for path in sorted(reads)] + PAST


def test_every_read_says_that_it_is_erased_by_whom_and_why(eraser: Eraser) -> None:
    session = furnished(eraser)
    eraser.erase(session.id)
    for path in reads_of_a_session():
        answer = eraser.api.get(session.path + path)
        told = refused(answer, 410, "erased")
        assert SECRET not in answer.text
        if "erased" in told:
            assert told["erased"]["reason"] == BECAUSE["reason"]
    told = refused(session.get(), 410, "erased")["erased"]
    assert told["sequence"] > 1
    assert told["actor"]


def test_nothing_can_be_added_to_it(eraser: Eraser) -> None:
    session = furnished(eraser)
    eraser.erase(session.id)
    for method, path, body in [
        ("POST", "/messages", {"role": "user", "parts": HELLO}),
        ("POST", "/turns", {"input": {"parts": HELLO}}),
        ("POST", "/fork", {}),
        ("POST", "/resume", {}),
        ("POST", "/stop", {}),
        ("POST", "/attach", {"holder": "me"}),
        ("POST", "/presence", {"reporter": "r", "process": "healthy"}),
        ("POST", "/legal-hold", BECAUSE),
        ("POST", "/repair", {}),
        ("PATCH", "/state", {"set": {"a": 1}}),
        ("DELETE", "", {}),
    ]:
        refused(eraser.api.request(method, session.path + path, json=body), 410, "erased")
    again = {"app": session.app, "user": session.user, "id": session.id}
    refused(eraser.api.post("/v1/sessions", again), 409, "session_exists")


def test_erased_twice_it_is_already_so(eraser: Eraser) -> None:
    session = furnished(eraser)
    eraser.erase(session.id)
    head = eraser.api.feed_head()
    assert eraser.erase(session.id)["sessions"] == 0
    # All that was recorded is that somebody asked.
    since = eraser.api.get("/v1/events", params={"after": head}).json()["events"]
    assert [event["type"] for event in since] == ["access.granted"]


def test_what_is_not_there_is_not_erased(eraser: Eraser) -> None:
    nobody = "/v1/sessions/01890a5d-ac96-774b-bcce-b302099a8057/erase"
    refused(eraser.api.post(nobody, BECAUSE), 404, "session_not_found")
    session = furnished(eraser)
    refused(session.post("/erase", {}), 422, "invalid")
    refused(session.post("/erase", {"reason": " "}), 422, "invalid")
    with session.nothing_recorded():
        pass


def test_a_dry_run_says_what_would_go(eraser: Eraser) -> None:
    session = furnished(eraser)
    fork = done(session.post("/fork", {}), 201)["session"]["id"]
    head = session.head
    report = done(session.post("/erase?dry_run=true", BECAUSE))["erasure"]
    assert report["dry_run"] is True
    assert [(one["session_id"], one["because"]) for one in report["logs"]] == [
        (fork, "fork"),
        (session.id, "asked"),
    ]
    (mine,) = [one for one in report["logs"] if one["because"] == "asked"]
    assert mine["events"] == head
    assert mine["keys_in_force"] == ["app:k", "user:k"]
    assert mine["record_bytes"] > 1000
    assert mine["shared_writes"] == 2
    assert mine["artifact_bytes"] == 0
    assert session.head == head


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_a_stale_if_match_erases_no_fork_either(eraser: Eraser, query: str) -> None:
    session = furnished(eraser)
    fork = done(session.post("/fork", {}), 201)["session"]["id"]
    head = session.head
    with session.nothing_recorded():
        answer = session.post(f"/erase{query}", BECAUSE, headers={"If-Match": f'"{head - 1}"'})
        refused(answer, 412, "stale_sequence", head=head)
    assert done(eraser.api.get(f"/v1/sessions/{fork}"))
    done(session.post(f"/erase{query}", BECAUSE, headers={"If-Match": f'"{head}"'}))


@pytest.mark.parametrize("shared_keys", ["kept", "erased"])
def test_keys_in_force_stay_or_go_and_their_history_goes(eraser: Eraser, shared_keys: str) -> None:
    session = furnished(eraser)
    other = eraser.api.create(app=session.app, user=session.user)
    eraser.erase(session.id, shared_keys=shared_keys)
    state = done(other.get("/state"))["state"]
    assert state == ({"app:k": SECRET, "user:k": SECRET} if shared_keys == "kept" else {})
    history = done(eraser.api.get(f"/v1/apps/{session.app}/state/app:k/history"))["writes"]
    assert [one["session_id"] == session.id for one in history] == [False]
    eraser.verify()


def test_forks_of_it_are_erased_and_others_are_not(eraser: Eraser) -> None:
    session = furnished(eraser)
    fork = done(session.post("/fork", {}), 201)["session"]["id"]
    further = done(eraser.api.post(f"/v1/sessions/{fork}/fork"), 201)["session"]["id"]
    done(eraser.api.delete(f"/v1/sessions/{further}", json={}))
    other = furnished(eraser)
    assert eraser.erase(session.id)["sessions"] == 3
    for gone in (session.id, fork, further):
        refused(eraser.api.get(f"/v1/sessions/{gone}"), 410, "erased")
    assert done(other.get())["session"]["title"] == SECRET
    # One that was forked lives on when only its fork is erased.
    beside = done(other.post("/fork", {}), 201)["session"]["id"]
    eraser.erase(beside)
    assert done(other.get("/messages"))["messages"]
    eraser.verify()


def test_children_go_along_when_that_is_asked_for(eraser: Eraser) -> None:
    for along in (False, True):
        session = furnished(eraser)
        spawned = {"agent": {"name": "helper"}, "ttl_seconds": 60}
        child = done(session.post("/spawn", spawned), 201)["session"]["id"]
        eraser.erase(session.id, children=along)
        found = eraser.api.get(f"/v1/sessions/{child}").status_code
        assert found == (410 if along else 200)
    eraser.verify()
