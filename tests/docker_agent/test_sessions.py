"""Sessions through the docker-agent door: begun, listed, read, changed and deleted."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar.datastructures import MultiDict

from api.docker_agent.requests import seconds_of
from api.http.outgoing.giving import Readers
from api.http.outgoing.long_polls import while_there
from api.http.outgoing.problems import Problem
from application.memory_budget import Share
from domain.principal import Principal

Json = dict[str, Any]


def ok(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def begin(client: httpx.Client, **template: Any) -> str:
    session_id: str = ok(client.post("/api/sessions", json=template))["id"]
    return session_id


def message_of(error: httpx.Response) -> str:
    told = error.json()
    assert list(told) == ["message"], told
    message: str = told["message"]
    return message


def test_a_session_begins_with_what_its_template_says(agent: httpx.Client):
    template = {
        "id": str(uuid4()), "messages": None, "created_at": "0001-01-01T00:00:00Z", "title": "t",
        "tools_approved": True, "working_dir": " /home/ada/../ada/x ", "max_iterations": 7,
        "max_consecutive_tool_calls": -1, "max_old_tool_call_tokens": 9, "input_tokens": 5,
        "permissions": {"allow": ["ls"], "deny": None},
        "agent_model_overrides": {"root": "openai/gpt-5", "sub": "fast"},
        "custom_models_used": ["openai/gpt-5"],
    }  # fmt: skip
    made = ok(agent.post("/api/sessions", json=template))
    assert made.pop("id") != template["id"]
    assert made.pop("created_at")[:2] == "20"
    assert made == {
        "title": "t", "messages": None, "tools_approved": True, "hide_tool_results": False,
        "SendUserMessage": True, "max_iterations": 7, "max_old_tool_call_tokens": 9,
        "starred": False, "input_tokens": 0, "output_tokens": 0, "cost": 0,
        "agent_model_overrides": template["agent_model_overrides"],
        "custom_models_used": ["openai/gpt-5"], "working_dir": "/home/ada/x",
        "permissions": {"allow": ["ls"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    "template",
    [
        {"working_dir": "relative"},
        {"working_dir": "/a\0b"},
        {"permissions": {"allow": ["["]}},
        {"agent_model_overrides": {"": "m"}},
        {"agent_model_overrides": {"a": "/m"}},
        {"agent_model_overrides": {f"a{n}": "m" for n in range(101)}},
        {"title": "x" * 501},
        {"max_iterations": "many"},
        [],
    ],
)
def test_a_template_that_cannot_be_is_refused(agent: httpx.Client, template: Any):
    refused = agent.post("/api/sessions", json=template)
    assert refused.status_code == 400
    assert message_of(refused)


def test_the_list_has_the_newest_first_without_children_in_pages(agent: httpx.Client):
    made = [begin(agent, title=f"n{number}", working_dir="/w") for number in range(3)]
    rows = ok(agent.get("/api/sessions"))
    mine = [row for row in rows if row["id"] in made]
    assert [row["id"] for row in mine] == made[::-1]
    assert mine[0].keys() == {
        "id", "title", "created_at", "num_messages", "input_tokens", "output_tokens", "cost",
        "starred", "working_dir",
    }  # fmt: skip
    assert mine[0]["created_at"][-1:] == "Z"
    assert "." not in mine[0]["created_at"]
    spawn = {"role": "worker", "ttl_seconds": 60, "agent": {"name": "a"}}
    child = agent.post(f"/v1/sessions/{made[0]}/spawn", json=spawn)
    assert child.status_code == 201, child.text
    first = agent.get("/api/sessions", params={"limit": 2})
    assert [row["id"] for row in ok(first)] == [made[2], made[1]]
    rest = agent.get(first.links["next"]["url"])
    assert ok(rest)[0]["id"] == made[0]
    for limit in ("0", "1001", "-1", "x"):
        assert agent.get("/api/sessions", params={"limit": limit}).status_code == 400
    assert agent.get("/api/sessions", params={"cursor": "x"}).status_code == 400


def test_a_conversation_is_read_as_messages_of_docker_agent(agent: httpx.Client):
    session = begin(agent)
    at = f"/v1/sessions/{session}"
    parts = [{"type": "text", "text": "look"}, {"type": "image", "url": "http://x/y.png"}]
    ok(agent.post(f"{at}/turns", json={"turn_id": "t1", "input": {"parts": parts}}), 201)
    call = {"tool_call_id": "c1", "name": "ls", "input": {"path": "/"}}
    said = [
        {"type": "agent.thought", "data": {"parts": [{"type": "reasoning", "text": "hm"}]}},
        {"type": "agent.message", "data": {"parts": [{"type": "text", "text": "I look."}]}},
        {"type": "tool.called", "data": call},
        {"type": "tool.returned", "data": {"tool_call_id": "c1", "output": {"files": 2}}},
        {"type": "agent.message", "data": {"parts": [{"type": "text", "text": "Two."}]}},
    ]
    ok(agent.post(f"{at}/turns/t1/events", json={"events": said}))
    seen = ok(agent.get(f"/api/sessions/{session}/snapshot"))
    assert (seen["streaming"], seen["last_event_seq"]) == (True, 7)
    assert (seen["pending"], seen["in_flight"]) == ([], [])
    ok(agent.post(f"{at}/turns/t1/complete", json={}), 200)
    shown = ok(agent.get(f"/api/sessions/{session}"))
    messages = [{k: v for k, v in one["message"].items() if k != "created_at"}
                for one in shown["messages"]]  # fmt: skip
    function = {"name": "ls", "arguments": '{"path":"/"}'}
    assert messages == [
        {
            "role": "user", "content": "look",
            "multi_content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "http://x/y.png", "detail": ""}},
            ],
        },
        {
            "role": "assistant", "reasoning_content": "hm", "content": "I look.",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "content": '{"files":2}', "tool_call_id": "c1"},
        {"role": "assistant", "content": "Two."},
    ]  # fmt: skip
    assert all(one["agentName"] == "" for one in shown["messages"])
    assert ok(agent.get(f"/api/sessions/{session}/recovery"))["messages"] == shown["messages"]


def test_a_session_that_is_not_there_is_404_everywhere(agent: httpx.Client):
    gone = begin(agent)
    assert ok(agent.delete(f"/api/sessions/{gone}")) == {"message": "session deleted"}
    for session in (gone, str(uuid4()), "no-uuid", "a%2Fb", "%25", "x" * 300):
        at = f"/api/sessions/{session}"
        for end in ("", "/status", "/status?wait=1ms", "/snapshot", "/events", "/recovery"):
            missing = agent.get(at + end)
            assert (missing.status_code, message_of(missing)) == (404, "session not found"), end
        again = agent.delete(at)
        assert (again.status_code, message_of(again)) == (404, "session not found")


def test_status_tells_who_works_and_waits_for_somebody_to_drive(agent: httpx.Client):
    session = begin(agent, title="t")
    at = f"/api/sessions/{session}/status"
    quiet = ok(agent.get(at))
    assert quiet == {
        "id": session, "title": "t", "streaming": False, "input_tokens": 0, "output_tokens": 0,
        "num_messages": 0, "attached": False,
    }  # fmt: skip
    late = agent.get(at, params={"wait": "1ms"})
    assert (late.status_code, message_of(late)[:10]) == (503, "no runtime")
    for wait in ("soon", "1", "-1s", "1s1"):
        assert agent.get(at, params={"wait": wait}).status_code == 400
    held = {"holder": "runner", "ttl_seconds": 60}
    ok(agent.post(f"/v1/sessions/{session}/attach", json=held), 201)
    assert ok(agent.get(at, params={"wait": "1h"}))["attached"] is True


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5), ("10s", 10), ("2m", 120), ("1m30s", 90), (".5s", 0.5), ("0", 0),
        ("7us", 7e-6), ("7µs", 7e-6), ("7ns", 7e-9), ("5m1s", 300), ("1h", 300), ("9999h", 300),
        ("", 42),
    ],
)  # fmt: skip
def test_a_duration_is_read_as_go_writes_it_and_is_five_minutes_at_most(text: str, seconds: float):
    asked: Any = SimpleNamespace(query_params=MultiDict([("wait", text)]))
    assert seconds_of(asked, "wait", 42) == pytest.approx(seconds)


def test_a_session_that_is_erased_is_as_if_it_had_never_been(agent: httpx.Client):
    session = begin(agent)
    ok(agent.post(f"/v1/sessions/{session}/erase", json={"reason": "asked for"}))
    for end in ("", "/status", "/snapshot", "/events", "/recovery", "/queue", "/models"):
        gone = agent.get(f"/api/sessions/{session}{end}")
        assert (gone.status_code, message_of(gone)) == (404, "session not found"), end
    assert agent.delete(f"/api/sessions/{session}").status_code == 404
    batch = {"session_ids": [session]}
    assert ok(agent.post("/api/sessions/batch/export", json=batch))["missing_ids"] == [session]
    assert ok(agent.post("/api/sessions/batch/delete", json=batch))["failed_ids"] == [session]


def test_a_session_is_deleted_once_and_told_so_again_to_who_asks_again(agent: httpx.Client):
    session, key = begin(agent), {"Idempotency-Key": "k"}
    for _ in range(2):
        ok(agent.delete(f"/api/sessions/{session}", headers=key))
    assert agent.delete(f"/api/sessions/{session}").status_code == 404


class Asking:
    """A request whose client says no more until it leaves."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        services = SimpleNamespace(readers=Readers(Share("streams", 1024)))
        self.scope = {"cairn": services, "cairn_principal": Principal(actor="somebody")}

    async def receive(self) -> Json:
        await self.left.wait()
        return {"type": "http.disconnect"}


