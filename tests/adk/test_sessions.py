"""Sessions by the ADK door, and the same sessions by the native one."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from openapi_spec_validator import validate

from api.adk.route_table import ROUTES
from application.reads.line_log import LineLog

Json = dict[str, Any]
FULL = {
    "modelVersion": "m-1",
    "content": {
        "parts": [
            {"text": "hi", "thought": True, "thoughtSignature": "-__-"},
            {"functionCall": {"id": "c1", "args": {"b": None, "a_b": -0.0}, "name": "ls"}},
            {"inlineData": {"data": "aGk=", "displayName": "n", "mimeType": "image/png"}},
        ],
        "role": "model",
    },
    "groundingMetadata": {"webSearchQueries": ["q"]},
    "partial": False,
    "turnComplete": True,
    "finishReason": "STOP",
    "errorCode": "E",
    "errorMessage": "\u0000 \u2028 \U0001f600",
    "interrupted": False,
    "customMetadata": {"k": None, "n": 123456789012345678901234567890, "f": 1.0},
    "usageMetadata": {"promptTokenCount": 3},
    "avgLogprobs": -0.25,
    "invocationId": "i1",
    "author": "helper",
    "actions": {
        "skipSummarization": True,
        "stateDelta": {"z": None, "user:name": "Ada"},
        "artifactDelta": {"a.txt": 0},
        "requestedAuthConfigs": {},
        "requestedToolConfirmations": {"c1": {"hint": "sure?", "confirmed": False}},
        "agentState": {"n": None},
        "route": ["left", 2, False],
    },
    "output": {"x": [1]},
    "nodeInfo": {"path": "a@1/b", "outputFor": ["c"], "messageAsOutput": True},
    "longRunningToolIds": ["c1"],
    "branch": "a.b",
    "isolationScope": "s",
    "id": "e1",
    "timestamp": 1700000000.1234567,
    "routes": ["go"],
    "requestedInput": {"of": "go"},
}


class Place:
    """The sessions of an app and a user that no other test has."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.app, self.user = f"app-{uuid4().hex[:8]}", f"user-{uuid4().hex[:8]}"
        self.path = f"/apps/{self.app}/users/{self.user}/sessions"

    def create(self, **body: Any) -> Json:
        return ok(self.client.post(self.path, json=body))

    def get(self, name: str, **query: Any) -> Json:
        return ok(self.client.get(f"{self.path}/{name}", params=query))

    def append(self, name: str, event: Json, **more: Any) -> httpx.Response:
        return self.client.post(f"{self.path}/{name}/events", json={"event": event, **more})

    def native(self) -> Json:
        found = ok(self.client.get("/v1/sessions", params={"app": self.app, "user": self.user}))
        return found["sessions"][0]


@pytest.fixture
def place(adk: httpx.Client) -> Place:
    return Place(adk)


