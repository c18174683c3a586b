"""Runs through the docker-agent door, driven by whoever follows the log, or by nobody."""

import json
import threading
from typing import Any

import httpx
import pytest

from tests.docker_agent.documented import faults_of
from tests.docker_agent.driving import Turn, driven
from tests.docker_agent.remote_client import RemoteClient, RemoteError
from tests.docker_agent.test_sessions import begin, message_of, ok

Json = dict[str, Any]
HI = [{"role": "user", "content": "hi"}]
ASKED = ["user_message", "stream_started"]


def frames(answer: httpx.Response) -> list[Json]:
    assert answer.status_code == 200, answer.text
    found = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")]
    assert [fault for event in found for fault in faults_of(event)] == []
    return found


def kinds(events: list[Json]) -> list[str]:
    return [event["type"] for event in events]


def newest(client: httpx.Client, session: str, kind: str) -> Json:
    page = ok(client.get(f"/v1/sessions/{session}/events", params={"types": kind, "last": 1}))
    event: Json = page["events"][0]
    return event


def test_a_run_tells_what_its_driver_records_until_the_turn_ends(agent: httpx.Client):
    base = str(agent.base_url)
    session = begin(agent, title="t")

    def work(turn: Turn) -> None:
        assert turn.begun["meta"] == {"docker-agent.run": {"agent": "a", "agent_name": "sub"}}
        turn.write("hel", "m1")
        turn.say("hello", "m1")
        turn.record("tool.called", tool_call_id="c", name="ls", input={"path": "/"})
        turn.record("tool.returned", tool_call_id="c", output="x")
        turn.record("usage.reported", input_tokens=3, output_tokens=4)
        turn.complete()

    messages = [{"role": "system", "content": "one"}, {"role": "user", "content": "two"}]
    with driven(base, session, work):
        body = {"messages": messages, "model": "openai/gpt-5"}
        found = frames(agent.post(f"/api/sessions/{session}/agent/a/sub", json=body))
    assert kinds(found)[:3] == ["session_title", *ASKED]
    assert kinds(found)[-6:] == [
        "message_added", "tool_call", "tool_call_response", "message_added", "token_usage",
        "stream_stopped",
    ]  # fmt: skip
    assert found[1]["message"] == "one\ntwo"
    # In pieces or whole, once.
    assert "".join(one["content"] for one in found if one["type"] == "agent_choice") == "hello"
    begun = newest(agent, session, "turn.started")["data"]
    assert begun["model"] == {"model": "gpt-5", "provider": "openai"}
    models = ok(agent.get(f"/v1/sessions/{session}"))["session"]["models"]
    assert models == {"sub": {"model": "gpt-5", "provider": "openai", "reasoning_effort": None}}


def test_a_session_runs_one_turn_at_a_time_and_refuses_without_a_trace(agent: httpx.Client):
    session = begin(agent)
    ok(agent.post(f"/v1/sessions/{session}/turns", json={"turn_id": "t", "input": {"parts": [
        {"type": "text", "text": "hi"}]}}), 201)  # fmt: skip
    head = ok(agent.get(f"/api/sessions/{session}/snapshot"))["last_event_seq"]
    body = {"messages": HI, "model": "openai/gpt-5"}
    busy = agent.post(f"/api/sessions/{session}/agent/a", json=body)
    assert (busy.status_code, message_of(busy)[:12]) == (409, "Another turn")
    assert ok(agent.get(f"/api/sessions/{session}/snapshot"))["last_event_seq"] == head


def test_what_has_waited_has_its_turn_before_a_run_and_is_no_part_of_it(agent: httpx.Client):
    session = begin(agent)
    waits = {"messages": [{"content": "first"}]}
    ok(agent.post(f"/api/sessions/{session}/followup", json=waits), 202)

    def work(turn: Turn) -> None:
        turn.say(turn.begun["parts"][0]["text"])
        turn.complete()

    with driven(str(agent.base_url), session, work, turns=2):
        found = frames(agent.post(f"/api/sessions/{session}/agent/a", json={"messages": HI}))
    assert kinds(found) == [*ASKED, "agent_choice", "message_added", "stream_stopped"]
    assert [one["content"] for one in found if one["type"] == "agent_choice"] == ["hi"]
    messages = ok(agent.get(f"/api/sessions/{session}"))["messages"]
    assert [one["message"]["content"] for one in messages] == ["first", "first", "hi", "hi"]


