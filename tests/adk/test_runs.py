"""Runs by the ADK door, driven by whoever follows the log, or by nobody."""

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.adk.test_sessions import Place, ok, said
from tests.support.server import running

Json = dict[str, Any]


def asked(place: Place, text: str | None = "hi", **more: Any) -> Json:
    message = None if text is None else {"role": "user", "parts": [{"text": text}]}
    body = {"appName": place.app, "userId": place.user, "sessionId": "s", "newMessage": message}
    return body | more


def frames(answer: httpx.Response) -> list[Json]:
    assert answer.status_code == 200, answer.text
    lines = answer.text.split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def begun(client: httpx.Client, native: str, turn_id: str | None = None) -> Json:
    """Wait until a turn begins, and return its event."""
    query = {"types": "turn.started", "wait": "30s", "since": 0}
    while True:
        page = ok(client.get(f"/v1/sessions/{native}/events", params=query, timeout=60))
        for event in page["events"]:
            if turn_id in (None, event["data"]["turn_id"]):
                return event
        query["since"] = page["next"]


def driving(base_url: str, native: str, work: Callable[[httpx.Client, str], None]) -> Any:
    """Do what a driver does, in a thread, as soon as a turn begins."""

    def drive() -> None:
        with httpx.Client(base_url=base_url, timeout=60) as client:
            work(client, begun(client, native)["data"]["turn_id"])

    thread = threading.Thread(target=drive)
    thread.start()
    return thread


def test_a_run_that_nobody_drives_is_refused_and_leaves_nothing_open(adk: httpx.Client):
    place = Place(adk)
    place.create(sessionId="s")
    for path in ("/run", "/run_sse"):
        refused = adk.post(path, json=asked(place))
        assert refused.status_code == 503
        assert refused.json()["detail"].startswith("Nobody runs the agent of this session")
    native = place.native()
    assert (native["status"], native["turn_id"]) == ("idle", None)
    events = ok(adk.get(f"/v1/sessions/{native['id']}/events"))["events"]
    ends = [one["data"]["failure"]["kind"] for one in events if one["type"] == "turn.failed"]
    assert ends == ["no_driver"] * 2


def test_a_run_tells_what_its_driver_records_until_the_turn_ends(driven_server: str):
    with httpx.Client(base_url=driven_server, timeout=60) as client:
        place = Place(client)
        place.create(sessionId="s")
        native = place.native()["id"]

        def work(driver: httpx.Client, turn: str) -> None:
            told = said("mine", "a1", author="helper", invocationId=turn)
            told["actions"] = {"stateDelta": {"n": 1}, "artifactDelta": {"a": 0}}
            ok(driver.post(f"{place.path}/s/events", json={"event": told}))
            call = {"tool_call_id": "c", "name": "ls"}
            did = {"events": [{"type": "tool.called", "data": call}]}
            at = f"/v1/sessions/{native}/turns/{turn}"
            ok(driver.post(f"{at}/events", json=did))
            ok(driver.post(f"{at}/complete", json={}))

        thread = driving(driven_server, native, work)
        delta = {"stateDelta": {"given": True}, "customMetadata": {"k": 1}}
        found = frames(client.post("/run_sse", json=asked(place, **delta)))
        thread.join()
    said_first, then, called, closed = found
    assert (said_first["id"], said_first["actions"]["artifactDelta"]) == ("a1", {})
    assert ("content" in then, then["actions"]["artifactDelta"]) == (False, {"a": 0})
    assert called["content"]["parts"][0]["functionCall"]["name"] == "ls"
    response = closed["content"]["parts"][0]["functionResponse"]
    assert response == {"id": "c", "name": "ls", "response": {"error": "abandoned"}}
    with httpx.Client(base_url=driven_server) as client:
        session = ok(client.get(f"{place.path}/s"))
    assert session["state"] == {"given": True, "n": 1}
    first = session["events"][0]
    assert first["invocationId"].startswith("e-")
    assert (first["content"]["role"], first["customMetadata"]) == ("user", {"k": 1})
    assert [event["id"] for event in session["events"][1:2]] == ["a1"]


