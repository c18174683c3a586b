"""What is said about a session and in it, queues, people's decisions, and many sessions at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.docker_agent.test_sessions import begin, message_of, ok
from tests.support.server import running as serving

Json = dict[str, Any]
HI = {"parts": [{"type": "text", "text": "hi"}]}
ONE = {"messages": [{"role": "user", "content": "one"}]}
TWO = {"messages": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]}
OPTIONS = [
    {"option_id": "yes", "name": "Yes", "kind": "allow_once"},
    {"option_id": "no", "name": "No", "kind": "reject_once"},
]

EVERY_WRITE = [
    ("POST", "/agent/a", ONE),
    ("POST", "/agent/a/b", ONE),
    ("POST", "/resume", {"confirmation": "approve"}),
    ("POST", "/elicitation", {"action": "decline"}),
    ("POST", "/tools/toggle", None),
    ("POST", "/steer", ONE),
    ("POST", "/followup", ONE),
    ("GET", "/queue", None),
    ("GET", "/models", None),
    ("POST", "/messages", {"message": {"message": {"role": "user", "content": "x"}}}),
    ("PATCH", "/messages/m", {"message": {"message": {"role": "user", "content": "x"}}}),
    ("POST", "/summaries", {"summary": "s", "tokens": 1}),
    ("PATCH", "/title", {"title": "t"}),
    ("PATCH", "/permissions", {"permissions": None}),
    ("PATCH", "/tokens", {"input_tokens": 1}),
    ("PATCH", "/starred", {"starred": True}),
]


def running(client: httpx.Client, turn_id: str = "t", **template: Any) -> str:
    """Return a session in which a turn runs."""
    session = begin(client, **template)
    body = {"turn_id": turn_id, "input": HI}
    ok(client.post(f"/v1/sessions/{session}/turns", json=body), 201)
    return session


def said(client: httpx.Client, session: str) -> list[Json]:
    messages: list[Json] = ok(client.get(f"/api/sessions/{session}"))["messages"] or []
    return messages


@pytest.mark.parametrize(("method", "end", "body"), EVERY_WRITE)
def test_what_is_asked_of_a_session_that_is_not_there_is_404(
    agent: httpx.Client, method: str, end: str, body: Any
):
    gone = begin(agent)
    ok(agent.delete(f"/api/sessions/{gone}"))
    for session in (gone, str(uuid4()), "none"):
        missing = agent.request(method, f"/api/sessions/{session}{end}", json=body)
        assert (missing.status_code, message_of(missing)) == (404, "session not found")


def test_title_star_tokens_and_tool_approval_are_seen_where_they_are_read(agent: httpx.Client):
    session = begin(agent)
    at = f"/api/sessions/{session}"
    titled = ok(agent.patch(f"{at}/title", json={"title": "t"}))
    assert titled == {"id": session, "title": "t"}
    assert ok(agent.patch(f"{at}/starred", json={"starred": True})) == {"status": "updated"}
    counted = {"input_tokens": 5, "output_tokens": 6, "cost": 0.25}
    assert ok(agent.patch(f"{at}/tokens", json=counted)) == {"status": "updated"}
    assert ok(agent.post(f"{at}/tools/toggle")) == {"tools_approved": True}
    shown = ok(agent.get(at))
    assert {name: shown[name] for name in counted} == counted
    assert (shown["title"], shown["starred"], shown["tools_approved"]) == ("t", True, True)
    row = next(one for one in ok(agent.get("/api/sessions")) if one["id"] == session)
    assert (row["starred"], row["cost"], row["input_tokens"]) == (True, 0.25, 5)
    ok(agent.patch(f"{at}/title", json={"title": ""}))
    ok(agent.patch(f"{at}/starred", json={"starred": False}))
    assert ok(agent.post(f"{at}/tools/toggle")) == {"tools_approved": False}
    shown = ok(agent.get(at))
    assert (shown["title"], shown["starred"], shown["tools_approved"]) == ("", False, False)


def test_toggles_at_once_are_all_counted(agent: httpx.Client):
    session = begin(agent)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: agent.post(f"/api/sessions/{session}/tools/toggle"),
                                range(8)))  # fmt: skip
    values = sorted(ok(answer)["tools_approved"] for answer in answers)
    assert values == [False] * 4 + [True] * 4


@pytest.mark.parametrize(
    ("end", "body"),
    [
        ("/title", {"title": "x" * 501}),
        ("/title", {}),
        ("/tokens", {"input_tokens": -1}),
        ("/tokens", {"cost": "much"}),
        ("/starred", {"starred": "perhaps"}),
        ("/permissions", {"permissions": {"deny": ["a["]}}),
    ],
)
def test_what_cannot_be_is_refused(agent: httpx.Client, end: str, body: Any):
    session = begin(agent)
    refused = agent.patch(f"/api/sessions/{session}{end}", json=body)
    assert (refused.status_code, bool(message_of(refused))) == (400, True)


USER = {"role": "user", "content": "x"}
TYPED: list[tuple[str, str, Json, str, set[str]]] = [
    ("POST", "", {}, "title", {"text"}),
    ("POST", "", {}, "max_iterations", {"whole"}),
    ("POST", "", {}, "tools_approved", {"flag"}),
    ("POST", "", {}, "permissions", {"object"}),
    ("POST", "", {}, "custom_models_used", {"array"}),
    ("POST", "", {}, "agent_model_overrides", {"object"}),
    ("PATCH", "/tokens", {}, "input_tokens", {"whole"}),
    ("PATCH", "/tokens", {}, "cost", {"whole", "number"}),
    ("PATCH", "/starred", {}, "starred", {"flag"}),
    ("POST", "/summaries", {"summary": "s"}, "tokens", {"whole"}),
    ("POST", "/messages", {"message": {"message": USER}}, "message.implicit", {"flag"}),
    *(
        ("POST", "/messages", {"message": {"message": USER}}, f"message.message.{name}", kinds)
        for name, kinds in (
            ("content", {"text"}),
            ("is_error", {"flag"}),
            ("model", {"text"}),
            ("cost", {"whole", "number"}),
            ("usage", {"object"}),
            ("cache_control", {"flag"}),
            ("finish_reason", {"text"}),
            ("function_call", {"object"}),
            ("tool_definitions", {"array"}),
        )
    ),
    ("POST", "/followup", {"messages": [{}]}, "messages.0.content", {"text"}),
    ("POST", "/followup", {"messages": [{}]}, "messages.0.role", {"text"}),
    ("POST", "/steer", {"messages": [{}]}, "messages.0.multi_content", {"array"}),
    ("POST", "/resume", {"confirmation": "approve"}, "reason", {"text"}),
    ("POST", "/elicitation", {"action": "accept"}, "content", {"object"}),
]
VALUES: dict[str, list[Any]] = {
    "text": ["5", "true", "x"], "whole": [0], "number": [0.5], "flag": [True], "array": [[]],
    "object": [{}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "end", "body", "field", "kinds"), TYPED, ids=[f"{one[1]} {one[3]}" for one in TYPED]
)
def test_a_value_of_another_type_is_refused_and_null_is_as_none(
    agent: httpx.Client, method: str, end: str, body: Json, field: str, kinds: set[str]
):
    at = f"/api/sessions/{begin(agent)}{end}" if end else "/api/sessions"
    *way, last = field.split(".")

    def answer(value: Any) -> int:
        sent: Any = json.loads(json.dumps(body))
        inner = sent
        for step in way:
            inner = inner[int(step) if step.isdigit() else step]
        inner[last] = value
        return agent.request(method, at, json=sent).status_code

    wrong = [one for kind, values in VALUES.items() if kind not in kinds for one in values]
    assert {str(value): answer(value) for value in wrong} == {str(value): 400 for value in wrong}
    # Where a right one is refused, there is another reason: nothing waits, or it must be said.
    assert answer(None) in ((400,) if last == "starred" else (200, 201, 202, 409))


def test_a_body_that_does_not_say_that_it_is_json_is_refused(agent: httpx.Client):
    session = begin(agent)
    for headers in ({"Content-Type": "text/plain"}, {}):
        refused = agent.patch(
            f"/api/sessions/{session}/title", content=b'{"title":"t"}', headers=headers
        )
        assert refused.status_code == 400
    large = b'{"title":"%s"}' % (b"x" * (5 * 1024 * 1024))
    headers = {"Content-Type": "application/json"}
    too_large = agent.patch(f"/api/sessions/{session}/title", content=large, headers=headers)
    assert (too_large.status_code, message_of(too_large)[:8]) == (413, "the body")


def test_messages_of_every_role_are_added_changed_and_read_back(agent: httpx.Client):
    session = begin(agent)
    at = f"/api/sessions/{session}/messages"
    url = "data:image/png;base64,aGk="
    function = {"name": "ls", "arguments": '{"path":"/"}'}
    given = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "", "multi_content": [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
            {"type": "file", "file": {"path": "/a.pdf", "file_id": "", "mime_type": "x/y"}},
            {"type": "document", "document": {"name": "d", "mime_type": "a/b", "source": {}}},
        ]},
        {"role": "assistant", "content": "so", "reasoning_content": "hm",
         "tool_calls": [{"id": "c", "type": "function", "function": function}]},
        {"role": "tool", "content": "x", "tool_call_id": "c", "is_error": True},
    ]  # fmt: skip
    added = [
        ok(agent.post(at, json={"message": {"agentName": "root", "message": one}}), 201)
        for one in given
    ]
    assert [one["sequence"] for one in added] == [2, 3, 4, 5]
    shown = said(agent, session)
    assert [one["id"] for one in shown] == [one["id"] for one in added]
    bare = [{k: v for k, v in one["message"].items() if k != "created_at"} for one in shown]
    given[1]["content"] = "look"
    assert bare == given
    update = {"message": {"message": {"role": "user", "content": "changed"}}}
    assert ok(agent.patch(f"{at}/{added[1]['id']}", json=update)) == {"status": "updated"}
    assert said(agent, session)[1]["message"]["content"] == "changed"
    other = begin(agent)
    elsewhere = agent.patch(f"/api/sessions/{other}/messages/{added[1]['id']}", json=update)
    assert elsewhere.status_code == 404


def test_a_message_comes_back_with_all_that_docker_agent_has_in_it(agent: httpx.Client):
    session = begin(agent)
    used = {"input_tokens": 1, "output_tokens": 2, "cached_input_tokens": 3}
    given = {
        "role": "assistant", "content": "so", "reasoning_content": "hm",
        "thinking_signature": "c2ln", "thought_signature": "c2ln", "usage": used, "model": "a/b",
        "cost": 0.5, "finish_reason": "stop", "cache_control": True,
        "function_call": {"name": "f", "arguments": "{}"}, "tool_definitions": [{"name": "ls"}],
    }  # fmt: skip
    body = {"message": {"agentName": "root", "implicit": True, "message": given}}
    ok(agent.post(f"/api/sessions/{session}/messages", json=body), 201)
    (shown,) = said(agent, session)
    assert shown["message"].pop("created_at")
    assert (shown["message"], shown["agentName"], shown["implicit"]) == (given, "root", True)


def test_a_message_that_is_changed_keeps_what_makes_it_what_it_is(agent: httpx.Client):
    session = begin(agent)
    at = f"/api/sessions/{session}/messages"
    call = {"id": "c", "type": "function", "function": {"name": "ls", "arguments": "{}"}}

    def change(message_id: str, status: int = 200, **message: Any) -> None:
        answer = agent.patch(f"{at}/{message_id}", json={"message": {"message": message}})
        assert answer.status_code == status, answer.text

    def bare() -> list[Json]:
        return [{k: v for k, v in one["message"].items() if k != "created_at"}
                for one in said(agent, session)]  # fmt: skip

    answered = {"role": "assistant", "content": "so", "tool_calls": [call]}
    result = {"role": "tool", "content": "x", "tool_call_id": "c", "is_error": True}
    ids = [
        ok(agent.post(at, json={"message": {"message": one}}), 201)["id"]
        for one in (answered, result)
    ]
    change(ids[0], **answered | {"content": "well", "reasoning_content": "hm"})
    change(ids[1], **result | {"content": "y", "is_error": False})
    assert bare() == [
        answered | {"content": "well", "reasoning_content": "hm"},
        {"role": "tool", "content": "y", "tool_call_id": "c"},
    ]
    change(ids[1], 400, role="assistant", content="z")
    change(ids[1], 400, role="tool", content="z", tool_call_id="other")
    change("nothing", 404, role="user", content="z")
    change(ids[1], content="z")
    assert bare()[1]["content"] == "z"


def test_what_an_agent_did_in_its_turn_stays_when_its_words_are_changed(agent: httpx.Client):
    session = running(agent)
    done = [
        {"type": "agent.thought", "data": {"parts": [{"type": "reasoning", "text": "hm"}]}},
        {"type": "agent.message", "data": {"message_id": "m", "parts": [
            {"type": "text", "text": "so"}]}},
        {"type": "tool.called", "data": {"tool_call_id": "c", "name": "ls"}},
        {"type": "tool.returned", "data": {"tool_call_id": "c", "output": "two"}},
    ]  # fmt: skip
    ok(agent.post(f"/v1/sessions/{session}/turns/t/events", json={"events": done}))
    before = said(agent, session)
    ids = [one["id"] for one in before[1:]]
    assert ids == ["m", "c"]
    for message_id, shown in zip(ids, before[1:], strict=True):
        body = {"message": {**shown, "message": {**shown["message"], "content": "other"}}}
        ok(agent.patch(f"/api/sessions/{session}/messages/{message_id}", json=body))
    for one in before[1:]:
        one["message"]["content"] = "other"
    assert said(agent, session) == before


def test_each_result_of_a_tool_is_a_message(agent: httpx.Client):
    session = begin(agent)
    at = f"/v1/sessions/{session}/messages"
    results = [{"type": "tool_result", "tool_call_id": name, "output": name} for name in "ab"]
    for role, parts in (
        ("tool", results),
        ("user", [{"type": "text", "text": "see"}, results[0]]),
        ("agent", [{"type": "text", "text": "I see"}, results[1]]),
        ("agent", results[:1]),
    ):
        ok(agent.post(at, json={"role": role, "parts": parts}), 201)
    told = [(one["message"]["role"], one["message"]["content"], one["message"].get("tool_call_id"))
            for one in said(agent, session)]  # fmt: skip
    assert told == [
        ("tool", "a", "a"), ("tool", "b", "b"), ("user", "see", None), ("tool", "a", "a"),
        ("assistant", "I see", None), ("tool", "b", "b"), ("tool", "a", "a"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "content": "x"},
        {"role": "assistant", "tool_calls": [{"id": "", "function": {"name": "ls"}}]},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "x" * 201}}]},
        {"role": "user", "multi_content": [{"type": "image_url", "image_url": {"url": " "}}]},
        {"role": "user", "multi_content": [
            {"type": "image_url", "image_url": {"url": "data:x/y;base64,?"}}]},
        {"role": "user", "content": 1},
        {"role": "nobody", "content": "x"},
        "hello",
        None,
    ],
)  # fmt: skip
def test_a_message_that_makes_no_sense_is_refused(agent: httpx.Client, message: Any):
    session = begin(agent)
    for body in ({"message": {"message": message}}, {"message": message}):
        refused = agent.post(f"/api/sessions/{session}/messages", json=body)
        assert (refused.status_code, bool(message_of(refused))) == (400, True), body
    assert said(agent, session) == []


def test_a_summary_names_the_first_message_that_it_does_not_cover(agent: httpx.Client):
    session = begin(agent)
    at = f"/api/sessions/{session}"
    added = [
        ok(agent.post(f"{at}/messages", json={"message": {"message": {"content": text}}}), 201)
        for text in ("a", "b", "c")
    ]
    for place in ({"first_kept_entry": 2}, {"tokens": 1}, {}):
        ok(agent.post(f"{at}/summaries", json={"summary": "s", **place}), 201)
    events = ok(agent.get(f"/v1/sessions/{session}/events?types=summary.added"))["events"]
    kept = [one["data"].get("first_kept") for one in events]
    assert kept == [added[2]["id"], added[1]["id"], None]
    for body in ({"summary": " "}, {"summary": "s", "tokens": 3}, {"summary": "s", "tokens": -1}):
        assert agent.post(f"{at}/summaries", json=body).status_code == 400
    beyond = agent.post(f"{at}/summaries", json={"summary": "s", "tokens": 3})
    assert message_of(beyond).endswith(
        "(in v1.81 tokens) is the index of the first message that is"
        " kept, from 0; there are 3 messages"
    )


# ── queues ───────────────────────────────────────────────────────────────────────────────────


def depths(client: httpx.Client, session: str) -> tuple[int, int]:
    queue = ok(client.get(f"/api/sessions/{session}/queue"))
    assert {one["capacity"] for one in queue.values()} == {100}
    return queue["steer"]["depth"], queue["followup"]["depth"]


def test_what_is_sent_to_a_working_agent_waits_in_its_queue(agent: httpx.Client):
    session = running(agent)
    at = f"/api/sessions/{session}"
    assert ok(agent.post(f"{at}/steer", json=TWO), 202) == {"status": "queued"}
    told = ok(agent.post(f"{at}/followup", json=TWO), 202)
    assert told == {"status": "queued_streaming", "duplicate": False}
    assert depths(agent, session) == (1, 2)
    ok(agent.post(f"/v1/sessions/{session}/turns/t/inputs", json={}))
    assert said(agent, session)[-1]["message"]["content"] == "one\ntwo"
    ok(agent.post(f"/v1/sessions/{session}/turns/t/complete", json={}))
    assert (said(agent, session)[-1]["message"]["content"], depths(agent, session)) == (
        "one",
        (0, 1),
    )


def test_what_is_sent_where_nobody_is_waits_and_where_somebody_is_begins(agent: httpx.Client):
    alone, held = begin(agent), begin(agent)
    ok(agent.post(f"/v1/sessions/{held}/attach", json={"holder": "r", "ttl_seconds": 60}), 201)
    for end, waits in (("followup", "queued_idle"), ("steer", "queued")):
        answer = ok(agent.post(f"/api/sessions/{alone}/{end}", json=ONE), 202)
        assert answer["status"] == waits
    assert (depths(agent, alone), said(agent, alone)) == ((0, 2), [])
    answer = ok(agent.post(f"/api/sessions/{held}/followup", json=ONE), 202)
    assert (answer["status"], depths(agent, held)) == ("queued_streaming", (0, 0))
    assert ok(agent.get(f"/api/sessions/{held}/status"))["streaming"] is True


def test_the_role_of_what_is_sent_to_an_agent_is_passed_over(agent: httpx.Client):
    session = running(agent)
    for role in ("robot", "", None, "assistant"):
        body = {"messages": [{"role": role, "content": "x"}]}
        for end in ("steer", "followup"):
            ok(agent.post(f"/api/sessions/{session}/{end}", json=body), 202)
    assert depths(agent, session) == (4, 4)


def test_a_full_queue_takes_nothing_of_what_does_not_fit(agent: httpx.Client):
    session = running(agent)
    many = {"messages": [{"content": str(number)} for number in range(99)]}
    ok(agent.post(f"/api/sessions/{session}/followup", json=many), 202)
    for end, body in (("followup", TWO), ("steer", ONE)):
        if end == "steer":
            ok(agent.post(f"/api/sessions/{session}/followup", json=ONE), 202)
        full = agent.post(f"/api/sessions/{session}/{end}", json=body)
        assert (full.status_code, full.headers["retry-after"]) == (429, "1")
        assert message_of(full)
    assert depths(agent, session) == (0, 100)
    for end in ("steer", "followup"):
        for body in ({"messages": []}, {}, {"messages": None}):
            assert agent.post(f"/api/sessions/{session}/{end}", json=body).status_code == 400


def test_a_follow_up_is_taken_once_however_often_it_is_sent(agent: httpx.Client):
    session = running(agent)
    path, key = f"/api/sessions/{session}/followup", {"Idempotency-Key": "k"}
    with ThreadPoolExecutor(4) as pool:
        answers = [ok(one, 202) for one in pool.map(
            lambda _: agent.post(path, json=ONE, headers=key), range(4))]  # fmt: skip
    first = {"status": "queued_streaming", "duplicate": False}
    again = {"status": "duplicate", "duplicate": True}
    assert sorted(answers, key=lambda one: one["duplicate"]) == [first, *[again] * 3]
    assert depths(agent, session) == (0, 1)
    other = agent.post(path, json=TWO, headers=key)
    assert (other.status_code, depths(agent, session)) == (409, (0, 1))


# ── people ───────────────────────────────────────────────────────────────────────────────────


def ask(client: httpx.Client, session: str, request_id: str, tool: str = "rm") -> None:
    body = {"request_id": request_id, "turn_id": "t", "options": OPTIONS, "tool": tool}
    ok(client.post(f"/v1/sessions/{session}/interactions", json=body), 201)


def decisions(client: httpx.Client, session: str) -> list[Json]:
    query = {"types": "permission.decided"}
    events = ok(client.get(f"/v1/sessions/{session}/events", params=query))["events"]
    return [one["data"] for one in events]


def test_a_confirmation_goes_as_far_as_it_says(agent: httpx.Client):
    session = running(agent)
    path = f"/api/sessions/{session}/resume"
    ask(agent, session, "p1")
    assert ok(agent.post(path, json={"confirmation": "approve"})) == {"message": "session resumed"}
    ask(agent, session, "p2")
    ok(agent.post(path, json={"confirmation": "reject", "reason": "no"}))
    ask(agent, session, "p3")
    ok(agent.post(path, json={"confirmation": "approve-tool"}))
    assert ok(agent.get(f"/api/sessions/{session}"))["permissions"] == {"allow": ["rm"]}
    ask(agent, session, "p4", "mv")
    ok(agent.post(path, json={"confirmation": "approve-session"}))
    assert ok(agent.get(f"/api/sessions/{session}"))["tools_approved"] is True
    said = [(one["option_id"], one.get("grant"), one.get("reason"))
            for one in decisions(agent, session)]  # fmt: skip
    assert said == [("yes", None, None), ("no", None, "no"), ("yes", "tool", None),
                    ("yes", "session", None)]  # fmt: skip


def test_a_confirmation_finds_its_question_or_is_refused(agent: httpx.Client):
    session = running(agent)
    path = f"/api/sessions/{session}/resume"
    nothing = agent.post(path, json={"confirmation": "approve"})
    assert (nothing.status_code, message_of(nothing)[:12]) == (409, "no tool call")
    for unknown in ("approve-balanced", "", "yes", None):
        assert agent.post(path, json={"confirmation": unknown}).status_code == 400
    for request_id, tool in (("p1", "rm"), ("p2", "mv"), ("p3", "cp")):
        ask(agent, session, request_id, tool)
    pending = ok(agent.get(f"/api/sessions/{session}/snapshot"))["pending"]
    assert [one["request_id"] for one in pending] == ["p1", "p2", "p3"]
    several = agent.post(path, json={"confirmation": "approve"})
    assert (several.status_code, "p1, p2, p3" in message_of(several)) == (409, True)
    ok(agent.post(path, json={"confirmation": "approve", "tool_name": "mv"}))
    ok(agent.post(path, json={"confirmation": "reject", "request_id": "p3"}))
    ok(agent.post(path, json={"confirmation": "approve"}))
    assert [one["request_id"] for one in decisions(agent, session)] == ["p2", "p3", "p1"]


def test_rules_decide_for_the_running_turn_at_once(agent: httpx.Client):
    session = running(agent)
    rules = {"permissions": {"deny": ["rm"], "allow": ["ls"], "ask": None}}
    told = ok(agent.patch(f"/api/sessions/{session}/permissions", json=rules))
    assert told == {"message": "session permissions updated"}
    ask(agent, session, "p1", "rm")
    ask(agent, session, "p2", "ls")
    assert [one["decision"] for one in decisions(agent, session)] == ["reject_once", "allow_once"]
    ok(agent.patch(f"/api/sessions/{session}/permissions", json={"permissions": None}))
    assert "permissions" not in ok(agent.get(f"/api/sessions/{session}"))


def test_an_elicitation_is_answered_by_its_id_or_alone(agent: httpx.Client):
    session = running(agent)
    path, at = f"/api/sessions/{session}/elicitation", f"/v1/sessions/{session}/interactions"
    for request_id in ("e1", "e2"):
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        body = {"kind": "elicitation", "request_id": request_id, "message": "?", "schema": schema}
        ok(agent.post(at, json=body), 201)
    assert agent.post(path, json={"action": "decline"}).status_code == 409
    wrong = {"action": "accept", "content": {"n": "x"}, "elicitation_id": "e1"}
    assert agent.post(path, json=wrong).status_code == 400
    assert agent.post(path, json={"action": "perhaps"}).status_code == 400
    right = {"action": "accept", "content": {"n": 1}, "elicitation_id": "e1"}
    assert ok(agent.post(path, json=right)) is None
    assert ok(agent.post(path, json={"action": "cancel", "content": {"n": 2}})) is None
    none = agent.post(path, json={"action": "decline"})
    assert (none.status_code, message_of(none)) == (409, "no elicitation request in progress")


# ── many, and what belongs to a runtime ──────────────────────────────────────────────────────


def test_rules_are_replaced_and_the_mode_that_docker_agent_does_not_know_stays(
    agent: httpx.Client,
):
    session = begin(agent)
    native = f"/v1/sessions/{session}/permissions"
    ok(agent.put(native, json={"deny": ["rm"], "mode": "deny-all"}))
    body = {"permissions": {"allow": ["ls"]}}
    ok(agent.patch(f"/api/sessions/{session}/permissions", json=body))
    rules = ok(agent.get(native))["permissions"]
    assert (rules["allow"], rules["deny"], rules["mode"]) == (["ls"], [], "deny-all")


def test_the_list_has_those_in_which_a_turn_runs_where_that_is_asked_for(agent: httpx.Client):
    quiet, busy = begin(agent), running(agent)
    listed = {one["id"] for one in ok(agent.get("/api/sessions", params={"active": "true"}))}
    assert (quiet in listed, busy in listed) == (False, True)


def test_a_hundred_sessions_are_exported_at_most(agent: httpx.Client):
    path = "/api/sessions/batch/export"
    refused = agent.post(path, json={"session_ids": [str(uuid4()) for _ in range(101)]})
    assert (refused.status_code, message_of(refused)[:11]) == (400, "session_ids")


def test_many_sessions_are_deleted_and_exported_each_by_itself(agent: httpx.Client):
    made, missing = [begin(agent, title=f"n{n}") for n in range(2)], str(uuid4())
    # An id is written in one way: without its dashes, as Python takes it too, it is none.
    bare = made[0].replace("-", "")
    wanted = [made[0], missing, made[1], made[0], made[0].upper(), "none", bare]
    exported = ok(agent.post("/api/sessions/batch/export", json={"session_ids": wanted}))
    assert exported.pop("timestamp")
    assert [one["title"] for one in exported.pop("sessions")] == ["n0", "n1"]
    assert exported == {
        "export_format": "json", "session_count": 2, "missing_ids": [missing, "none", bare],
    }  # fmt: skip
    deleted = ok(agent.post("/api/sessions/batch/delete", json={"session_ids": wanted}))
    assert deleted == {
        "deleted_count": 2, "failed_count": 3, "failed_ids": [missing, "none", bare],
    }  # fmt: skip
    for end in ("delete", "export"):
        for body in ({"session_ids": []}, {}, {"session_ids": ["x"] * 1001}):
            assert agent.post(f"/api/sessions/batch/{end}", json=body).status_code == 400


def test_what_belongs_to_a_runtime_is_empty_or_not_there(lonely: httpx.Client):
    assert ok(lonely.get("/api/agents")) == []
    for path in ("/api/agents/a", "/api/agents/a/b/tools/count"):
        assert lonely.get(path).status_code == 404
    path = "/api/mcp-oauth/callback"
    assert lonely.post(path, params={"state": "s", "code": "c"}).status_code == 404
    for query in ({}, {"state": "s"}, {"code": "c"}):
        assert lonely.post(path, params=query).status_code == 400


def test_a_server_that_nobody_has_driven_is_not_ready(database_url: str):
    with (
        serving(database_url, doors="docker-agent") as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        late = client.get("/api/ready", params={"timeout": "1ms"})
    assert (late.status_code, message_of(late)[:10]) == (503, "no runtime")


def test_models_have_one_that_answers_now(agent: httpx.Client):
    session = begin(agent, agent_model_overrides={"root": "openai/x"})
    path = f"/api/sessions/{session}/models"
    current = {"name": "openai/x", "ref": "openai/x", "provider": "openai", "model": "x",
               "is_current": True, "is_custom": True}  # fmt: skip
    expected = {"agent": "root", "current_model_ref": "openai/x", "models": [current]}
    assert ok(agent.get(path)) == expected
    fast = {"ref": "fast", "is_default": True, "details": {"input_cost": 1.5, "other": 1}}
    offered = {"models": [fast, {"ref": "openai/y", "name": "Y"}], "switching": "offered"}
    ok(agent.put(f"/v1/sessions/{session}/runtime", json=offered))
    known = [{"name": "fast", "ref": "fast", "is_default": True, "input_cost": 1.5},
             {"name": "Y", "ref": "openai/y"}]  # fmt: skip
    assert ok(agent.get(path))["models"] == [*known, current]
    ok(agent.delete(f"/v1/sessions/{session}/models/root"))
    shown = ok(agent.get(path))
    assert "current_model_ref" not in shown
    assert [one.get("is_current", False) for one in shown["models"]] == [True, False]
    run = {"messages": [{"content": "hi"}], "model": "openai/z"}
    assert agent.post(f"/api/sessions/{session}/agent/a", json=run).status_code == 400
    ok(agent.put(f"/v1/sessions/{session}/runtime", json={"switching": "none"}))
    for refused in (agent.get(path), agent.post(f"/api/sessions/{session}/agent/a", json=run)):
        assert (refused.status_code, bool(message_of(refused))) == (422, True)
    assert said(agent, session) == []