def test_a_run_again_with_its_key_is_the_same_run(agent: httpx.Client):
    session, key = begin(agent), {"Idempotency-Key": "k"}

    def work(turn: Turn) -> None:
        turn.say("once")
        turn.complete()

    path = f"/api/sessions/{session}/agent/a"
    with driven(str(agent.base_url), session, work):
        first = agent.post(path, json={"messages": HI}, headers=key)
    again = agent.post(path, json={"messages": HI}, headers=key)
    assert again.text.replace(": ping\n\n", "") == first.text.replace(": ping\n\n", "")
    assert kinds(frames(again))[-1] == "stream_stopped"
    other = agent.post(path, json={"messages": [*HI, *HI]}, headers=key)
    assert other.status_code == 409


def test_a_session_that_is_deleted_ends_its_run(agent: httpx.Client):
    session = begin(agent)

    def work(turn: Turn) -> None:
        ok(turn.client.delete(f"/api/sessions/{session}"))

    with driven(str(agent.base_url), session, work):
        *_, last = frames(agent.post(f"/api/sessions/{session}/agent/a", json={"messages": HI}))
    assert (last["type"], last["reason"]) == ("stream_stopped", "canceled")


def test_a_run_in_a_session_that_was_stopped_resumes_it(agent: httpx.Client):
    session = begin(agent)
    ok(agent.post(f"/v1/sessions/{session}/stop", json={"cause": "completed"}))

    def work(turn: Turn) -> None:
        turn.complete()

    with driven(str(agent.base_url), session, work):
        found = frames(agent.post(f"/api/sessions/{session}/agent/a", json={"messages": HI}))
    assert kinds(found) == [*ASKED, "stream_stopped"]


def test_a_run_that_fails_or_is_cancelled_says_so(agent: httpx.Client):
    session = begin(agent)

    def fail(turn: Turn) -> None:
        ok(turn.client.post(f"{turn.at}/fail", json={"kind": "rate_limited", "summary": "slow"}))

    def cancel(turn: Turn) -> None:
        ok(turn.client.post(f"{turn.at}/cancel", json={}))

    path = f"/api/sessions/{session}/agent/a"
    with driven(str(agent.base_url), session, fail):
        *_, error, last = frames(agent.post(path, json={"messages": HI}))
    assert (error["error"], error["code"], last["reason"]) == ("slow", "rate_limited", "error")
    head = ok(agent.get(f"/api/sessions/{session}/snapshot"))["last_event_seq"]
    with driven(str(agent.base_url), session, cancel, since=head):
        *_, last = frames(agent.post(path, json={"messages": HI}))
    assert (last["type"], last["reason"]) == ("stream_stopped", "canceled")


def test_a_client_that_leaves_ends_nothing_and_can_go_on_from_the_events(agent: httpx.Client):
    session = begin(agent)
    left = threading.Event()

    def work(turn: Turn) -> None:
        turn.say("one")
        assert left.wait(60)
        turn.say("two")
        turn.complete()

    at = f"/api/sessions/{session}"
    with driven(str(agent.base_url), session, work):
        with agent.stream("POST", f"{at}/agent/a", json={"messages": HI}) as stream:
            lines = stream.iter_lines()
            cursor = next(line for line in lines if line.startswith("id: "))[4:]
        left.set()
        with agent.stream("GET", f"{at}/events", headers={"Last-Event-ID": cursor}) as stream:
            said = []
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    said.append(json.loads(line[6:]))
                    if said[-1]["type"] == "stream_stopped":
                        break
    assert [one["content"] for one in said if one["type"] == "agent_choice"] == ["one", "two"]
    assert ok(agent.get(f"{at}/status"))["streaming"] is False


def test_a_run_that_nobody_drives_is_refused_and_leaves_nothing_open(lonely: httpx.Client):
    session = begin(lonely)
    for _ in range(2):
        refused = lonely.post(f"/api/sessions/{session}/agent/a", json={"messages": HI})
        assert (refused.status_code, message_of(refused)[:16]) == (503, "nobody runs the ")
    assert ok(lonely.get(f"/api/sessions/{session}/status"))["streaming"] is False
    assert newest(lonely, session, "turn.failed")["data"]["failure"]["kind"] == "no_driver"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (None, 400),
        ({"messages": [{"role": 5, "content": "x"}]}, 400),
        ({"messages": "hi"}, 400),
        ({"messages": HI, "model": "openai/"}, 400),
        ([], 400),
    ],
)
def test_a_run_that_makes_no_sense_begins_nothing(agent: httpx.Client, body: Any, status: int):
    session = begin(agent)
    for end in ("/agent/a", "/agent/a/sub"):
        refused = agent.post(f"/api/sessions/{session}{end}", json=body)
        assert refused.status_code == status
        assert message_of(refused)
    for name in ("x" * 201, "%0A", "%20"):
        for end in (f"/agent/{name}", f"/agent/a/{name}"):
            body = {"messages": HI, "model": "openai/gpt-5"}
            refused = agent.post(f"/api/sessions/{session}{end}", json=body)
            assert refused.status_code == 400
    no_json = agent.post(f"/api/sessions/{session}/agent/a", content=b"{", headers={
        "Content-Type": "application/json"})  # fmt: skip
    assert no_json.status_code == 400
    assert ok(agent.get(f"/api/sessions/{session}/snapshot"))["last_event_seq"] == 1