def test_more_than_the_memory_takes_is_refused_and_is_in_the_session(database_url: str):
    settings = {"doors": "adk", "driver_seconds": 60, "memory_mb": 128}
    with (
        running(database_url, **settings) as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        place = Place(client)
        place.create(sessionId="s")
        native = place.native()["id"]

        def work(driver: httpx.Client, turn: str) -> None:
            at = f"/v1/sessions/{native}/turns/{turn}"
            part = {"type": "text", "text": "x" * 900_000}
            for _ in range(6):
                event = {"type": "agent.message", "data": {"parts": [part]}}
                ok(driver.post(f"{at}/events", json={"events": [event]}))
            ok(driver.post(f"{at}/complete", json={}))

        thread = driving(base, native, work)
        ran = client.post("/run", json=asked(place))
        thread.join()
        whole = client.get(f"{place.path}/s")
        ended = ok(client.get(f"/v1/sessions/{native}"))["session"]

    assert (ran.status_code, whole.status_code) == (503, 503)
    assert "memory" in ran.json()["detail"]
    assert int(whole.headers["retry-after"]) >= 1
    assert (ended["status"], ended["sequence"]) == ("idle", 9)


def test_a_run_that_fails_says_so(driven_server: str):
    with httpx.Client(base_url=driven_server, timeout=60) as client:
        place = Place(client)
        place.create(sessionId="s")

        def work(driver: httpx.Client, turn: str) -> None:
            at = f"/v1/sessions/{place.native()['id']}/turns/{turn}"
            ok(driver.post(f"{at}/fail", json={"kind": "RuntimeError", "summary": "kaput"}))

        thread = driving(driven_server, place.native()["id"], work)
        (last,) = frames(client.post("/run_sse", json=asked(place)))
        thread.join()
    assert last["error"] == "RuntimeError: kaput"
    assert last["error_details"]["error_type"] == "RuntimeError"


@pytest.mark.parametrize("end", ["fail", "cancel", "complete"])
def test_a_call_that_a_stopped_run_left_open_is_answered(driven_server: str, end: str):
    def calling(call: str, name: str) -> Json:
        return {"functionCall": {"id": call, "args": {}, "name": name}}

    with httpx.Client(base_url=driven_server, timeout=60) as client:
        place = Place(client)
        place.create(sessionId="s")

        def work(driver: httpx.Client, turn: str) -> None:
            calls = [calling("c1", "ask"), calling("c2", "nap")]
            pending = {"functionResponse": {"id": "c1", "name": "ask", "response": {"is": "asked"}}}
            for name, parts, role in (("e1", calls, "model"), ("e2", [pending], "user")):
                said = {"content": {"parts": parts, "role": role}, "longRunningToolIds": ["c1"]}
                event = {"id": name, "author": "helper", "invocationId": turn, **said}
                ok(place.append("s", event))
            body = {"kind": "Gone"} if end == "fail" else {}
            at = f"/v1/sessions/{place.native()['id']}/turns/{turn}"
            assert driver.post(f"{at}/{end}", json=body).status_code == 200

        thread = driving(driven_server, place.native()["id"], work)
        client.post("/run", json=asked(place))
        thread.join()
        told = place.get("s")["events"]
        assert place.get("s", num_recent_events=1)["events"] == told[-1:]
    if end != "cancel":
        # What it waits for may come later; of a failure google-adk has told itself.
        assert [one["id"] for one in told[1:]] == ["e1", "e2"]
        return
    (answer,) = told[3:]
    assert (answer["author"], answer["invocationId"]) == ("helper", told[1]["invocationId"])
    closed = {"id": "c2", "name": "nap", "response": {"error": "cancelled"}}
    assert answer["content"] == {"parts": [{"functionResponse": closed}], "role": "user"}


@pytest.mark.parametrize("path", ["/run", "/run_sse"])
def test_a_run_whose_session_is_deleted_meanwhile_ends_with_it(driven_server: str, path: str):
    with httpx.Client(base_url=driven_server, timeout=60) as client:
        place = Place(client)
        place.create(sessionId="s")

        def work(driver: httpx.Client, _: str) -> None:
            ok(driver.delete(f"{place.path}/s"))

        thread = driving(driven_server, place.native()["id"], work)
        answer = client.post(path, json=asked(place))
        thread.join()
    if path == "/run":
        assert (answer.status_code, answer.json()) == (404, {"detail": "Session s not found."})
    else:
        (last,) = frames(answer)
        assert last["error"] == "SessionNotFoundError: Session s not found."


def test_a_client_that_leaves_ends_nothing(driven_server: str):
    with httpx.Client(base_url=driven_server, timeout=60) as client:
        place = Place(client)
        place.create(sessionId="s")
        native = place.native()["id"]
        seen = threading.Event()

        def work(driver: httpx.Client, turn: str) -> None:
            at = f"/v1/sessions/{native}/turns/{turn}"
            say = {"type": "agent.message", "data": {"parts": [{"type": "text", "text": "x"}]}}
            ok(driver.post(f"{at}/events", json={"events": [say]}))
            assert seen.wait(60)
            ok(driver.post(f"{at}/events", json={"events": [say]}))
            ok(driver.post(f"{at}/complete", json={}))

        thread = driving(driven_server, native, work)
        with client.stream("POST", "/run_sse", json=asked(place)) as stream:
            assert next(stream.iter_lines()).startswith("data: ")
        seen.set()
        thread.join()
        assert [one["author"] for one in place.get("s")["events"]] == ["user", "agent", "agent"]
        assert place.native()["status"] == "idle"


def test_of_two_runs_the_second_waits_for_its_turn(driven_server: str):
    with httpx.Client(base_url=driven_server, timeout=60) as client:
        place = Place(client)
        place.create(sessionId="s")
        native = place.native()["id"]
        answers: dict[str, httpx.Response] = {}

        def run(name: str) -> None:
            with httpx.Client(base_url=driven_server, timeout=60) as other:
                answers[name] = other.post("/run", json=asked(place, name, invocationId=name))

        first = threading.Thread(target=run, args=("one",))
        first.start()
        begun(client, native, "one")
        second = threading.Thread(target=run, args=("two",))
        second.start()
        queued = {"types": "input.queued", "wait": "30s", "since": 0}
        ok(client.get(f"/v1/sessions/{native}/events", params=queued))
        for turn in ("one", "two"):
            begun(client, native, turn)
            at = f"/v1/sessions/{native}/turns/{turn}"
            say = {"type": "agent.message", "data": {"parts": [{"type": "text", "text": turn}]}}
            ok(client.post(f"{at}/events", json={"events": [say]}))
            ok(client.post(f"{at}/complete", json={}))
        first.join()
        second.join()
    for name, answer in answers.items():
        (event,) = ok(answer)
        assert event["content"]["parts"] == [{"text": name}]


def test_a_run_that_makes_no_sense_begins_nothing(adk: httpx.Client):
    place = Place(adk)
    place.create(sessionId="s")
    for path in ("/run", "/run_sse", "/api/run"):
        assert adk.post(path, json=asked(place, appName=None)).status_code == 400
        assert adk.post(path, json=asked(place) | {"userId": None}).status_code == 422
        missing = adk.post(path, json=asked(place, sessionId="zz"))
        assert (missing.status_code, missing.json()) == (
            404,
            {"detail": "Session not found: zz"},
        )
    assert place.get("s")["events"] == []