def ok(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def quoted(name: str) -> str:
    """A name with every byte escaped, so that no client makes another path of it."""
    return "".join(f"%{byte:02X}" for byte in name.encode())


def said(text: str, event_id: str, **more: Any) -> Json:
    parts = [{"text": text}]
    return {"id": event_id, "author": "user", "content": {"parts": parts, "role": "user"}, **more}


def test_every_field_of_an_event_comes_back_to_the_byte_of_its_json(place: Place):
    created = place.create(sessionId="s", events=[FULL])

    shown = place.client.get(f"{place.path}/s").text
    assert json.dumps(FULL, ensure_ascii=False, separators=(",", ":")) in shown
    assert created["events"] == [FULL]
    assert created["state"] == {"z": None, "user:name": "Ada"}
    assert place.get("s")["lastUpdateTime"] == 1700000000.123457


def test_the_log_of_a_session_that_has_just_begun_is_not_read_for_its_answer(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    read: list[object] = []
    original = LineLog.events

    def events(self: LineLog, *which: Any, **more: Any) -> Any:
        read.append(which)
        return original(self, *which, **more)

    monkeypatch.setattr(LineLog, "events", events)
    head = {"Idempotency-Key": "once"}
    body = {"sessionId": "s", "state": {"k": 1}}
    begun = place.client.post(place.path, json=body, headers=head)
    assert (ok(begun)["state"], ok(begun)["events"], read) == ({"k": 1}, [], [])
    assert place.create(sessionId="with events", events=[said("a", "e1")])["events"]
    ok(place.append("s", said("later", "e2")))
    # Told again, it is told as it is now.
    again = ok(place.client.post(place.path, json=body, headers=head))
    assert [one["id"] for one in again["events"]] == ["e2"]
    assert read


def test_a_session_is_begun_with_all_of_its_events_or_not_at_all(place: Place):
    twice = [said("a", "e1"), said("b", "e1")]
    refused = place.client.post(place.path, json={"sessionId": "s", "events": twice})
    assert refused.status_code == 422
    assert place.client.get(f"{place.path}/s").status_code == 404


def test_a_name_is_free_again_when_its_session_was_deleted(place: Place):
    place.create(sessionId="s", state={"a": 1, "app:b": 2}, events=[said("hi", "e1")])
    before = place.native()["id"]
    assert ok(place.client.delete(f"{place.path}/s")) is None
    assert place.client.get(f"{place.path}/s").json() == {"detail": "Session not found"}
    again = place.create(sessionId="s")
    assert (again["id"], again["state"], again["events"]) == ("s", {"app:b": 2}, [])
    assert place.native()["id"] != before
    assert ok(place.client.delete(f"{place.path}/none")) is None


def test_one_of_many_creations_with_one_name_wins(place: Place):
    def create(_: int) -> int:
        with httpx.Client(base_url=place.client.base_url, timeout=60) as client:
            return client.post(place.path, json={"sessionId": "s"}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(create, range(24)))
    assert statuses == [200] + [409] * 23


def test_the_newest_events_or_those_since_a_time_can_be_asked_for(place: Place):
    events = [said(str(n), f"e{n}", timestamp=100.0 + n) for n in range(5)]
    place.create(sessionId="s", events=events)

    def ids(**query: Any) -> list[str]:
        return [event["id"] for event in place.get("s", **query)["events"]]

    assert ids() == ["e0", "e1", "e2", "e3", "e4"]
    assert ids(num_recent_events=3) == ["e2", "e3", "e4"]
    assert ids(num_recent_events=0) == []
    assert ids(after=101.0) == ["e1", "e2", "e3", "e4"]
    assert ids(after=100.0, num_recent_events=2) == ["e3", "e4"]
    assert place.get("s", num_recent_events=0)["lastUpdateTime"] == 104.0
    for wrong in ("-1", "x", "1.5"):
        query = {"num_recent_events": wrong}
        assert place.client.get(f"{place.path}/s", params=query).status_code == 422


def test_an_event_is_recorded_once_and_another_of_its_id_is_refused(place: Place):
    place.create(sessionId="s")
    event = said("hi", "e1", timestamp=1.0, actions={"stateDelta": {"n": 1}})
    first = ok(place.append("s", event))
    assert ok(place.append("s", event))["sequence"] == first["sequence"]
    assert place.append("s", said("other", "e1", timestamp=1.0)).status_code == 409
    assert len(place.get("s")["events"]) == 1


def test_a_writer_that_has_not_seen_the_newest_event_is_refused(place: Place):
    place.create(sessionId="s")
    known = ok(place.append("s", said("one", "e1")))["sequence"]
    ok(place.append("s", said("two", "e2"), known=known))
    stale = place.append("s", said("three", "e3"), known=known)
    assert stale.status_code == 412
    assert [event["id"] for event in place.get("s")["events"]] == ["e1", "e2"]
    # What google-adk is not shown makes nobody stale.
    native = place.native()
    known = native["sequence"]
    ok(place.client.patch(f"/v1/sessions/{native['id']}", json={"title": "T"}))
    ok(place.append("s", said("three", "e3"), known=known))


def test_a_partial_event_is_answered_and_not_kept(place: Place):
    place.create(sessionId="s")
    partial = said("h", "p", partial=True, actions={"stateDelta": {"a": 1}})
    ok(place.append("s", partial))
    assert (place.get("s")["events"], place.get("s")["state"]) == ([], {})


def test_keys_are_shared_by_their_prefix_and_temporary_ones_are_never_kept(place: Place):
    place.create(sessionId="s", state={"own": 1, "app:a": 1, "user:u": 1, "temp:t": 1})
    delta = {"own": None, "app:a": 2, "temp:t": 3}
    shown = ok(place.client.patch(f"{place.path}/s", json={"state_delta": delta}))
    assert shown["state"] == {"own": None, "app:a": 2, "user:u": 1, "temp:t": 3}
    assert shown["events"][0]["actions"]["stateDelta"] == {"own": None, "app:a": 2}
    assert place.create(sessionId="other")["state"] == {"app:a": 2, "user:u": 1}
    stranger = f"/apps/{place.app}/users/somebody/sessions"
    assert ok(place.client.post(stranger, json={}))["state"] == {"app:a": 2}
    assert "temp:t" not in place.get("s")["state"]


def test_a_rename_by_the_web_ui_undoes_nothing_that_others_have_written(place: Place):
    seen = place.create(sessionId="s", state={"app:a": 1})["state"]
    ok(place.client.patch(f"{place.path}/s", json={"stateDelta": {"app:a": 2}}))
    other = place.create(sessionId="other")["state"]
    renamed = {**other, "__session_metadata__": {"displayName": "new"}}
    shown = ok(place.client.patch(f"{place.path}/other", json={"stateDelta": renamed}))
    assert list(shown["events"][0]["actions"]["stateDelta"]) == ["__session_metadata__"]
    assert (seen, shown["state"]["app:a"]) == ({"app:a": 1}, 2)


def test_secrets_are_refused_as_state_and_left_out_of_events(place: Place):
    refused = place.client.post(place.path, json={"state": {"secret:key": "1"}})
    assert refused.status_code == 422
    place.create(sessionId="s")
    delta = {"secret:k": 1}
    refused = place.client.patch(f"{place.path}/s", json={"stateDelta": delta})
    assert refused.status_code == 422
    assert place.append("s", said("a", "e1", actions={"stateDelta": delta})).status_code == 422
    run = {"appName": place.app, "userId": place.user, "sessionId": "s", "stateDelta": delta}
    assert place.client.post("/run", json=run).status_code == 422
    assert place.get("s")["events"] == []
    config = {"authScheme": {"type": "oauth2"}, "rawAuthCredential": {"clientSecret": "hush"}}
    event = {"id": "e", "author": "m", "actions": {"requestedAuthConfigs": {"c": config}}}
    ok(place.append("s", event))
    native = place.native()["id"]
    assert "hush" not in place.client.get(f"{place.path}/s").text
    assert "hush" not in place.client.get(f"/v1/sessions/{native}/events").text


def test_a_session_goes_back_to_before_an_invocation(place: Place):
    place.create(sessionId="s", state={"kept": 1, "app:a": 1})

    def turn(name: str, **delta: Any) -> Json:
        return said(name, name, invocationId=name, actions={"stateDelta": delta})

    ok(place.append("s", turn("i1", kept=2)))
    ok(place.append("s", turn("i2", kept=3, more=4, **{"app:a": 2})))
    body = {"rewindBeforeInvocationId": "i2"}
    shown = ok(place.client.post(f"{place.path}/s/rewind", json=body))
    assert shown["state"] == {"kept": 2, "app:a": 2}
    last = shown["events"][-1]
    assert last["actions"]["rewindBeforeInvocationId"] == "i2"
    assert last["actions"]["stateDelta"] == {"kept": 2, "more": None}
    first = ok(place.client.post(f"{place.path}/s/rewind", json={"rewindBeforeInvocationId": "i1"}))
    assert first["state"] == {"kept": 1, "app:a": 2}
    missing = place.client.post(f"{place.path}/s/rewind", json={"rewindBeforeInvocationId": "i9"})
    assert missing.status_code == 404


def turn(name: str, **more: Any) -> Json:
    return said(name, name, invocationId=name, timestamp=1700000000.0, **more)


def back_before(name: str, event_id: str, **delta: Any) -> Json:
    actions = {"rewindBeforeInvocationId": name, "stateDelta": delta}
    return turn(event_id, content=None, actions=actions)


def native_view(place: Place, session_id: str) -> tuple[list[str], int, Any, Json]:
    """Return what the native door shows: the transcript, its length in lists, epoch and keys."""
    at = f"/v1/sessions/{session_id}"
    shown = ok(place.client.get(f"{at}/messages"))["messages"]
    snapshot = ok(place.client.get(f"{at}/snapshot"))
    ids = [one["id"] for one in shown]
    assert [one["id"] for one in snapshot["transcript"]] == ids
    row = ok(place.client.get(at))["session"]
    return ids, row["num_messages"], row["epoch"], snapshot["state"]


def test_what_google_adk_takes_back_is_taken_back_natively(place: Place):
    place.create(sessionId="s", state={"k": 0})
    for name in ("i1", "i2", "i3"):
        ok(place.append("s", turn(name, actions={"stateDelta": {"k": name}})))
    session_id = place.native()["id"]
    # A runner of theirs says itself what becomes of the keys, and never of those of the creation.
    back = back_before("i2", "b1", k="i1", gone=None)
    once = ok(place.append("s", back))
    assert native_view(place, session_id) == (["i1"], 1, 1, {"k": "i1", "gone": None})
    assert ok(place.append("s", back)) == once
    assert native_view(place, session_id)[2] == 1
    assert place.get("s")["events"][-1] == once["event"]
    ok(place.append("s", turn("i4")))
    by_route = place.client.post(f"{place.path}/s/rewind", json={"rewindBeforeInvocationId": "i1"})
    assert ok(by_route)["state"] == {"k": 0}
    assert native_view(place, session_id) == ([], 0, 2, {"k": 0})
    ok(place.append("s", turn("i5")))
    assert native_view(place, session_id)[0] == ["i5"]
    past = ok(
        place.client.get(f"/v1/sessions/{session_id}/messages", params={"at": once["sequence"]})
    )
    assert [one["id"] for one in past["messages"]] == ["i1"]
    ok(place.client.post(f"/v1/sessions/{session_id}/stop", json={"cause": "user_requested"}))
    repair = place.client.post(f"/v1/sessions/{session_id}/repair", params={"dry_run": "1"})
    assert ok(repair)["repair"]["actions"] == []


def test_a_session_that_is_brought_by_its_events_goes_back_as_it_did(place: Place):
    place.create(sessionId="s")
    for event in (turn("i1"), turn("i2"), back_before("i2", "b"), turn("i3")):
        ok(place.append("s", event))
    there = place.get("s")
    place.create(sessionId="copy", events=there["events"])
    assert place.get("copy")["events"] == there["events"]
    assert native_view(place, place.native()["id"])[:3] == (["i1", "i3"], 2, 1)


def test_a_fork_goes_back_to_where_it_began_and_no_further(place: Place):
    place.create(sessionId="s", events=[turn("i1")])
    origin = place.native()["id"]
    fork = place.client.post(f"/v1/sessions/{origin}/fork", json={}).json()["session"]["id"]
    ok(place.append(fork, turn("i2")))
    ok(place.append(fork, back_before("i2", "b2")))
    assert native_view(place, fork)[:3] == (["i1"], 1, 1)
    before = place.get(fork)
    refused = place.append(fork, back_before("i1", "b1"))
    assert (refused.status_code, "fork" in refused.json()["detail"]) == (400, True)
    body = {"rewindBeforeInvocationId": "i1"}
    assert place.client.post(f"{place.path}/{fork}/rewind", json=body).status_code == 400
    assert place.get(fork) == before
    # A fork of what went back has what counts there.
    of_fork = place.client.post(f"/v1/sessions/{fork}/fork", json={}).json()["session"]["id"]
    assert native_view(place, of_fork)[0] == ["i1"]


def test_nothing_is_taken_back_under_a_turn_that_runs(place: Place):
    place.create(sessionId="s", events=[turn("i1")])
    at = f"/v1/sessions/{place.native()['id']}"
    start = {"input": {"parts": [{"type": "text", "text": "go"}]}, "turn_id": "t1"}
    assert place.client.post(f"{at}/turns", json=start).status_code == 201
    refused = place.append("s", back_before("i1", "b"))
    assert (refused.status_code, "turn" in refused.json()["detail"]) == (409, True)
    ok(place.client.post(f"{at}/turns/t1/complete", json={"stop_reason": "end_turn"}))
    ok(place.append("s", back_before("t1", "b1")))
    assert native_view(place, place.native()["id"])[0] == ["i1"]


def test_lists_show_state_and_the_last_changed_session_at_the_end(place: Place):
    for name, at in (("b", 300.0), ("a", 100.0), ("c", 200.0)):
        place.create(sessionId=name, state={"n": name}, events=[said("x", "e", timestamp=at)])
    found = ok(place.client.get(place.path))
    assert [(one["id"], one["lastUpdateTime"], one["events"]) for one in found] == [
        ("a", 100.0, []),
        ("c", 200.0, []),
        ("b", 300.0, []),
    ]
    assert found[0]["state"] == {"n": "a"}
    assert ok(place.client.get(f"/apps/{place.app}/sessions")) == found
    assert ok(place.client.get(f"/apps/{place.app}/users/nobody/sessions")) == []
    assert place.app in ok(place.client.get("/list-apps"))


def test_one_session_has_two_doors(place: Place):
    place.create(sessionId="s", state={"a": 1}, events=[said("hi", "e1"), FULL | {"id": "e2"}])
    native = place.native()["id"]
    snapshot = ok(place.client.get(f"/v1/sessions/{native}/snapshot"))
    assert [one["id"] for one in snapshot["transcript"]] == ["e1", "e2"]
    assert snapshot["state"] == {"a": 1, "z": None, "user:name": "Ada"}
    tail = ok(place.client.get(f"/v1/sessions/{native}/events"))["events"]
    assert [event["type"] for event in tail[:3]] == [
        "session.created",
        "runtime.event",
        "message.added",
    ]
    assert {event["origin"] for event in tail} == {"adk"}
    forked = place.client.post(f"/v1/sessions/{native}/fork", json={"at": 3})
    assert forked.status_code == 201, forked.text
    fork = forked.json()["session"]["id"]
    assert [event["id"] for event in place.get(fork)["events"]] == ["e1"]
    ok(place.append(fork, said("more", "e3")))
    assert [event["id"] for event in place.get(fork)["events"]] == ["e1", "e3"]
    assert [event["id"] for event in place.get("s")["events"]] == ["e1", "e2"]


def test_what_a_runtime_records_natively_is_told_in_the_words_of_google_adk(place: Place):
    place.create(sessionId="s")
    at = f"/v1/sessions/{place.native()['id']}"
    start = {"input": {"parts": [{"type": "text", "text": "go"}]}, "turn_id": "t1"}
    assert place.client.post(f"{at}/turns", json=start).status_code == 201
    did = [
        {"type": "tool.called", "data": {"tool_call_id": "c", "name": "ls", "input": {"a": 1}}},
        {"type": "tool.returned", "data": {"tool_call_id": "c", "output": "x"}},
        {"type": "agent.message", "data": {"parts": [{"type": "text", "text": "done"}]}},
    ]
    ok(place.client.post(f"{at}/turns/t1/events", json={"events": did}))
    ok(place.client.patch(f"{at}/state", json={"set": {"k": 1}}))
    events = place.get("s")["events"]
    assert [(one["author"], one["invocationId"]) for one in events] == [
        ("user", "t1"),
        *[("agent", "t1")] * 3,
        # Outside of turns each event is an invocation of its own.
        ("user", events[4]["id"]),
    ]
    assert events[1]["content"]["parts"] == [
        {"functionCall": {"id": "c", "args": {"a": 1}, "name": "ls"}}
    ]
    assert events[2]["content"]["parts"] == [
        {"functionResponse": {"id": "c", "name": "ls", "response": {"result": "x"}}}
    ]
    assert events[3]["content"] == {"parts": [{"text": "done"}], "role": "model"}
    assert events[4]["actions"]["stateDelta"] == {"k": 1}


def test_what_is_taken_back_natively_is_taken_back_for_google_adk(place: Place):
    place.create(sessionId="s")
    at = f"/v1/sessions/{place.native()['id']}"

    def say(text: str) -> int:
        body = {"role": "user", "parts": [{"type": "text", "text": text}]}
        return place.client.post(f"{at}/messages", json=body).json()["sequence"]

    def taken_back() -> str:
        last = place.get("s")["events"][-1]
        assert place.get("s", num_recent_events=1)["events"] == [last]
        (named,) = [
            one
            for one in place.get("s")["events"]
            if one["invocationId"] == last["actions"]["rewindBeforeInvocationId"]
        ]
        return named["content"]["parts"][0]["text"]

    ok(place.client.patch(f"{at}/state", json={"set": {"k": 1}}))
    kept = say("kept")
    say("gone")
    ok(place.client.patch(f"{at}/state", json={"set": {"k": 2, "more": 1}}))
    ok(place.client.post(f"{at}/rewind", json={"to": kept}))
    assert taken_back() == "gone"
    # Who has not seen it writes nothing.
    assert place.append("s", said("late", "e9"), known=kept + 1).status_code == 412
    assert place.get("s")["events"][-1]["actions"]["stateDelta"] == {"k": 1, "more": None}
    assert place.get("s")["state"] == {"k": 1}
    fork = place.client.post(f"{at}/fork", json={}).json()["session"]["id"]
    ok(place.client.post(f"/v1/sessions/{fork}/clear"))
    shown = place.get(fork)["events"]
    # What came before the fork is taken back too: the first of it is the patch.
    assert shown[-1]["actions"]["rewindBeforeInvocationId"] == shown[0]["invocationId"]


@pytest.mark.parametrize("query", ["num_recent_events", "after"])
@pytest.mark.parametrize("number", ["", "-1", "1_0", "x", "nan", "٣", "1e400"])
def test_a_number_of_events_or_a_time_that_is_none_is_refused(
    place: Place, query: str, number: str
):
    place.create(sessionId="s", events=[said("hi", "e1")])
    path = f"{place.path}/s"
    if (query, number) != ("after", "-1"):
        assert place.client.get(path, params={query: number}).status_code == 422
    most = {"num_recent_events": "9" * 30, "after": "-1"}
    assert len(ok(place.client.get(path, params={query: most[query]}))["events"]) == 1


@pytest.mark.parametrize(
    "name", ["a b", "50%", "a.b", "a..b", "é", "a?b#c", "s1:cancel", "x" * 200]
)
def test_names_of_all_kinds_can_be_addressed(place: Place, name: str):
    assert place.create(sessionId=name)["id"] == name
    assert ok(place.client.get(f"{place.path}/{quoted(name)}"))["id"] == name
    of_user = f"/apps/{place.app}/users/{quoted(name)}/sessions"
    assert ok(place.client.post(of_user, json={}))["userId"] == name


@pytest.mark.parametrize("name", ["a/b", ".", "..", "x" * 300, "a\u0001b", "a\u0000"])
def test_a_name_that_no_path_can_have_is_refused(place: Place, name: str):
    refused = place.client.post(place.path, json={"sessionId": name})
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("The session id ")
    for app, user in ((place.app, quoted(name)), (quoted(name), place.user)):
        if name != "a/b":
            refused = place.client.post(f"/apps/{app}/users/{user}/sessions", json={})
            assert refused.status_code == 422, refused.text


@pytest.mark.parametrize("name", ["a%00b", "%00", "x" * 300, "%252e", "%F0%9F%98%80"])
def test_what_no_name_can_be_is_not_there(place: Place, name: str):
    place.create(sessionId="s")
    for path in (f"/apps/{name}/sessions", f"/apps/{name}/users/u/sessions"):
        assert ok(place.client.get(path)) == []
    assert ok(place.client.get(f"/apps/{place.app}/users/{name}/sessions")) == []
    for path in (f"{place.path}/{name}", f"{place.path}/s/artifacts/{name}"):
        assert place.client.get(path).status_code == 404
        assert place.client.delete(path).status_code in (200, 404)


def test_conditions_are_heeded_where_a_session_changes_and_refused_elsewhere(place: Place):
    begun = place.client.post(place.path, json={"sessionId": "s"}, headers={"If-Match": '"1"'})
    assert begun.status_code == 400
    tag = place.client.post(place.path, json={"sessionId": "s"}).headers["etag"]
    patch = {"stateDelta": {"a": 1}}
    first = place.client.patch(f"{place.path}/s", json=patch, headers={"If-Match": tag})
    assert first.status_code == 200
    patch = {"stateDelta": {"a": 2}}
    stale = place.client.patch(f"{place.path}/s", json=patch, headers={"If-Match": tag})
    assert (stale.status_code, stale.headers["etag"]) == (412, first.headers["etag"])


@pytest.mark.parametrize("name", ["s", None])
def test_a_session_begins_once_however_often_it_is_asked_for_with_a_key(
    place: Place, name: str | None
):
    def begin(key: str, **body: Any) -> httpx.Response:
        asked = {"sessionId": name, **body}
        return place.client.post(place.path, json=asked, headers={"Idempotency-Key": key})

    key = uuid4().hex
    first = begin(key, state={"a": 1})
    assert first.status_code == 200
    assert begin(key, state={"a": 1}).json() == first.json()
    assert begin(key, state={"a": 2}).status_code == 409
    if name is not None:
        assert begin(uuid4().hex, state={"a": 1}).status_code == 409
    assert [one["id"] for one in ok(place.client.get(place.path))] == [first.json()["id"]]


def test_an_event_of_a_session_that_is_deleted_is_another_one_in_the_next_of_its_name(
    place: Place,
):
    place.create(sessionId="s")
    at, event = f"{place.path}/s", {"event": said("x", "e1")}
    assert "idempotent-replayed" not in place.client.post(f"{at}/events", json=event).headers
    again = place.client.post(f"{at}/events", json=event)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    ok(place.client.delete(at))
    assert place.client.post(f"{at}/events", json=event).status_code == 404
    place.create(sessionId="s")
    assert "idempotent-replayed" not in place.client.post(f"{at}/events", json=event).headers
    assert [one["id"] for one in place.get("s")["events"]] == ["e1"]


def test_a_run_heeds_no_condition_and_refuses_it(place: Place):
    tag = place.client.post(place.path, json={"sessionId": "s"}).headers["etag"]
    run = {"appName": place.app, "userId": place.user, "sessionId": "s", "newMessage": None}
    for path in ("/run", "/run_sse"):
        for condition in ({"If-Match": tag}, {"Idempotency-Key": "k"}):
            assert place.client.post(path, json=run, headers=condition).status_code == 400
    assert place.get("s")["events"] == []


def test_options_are_answered_everywhere_and_change_nothing(place: Place):
    place.create(sessionId="s", state={"a": 1})
    before = place.get("s")
    values = {"app": place.app, "user": place.user, "name": "s"}
    for path in {route.path for route in ROUTES}:
        at = re.sub(r"{(\w+):\w+}", lambda found: values.get(found[1], "x"), path)
        answer = place.client.options(at)
        assert (answer.status_code, answer.content) == (204, b""), at
        methods = {route.method for route in ROUTES if route.path == path}
        assert methods | {"OPTIONS"} <= set(answer.headers["allow"].split(", ")), at
    assert place.get("s") == before


def test_one_path_takes_the_body_of_both_dialects(place: Place):
    def begin(name: str, body: Any) -> Json:
        path = f"/api{place.path}/{name}"
        return ok(place.client.post(path, json=body))

    # All of it is the state, as google-adk for Python has it.
    assert begin("a", {"k": 1, "state": {}})["state"] == {"k": 1, "state": {}}
    assert begin("b", {"state": "solid"})["state"] == {"state": "solid"}
    # What a session begins with, as google-adk for Go has it: its events have no time of their own.
    without_time = {**said("hi", "e1"), "routes": ["r"]}
    whole = begin("c", {"state": {"k": 1}, "events": [without_time]})
    assert (whole["state"], [one["id"] for one in whole["events"]]) == ({"k": 1}, ["e1"])
    assert whole["lastUpdateTime"] == whole["events"][0]["timestamp"] > 1.7e9


def test_null_is_taken_for_empty_and_never_answered(place: Place):
    actions = {"stateDelta": None, "artifactDelta": None}
    events = [said("a", "e1", actions=None), said("b", "e2", actions=actions)]
    shown = place.create(sessionId="s", state=None, events=events)
    empty = {
        "stateDelta": {},
        "artifactDelta": {},
        "requestedAuthConfigs": {},
        "requestedToolConfirmations": {},
    }
    assert [one["actions"] for one in shown["events"]] == [empty, empty]
    assert place.create(sessionId="none", state=None, events=None)["events"] == []
    assert "null" not in place.client.get(place.path).text


def test_refusals_repeat_nothing_of_what_was_sent(place: Place):
    body = {"state": {}, "events": [{"author": {"apiKey": "hush"}}]}
    refused = place.client.post(place.path, json=body)
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "events", 0, "author"]
    assert "hush" not in refused.text


def test_a_door_that_is_not_opened_is_not_there(api: Any):
    assert api.get("/apps/a/users/u/sessions").status_code == 404
    assert api.get("/list-apps").status_code == 404


def test_the_door_has_a_document_of_its_own(adk: httpx.Client):
    document = ok(adk.get("/apps/openapi.json"))
    validate(document)
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    there = {(one.method, re.sub(r":\w+}", "}", one.path)) for one in ROUTES}
    assert described == there
    assert "/run_sse" not in ok(adk.get("/schema/openapi.json"))["paths"]