# ── the eight methods ────────────────────────────────────────────────────────────────────────


def test_a_client_of_docker_agent_works_from_one_end_to_the_other(agent: httpx.Client):
    base = str(agent.base_url)
    client = RemoteClient(base)
    reported = {"demo": {"description": "d", "multi": True, "config": {"agents": ["root"]},
                         "tools": {"root": 3}}}  # fmt: skip
    state = {"set": {"app:docker-agent.agents": reported}}
    ok(agent.patch("/v1/apps/docker-agent/state", json=state))
    try:
        assert client.get_agent("demo") == {"agents": ["root"]}
        assert client.get_agent_tool_count("demo", "root") == 3
        with pytest.raises(RemoteError, match="404: agent not found"):
            client.get_agent("other")
        session = client.create_session({"title": "", "working_dir": "/w"})["id"]
        client.update_session_title(session, "named")
        with pytest.raises(RemoteError, match="404: agent not found"):
            next(client.run_agent(session, "other", HI))
        _ask_and_answer(base, client, session)
    finally:
        gone = {"set": {}, "delete": ["app:docker-agent.agents"]}
        ok(agent.patch("/v1/apps/docker-agent/state", json=gone))
    shown = ok(agent.get(f"/api/sessions/{session}"))
    assert (shown["title"], len(shown["messages"])) == ("named", 6)


def _ask_and_answer(base: str, client: RemoteClient, session: str) -> None:
    def work(turn: Turn) -> None:
        turn.record("tool.called", tool_call_id="c", name="rm", input={"path": "/x"})
        options = [
            {"option_id": "yes", "name": "Yes", "kind": "allow_once"},
            {"option_id": "no", "name": "No", "kind": "reject_once"},
        ]
        asked = {"turn_id": turn.begun["turn_id"], "tool_call_id": "c", "tool": "rm"}
        at = f"/v1/sessions/{session}/interactions"
        permission = {"kind": "permission", "options": options, **asked}
        ok(turn.client.post(at, json=permission), 201)
        assert turn.hears("permission.decided")["decision"] == "allow_once"
        turn.record("tool.returned", tool_call_id="c", output="gone")
        form = {"type": "object", "properties": {"name": {"type": "string"}}}
        question = {"kind": "elicitation", "message": "who?", "schema": form}
        ok(turn.client.post(at, json=question), 201)
        assert turn.hears("elicitation.answered")["content"] == {"name": "ada"}
        turn.say("done")
        turn.complete()

    with driven(base, session, work):
        seen: list[Json] = []
        for event in client.run_agent_with_agent_name(session, "demo", "root", HI):
            seen.append(event)
            if event["type"] == "tool_call_confirmation":
                assert event["tool_call"]["function"]["arguments"] == '{"path":"/x"}'
                client.resume_session(session, "approve")
            if event["type"] == "elicitation_request":
                client.resume_elicitation(session, "accept", {"name": "ada"})
    assert kinds(seen) == [
        "session_title", *ASKED, "tool_call", "tool_call_confirmation", "authorization_event",
        "tool_call_response", "message_added", "elicitation_request", "authorization_event",
        "agent_choice", "message_added", "stream_stopped",
    ]  # fmt: skip
    head = RemoteClient(base)._ask("GET", f"/api/sessions/{session}/snapshot")["last_event_seq"]

    def answer(turn: Turn) -> None:
        turn.say("again")
        turn.complete()

    with driven(base, session, answer, since=head):
        assert kinds([*client.run_agent(session, "demo", HI)])[-1] == "stream_stopped"
    with pytest.raises(RemoteError, match="409: no tool call waits"):
        client.resume_session(session, "approve")
    with pytest.raises(RemoteError, match="409: no elicitation request in progress"):
        client.resume_elicitation(session, "decline", None)
