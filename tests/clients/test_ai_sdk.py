"""The transcript as UI messages, read by the AI SDK that they are for, in both its versions."""

from typing import Any

import pytest

from tests.support.api import SessionApi, done
from tests.support.node import node

VERSIONS = ("ai6", "ai7")


def said(text: str) -> tuple[str, dict[str, Any]]:
    return "agent.message", {"parts": [{"type": "text", "text": text}]}


def called(call: str) -> tuple[str, dict[str, Any]]:
    return "tool.called", {"tool_call_id": call, "name": "ls", "input": {"path": call}}


def returned(call: str, output: Any = "done", **rest: Any) -> tuple[str, dict[str, Any]]:
    return "tool.returned", {"tool_call_id": call, "output": output, **rest}


def of_ai_sdk(session: SessionApi) -> tuple[list[Any], list[Any]]:
    """Return the valid UI messages, and the model messages they become in the newer version."""
    ours = done(session.get("/messages?format=ui&limit=200"))["messages"]
    found = node("ai_sdk.mjs", ours)
    for version in VERSIONS:
        # Nothing is thrown away as not understood.
        assert found[version]["valid"] == ours
    # They differ in how they pass on a file.
    assert outline(found["ai6"]["model"]) == outline(found["ai7"]["model"])
    return ours, found["ai7"]["model"]


def outline(messages: list[Any]) -> list[str]:
    """Return what stands in model messages, in order."""
    found: list[str] = []
    for message in messages:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            name = part.get("approvalId") or part.get("toolCallId") or part.get("text")
            found.append(f"{message['role']} {part['type']} {name}")
    return found


def test_what_was_said_after_a_result_stands_after_it(session: SessionApi) -> None:
    session.start()
    session.record(
        said("a1"), called("c1"), returned("c1"), said("a2"), called("c2"), called("c3"),
        returned("c2"), returned("c3"), said("a3"),
    )  # fmt: skip
    session.complete()

    _, model = of_ai_sdk(session)

    assert outline(model) == [
        "user text Hello",
        "assistant text a1", "assistant tool-call c1", "tool tool-result c1",
        "assistant text a2", "assistant tool-call c2", "assistant tool-call c3",
        "tool tool-result c2", "tool tool-result c3",
        "assistant text a3",
    ]  # fmt: skip


def test_calls_one_after_the_other_are_not_made_at_once(session: SessionApi) -> None:
    session.start()
    session.record(called("c1"), returned("c1"), called("c2"), returned("c2"))

    _, model = of_ai_sdk(session)

    assert outline(model)[1:] == [
        "assistant tool-call c1", "tool tool-result c1",
        "assistant tool-call c2", "tool tool-result c2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("output", "text"),
    [("boom", "boom"), (None, "failed"), ({"code": 7}, '{"code": 7}')],
)
def test_a_call_that_failed(session: SessionApi, output: Any, text: str) -> None:
    session.start()
    session.record(called("c1"), returned("c1", output, status="failed"))

    ours, model = of_ai_sdk(session)

    part = ours[1]["parts"][1]
    assert (part["state"], part["errorText"], "output" in part) == ("output-error", text, False)
    assert model[-1]["content"][0]["output"] == {"type": "error-text", "value": text}


@pytest.mark.parametrize("asked", ["before the call", "after the call"])
def test_an_approval_from_its_request_to_its_answer(session: SessionApi, asked: str) -> None:
    session.start()
    if asked == "after the call":
        session.record(called("c1"))
    session.ask("r1", tool_call_id="c1")
    if asked == "before the call":
        session.record(called("c1"))

    ours, model = of_ai_sdk(session)
    part = ours[1]["parts"][1]
    assert (part["state"], part["approval"]) == ("approval-requested", {"id": "r1"})
    assert outline(model)[-1] == "assistant tool-approval-request r1"

    done(session.post("/interactions/r1/decision", {"option_id": "yes"}))
    ours, model = of_ai_sdk(session)
    part = ours[1]["parts"][1]
    assert (part["state"], part["approval"]["approved"]) == ("approval-responded", True)
    assert outline(model)[-1] == "tool tool-approval-response r1"

    session.record(returned("c1"))
    ours, _ = of_ai_sdk(session)
    part = ours[1]["parts"][1]
    assert (part["state"], part["approval"]) == ("output-available", {"id": "r1", "approved": True})