def test_a_wait_ends_with_what_is_waited_for_or_when_the_client_leaves_or_is_locked_out():
    async def wait_for(something: asyncio.Event, ended: list[str]) -> str:
        try:
            await something.wait()
        finally:
            ended.append("the wait")
        return "it"

    async def both() -> None:
        something, ended = asyncio.Event(), list[str]()
        staying: Any = Asking()
        asyncio.get_running_loop().call_soon(something.set)
        assert await while_there(staying, 9, wait_for(something, ended)) == "it"
        leaving: Any = Asking()
        asyncio.get_running_loop().call_soon(leaving.left.set)
        with pytest.raises(Problem, match="the connection ended"):
            await while_there(leaving, 9, wait_for(asyncio.Event(), ended))
        revoked: Any = Asking()
        readers: Readers = revoked.scope["cairn"].readers
        asyncio.get_running_loop().call_later(0, readers.end_revoked, lambda _: False)
        with pytest.raises(Problem, match="no longer good"):
            await while_there(revoked, 9, wait_for(asyncio.Event(), ended))
        assert readers.open == set()
        await asyncio.sleep(0)
        assert ended == ["the wait"] * 3
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(both())


def test_the_probes_of_all_doors_are_answered_by_the_first_that_has_them(agent: httpx.Client):
    # This server has `docker-agent` before `adk`.
    assert ok(agent.get("/health")) == {"status": "ok", "version": "", "database": "up"}
    ready = ok(agent.get("/ready", params={"wait": "10s"}))
    assert ready == {
        "ready": True, "active_sessions": 0, "store_connected": True, "toolset_health": "ok",
        "status": "ready",
    }  # fmt: skip
    assert ok(agent.get("/api/ping")) == {"status": "ok"}
    assert agent.get("/api/apps/a/users/u/sessions").json() == []
    assert message_of(agent.get("/api/nothing")) == "Not Found"
    assert message_of(agent.put("/api/sessions")) == "Method Not Allowed"


def test_the_server_is_ready_for_good_once_somebody_has_driven_a_session(agent: httpx.Client):
    session = begin(agent)
    ok(agent.post(f"/v1/sessions/{session}/attach", json={"holder": "r", "ttl_seconds": 60}), 201)
    for _ in range(2):
        assert ok(agent.get("/api/ready", params={"timeout": "30s"})) == {"status": "ready"}


def test_a_door_that_is_not_opened_is_not_there(api: Any):
    assert api.get("/api/sessions").json()["code"] == "not_found"
    assert "version" not in api.get("/health").json()