@pytest.mark.parametrize("ends", ["at once", "as failed", "with its turn"])
def test_an_approval_that_is_denied(session: SessionApi, ends: str) -> None:
    session.start()
    session.record(called("c1"))
    session.ask("r1", tool_call_id="c1")
    done(session.post("/interactions/r1/decision", {"option_id": "no"}))
    if ends == "as failed":
        session.record(returned("c1", "denied", status="failed"))
    if ends == "with its turn":
        session.complete()

    ours, model = of_ai_sdk(session)

    part = ours[1]["parts"][1]
    assert (part["state"], part["approval"]) == ("output-denied", {"id": "r1", "approved": False})
    assert "errorText" not in part
    assert outline(model)[-1] == "tool tool-result c1"


def test_an_approval_that_nobody_gave_before_the_turn_ended(session: SessionApi) -> None:
    session.start()
    session.record(called("c1"))
    session.ask("r1", tool_call_id="c1")
    done(session.post("/turns/t1/cancel"))

    ours, _ = of_ai_sdk(session)

    assert ours[1]["parts"][1]["state"] == "output-denied"


def test_a_result_that_comes_in_a_later_message_is_that_of_its_call(session: SessionApi) -> None:
    session.start()
    call = {"type": "tool_call", "tool_call_id": "c1", "name": "ls", "input": {}}
    session.record(("agent.message", {"parts": [{"type": "text", "text": "a1"}, call]}))
    session.complete()
    result = {"type": "tool_result", "tool_call_id": "c1", "output": [1]}
    done(session.post("/messages", {"role": "user", "parts": [result]}), 201)
    session.say("and now?")

    ours, model = of_ai_sdk(session)

    assert [message["role"] for message in ours] == ["user", "assistant", "user"]
    assert outline(model)[1:] == [
        "assistant text a1", "assistant tool-call c1", "tool tool-result c1", "user text and now?"
    ]  # fmt: skip


def test_a_result_that_comes_in_a_later_turn_is_that_of_its_call(session: SessionApi) -> None:
    session.start()
    name, data = called("c1")
    session.record((name, {**data, "kind": "read", "meta": {"k": 1}}))
    session.complete()
    session.start("t2")
    session.record(returned("c1", "at last"), said("so"), turn_id="t2")

    ours, model = of_ai_sdk(session)

    assert ours[1]["parts"][1]["output"] == "at last"
    late = {"late": True, "returnedInTurn": "t2"}
    assert ours[1]["metadata"]["parts"]["1"] == {**late, "kind": "read", "meta": {"k": 1}}
    assert outline(model) == [
        "user text Hello", "assistant tool-call c1", "tool tool-result c1",
        "user text Hello", "assistant text so",
    ]  # fmt: skip
    call = done(session.get("/messages/c1"))
    assert (call["late"], call["returned_in_turn"], call["turn_id"]) == (True, "t2", "t1")


def test_what_a_provider_wants_back_comes_back(session: SessionApi) -> None:
    session.start()
    signed = {"providerMetadata": {"anthropic": {"signature": "c2ln"}}}
    session.record(
        ("agent.thought", {"parts": [{"type": "reasoning", "text": "hm", "meta": signed}]}),
        ("tool.called", {"tool_call_id": "c1", "name": "ls", "meta": signed}),
    )

    _, model = of_ai_sdk(session)

    assert [part.get("providerOptions") for part in model[1]["content"]] == [
        signed["providerMetadata"], signed["providerMetadata"]
    ]  # fmt: skip


def test_every_kind_of_part(session: SessionApi) -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image", "data": "AA==", "media_type": "image/png", "name": "i.png"},
        {"type": "file", "url": "https://x.test/f", "media_type": "text/plain"},
        {"type": "data", "data": {"a": 1}, "name": "chart"},
        {"type": "tool_result", "tool_call_id": "of nobody", "output": 1},
    ]
    done(session.post("/messages", {"role": "user", "parts": parts}), 201)

    _, model = of_ai_sdk(session)

    assert [part["type"] for part in model[0]["content"]] == ["text", "file", "file"]


def test_failures_and_marks_leave_no_message_without_content(session: SessionApi) -> None:
    session.say()
    done(session.post("/clear"))
    session.start("t1")
    session.ask("r1", "t1")
    done(session.post("/turns/t1/fail", {"kind": "provider"}))
    session.start("t2")
    session.record(called("c1"), returned("c1"), turn_id="t2")
    done(session.post("/turns/t2/cancel", {}))

    _, model = of_ai_sdk(session)

    assert all(message["content"] for message in model)
    assert outline(model) == [
        "user text Hello", "user text Hello",
        "assistant tool-call c1", "tool tool-result c1",
    ]  # fmt: skip
