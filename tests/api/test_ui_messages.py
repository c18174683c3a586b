"""The transcript as messages of the AI SDK UI."""

from typing import Any

from api.v1.documents.ui_messages import ui_messages
from tests.support.api import HELLO, Api, SessionApi, done, refused

AT = "2026-01-01T00:00:00.000000Z"
TEXT = {"type": "text", "text": "Hello"}
STEP = {"type": "step-start"}


def entry(sequence: int, kind: str = "message", role: str = "user", **rest: Any) -> dict[str, Any]:
    parts = {} if kind == "tool_call" else {"parts": rest.pop("parts", HELLO)}
    return {
        "id": f"e{sequence}",
        "kind": kind,
        "role": role,
        "sequence": sequence,
        "at": AT,
        **parts,
        **rest,
    }


def call(sequence: int, status: str, **rest: Any) -> dict[str, Any]:
    ids = {"tool_call_id": f"e{sequence}", "turn_id": "t1"}
    return entry(sequence, "tool_call", "agent", name="ls", status=status, **ids, **rest)


def parts_of(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    (message,) = ui_messages(entries)
    parts: list[dict[str, Any]] = message["parts"]
    assert STEP not in parts or parts.index(STEP) == 0
    return [part for part in parts if part != STEP]


def test_roles_and_metadata() -> None:
    messages = ui_messages([entry(1), entry(2, role="agent"), entry(3, role="system", turn_id="t")])

    assert messages == [
        {"id": "e1", "role": "user", "parts": [TEXT], "metadata": {"sequence": 1, "at": AT}},
        {
            "id": "e2", "role": "assistant", "parts": [STEP, TEXT],
            "metadata": {"sequence": 2, "at": AT},
        },
        {
            "id": "e3", "role": "system", "parts": [TEXT],
            "metadata": {"sequence": 3, "at": AT, "turnId": "t"},
        },
    ]  # fmt: skip


def test_what_an_agent_did_in_one_turn_is_one_message() -> None:
    messages = ui_messages(
        [
            entry(1, turn_id="t1"),
            entry(2, "thought", "agent", turn_id="t1"),
            call(3, "completed", input={"a": 1}, output=[1]),
            entry(4, role="agent", turn_id="t1"),
            entry(5, turn_id="t2"),
            entry(6, role="agent", turn_id="t2"),
        ]
    )

    assert [(one["id"], one["role"]) for one in messages] == [
        ("e1", "user"), ("t1", "assistant"), ("e5", "user"), ("t2", "assistant")
    ]  # fmt: skip
    assert messages[1]["parts"] == [
        STEP,
        {"type": "reasoning", "text": "Hello"},
        {
            "type": "tool-ls",
            "toolCallId": "e3",
            "state": "output-available",
            "input": {"a": 1},
            "output": [1],
        },
        TEXT,
    ]


def test_somebody_who_speaks_in_between_parts_a_turn_and_ids_stay_unique() -> None:
    agent = {"role": "agent", "turn_id": "t1"}
    messages = ui_messages([entry(1, **agent), entry(2), entry(3, **agent), entry(4, **agent)])

    assert [one["id"] for one in messages] == ["t1", "e2", "t1:3"]
    assert messages[2]["parts"] == [STEP, TEXT, TEXT]
    twins = ui_messages([{**entry(1), "id": "x"}, {**entry(2), "id": "x"}])
    assert [one["id"] for one in twins] == ["x", "x:2"]


def test_messages_of_an_agent_outside_a_turn_are_not_merged() -> None:
    assert len(ui_messages([entry(1, role="agent"), entry(2, role="agent")])) == 2


def test_the_states_of_a_tool_call() -> None:
    base = {"type": "tool-ls", "toolCallId": "e1", "input": {}}
    assert parts_of(call(1, "open")) == [{**base, "state": "input-available"}]
    assert parts_of(call(1, "completed")) == [{**base, "state": "output-available", "output": None}]
    for status in ("failed", "cancelled", "abandoned"):
        assert parts_of(call(1, status)) == [{**base, "state": "output-error", "errorText": status}]
    assert parts_of(call(1, "failed", output="boom")) == [
        {**base, "state": "output-error", "errorText": "boom"}
    ]
    said: list[tuple[Any, str]] = [
        ([{"type": "text", "text": "no"}, {"type": "text", "text": "way"}], "no\nway"),
        ({"error": "no"}, "no"), ({"code": 7}, '{"code": 7}'), ("", "failed"), ([], "failed"),
    ]  # fmt: skip
    for output, text in said:
        (part,) = parts_of(call(1, "failed", output=output))
        assert (part["errorText"], "output" in part) == (text, False)


def test_a_call_that_a_person_changed_shows_what_was_run_and_what_was_asked(
    session: SessionApi,
) -> None:
    session.start()
    asked, allowed = {"path": "/"}, {"path": "/tmp"}
    session.record(("tool.called", {"tool_call_id": "c", "name": "rm", "input": asked}))
    session.ask(request_id="r1", turn_id="t1", tool_call_id="c", tool="rm", arguments=asked)

    def shown() -> tuple[Any, Any]:
        (_, message) = done(session.get("/messages?format=ui"))["messages"]
        noted = message["metadata"].get("parts", {}).get("1", {})
        return message["parts"][1]["input"], noted.get("askedInput")

    assert shown() == (asked, None)
    decision = {"option_id": "yes", "arguments": allowed}
    done(session.post("/interactions/r1/decision", decision))
    assert shown() == (allowed, asked)
    session.record(("tool.returned", {"tool_call_id": "c", "output": "gone"}))
    assert shown() == (allowed, asked)

    # Whoever takes a secret out of the input has it taken out of what was allowed, too.
    done(session.patch("/messages/c", {"input": {"path": "-"}}))
    assert shown() == ({"path": "-"}, None)
    assert "arguments" not in done(session.get("/messages/c"))["approval"]


def test_files_and_data() -> None:
    parts = [
        {"type": "image", "url": "https://x.test/i", "media_type": "image/png", "name": "i.png"},
        {"type": "file", "data": "AA==", "media_type": "text/plain"},
        {"type": "image", "data": "AA=="},
        {"type": "data", "data": {"a": 1}, "name": "chart"},
        {"type": "data", "data": 1},
        {"type": "reasoning", "text": "r", "meta": {"k": 1}},
    ]
    assert parts_of(entry(1, parts=parts)) == [
        {"type": "file", "mediaType": "image/png", "url": "https://x.test/i", "filename": "i.png"},
        {"type": "file", "mediaType": "text/plain", "url": "data:text/plain;base64,AA=="},
        {"type": "file", "mediaType": "image/*", "url": "data:image/*;base64,AA=="},
        {"type": "data-chart", "data": {"a": 1}},
        {"type": "data-json", "data": 1},
        {"type": "reasoning", "text": "r"},
    ]


def test_calls_and_results_that_are_parts_of_a_message() -> None:
    ask: dict[str, Any] = {"type": "tool_call", "tool_call_id": "c", "name": "n", "input": 1}
    good = {"type": "tool_result", "tool_call_id": "c", "output": 2}
    bad = {**good, "is_error": True}
    base = {"type": "tool-n", "toolCallId": "c", "input": 1}
    assert parts_of(entry(1, parts=[ask, TEXT, good])) == [
        {**base, "state": "output-available", "output": 2},
        TEXT,
    ]
    assert parts_of(entry(1, parts=[ask, bad])) == [
        {**base, "state": "output-error", "errorText": "2"}
    ]
    assert parts_of(entry(1, parts=[good])) == [
        {"type": "data-tool-result", "id": "c", "data": {"output": 2, "isError": False}}
    ]
    # The second result of a call is not the call's: it stays what it is.
    assert len(parts_of(entry(1, parts=[ask, good, good]))) == 2


def test_a_message_tells_where_another_agent_goes_on() -> None:
    spoken = {"turn_id": "t1", "role": "agent"}
    (message,) = ui_messages(
        [
            entry(1, parts=[TEXT], agent="scout", **spoken),
            entry(2, parts=[TEXT, TEXT], agent="clerk", **spoken),
            call(3, "completed", agent="clerk"),
            call(4, "completed", agent="scout"),
        ]
    )

    assert message["metadata"]["agent"] == "scout"
    at = {message["parts"][int(n)]["type"]: one for n, one in message["metadata"]["parts"].items()}
    assert at == {"text": {"agent": "clerk"}, "tool-ls": {"agent": "scout"}}


def test_what_parts_are_known_to_be_beside_their_content_stands_in_the_metadata() -> None:
    signed = {"type": "reasoning", "text": "hm", "signature": "c2ln", "meta": {"r": 1}}
    chart = {"type": "data", "data": 1, "meta": {"d": 1}}
    verbatim = {"type": "refusal", "meta": {"o": 1}}
    provider = {"providerMetadata": {"x": {}}}
    spoken = {"turn_id": "t1", "role": "agent"}
    (message,) = ui_messages(
        [
            entry(1, parts=[signed, chart, verbatim], meta={"first": 1}, **spoken),
            call(2, "completed", tool_kind="read", meta={"c": 1, **provider}, result_meta={"k": 1}),
            entry(3, parts=[TEXT, TEXT], meta={"second": 1}, **spoken),
            entry(4, "permission", "agent", request_id="q", meta={"p": 1}, turn_id="t1"),
        ]
    )

    assert message["metadata"]["meta"] == {"first": 1}
    assert message["metadata"]["parts"] == {
        "1": {"meta": {"r": 1}, "signature": "c2ln"},
        "2": {"meta": {"d": 1}},
        "4": {"kind": "read", "meta": {"c": 1}, "resultMeta": {"k": 1}},
        "5": {"messageMeta": {"second": 1}},
    }
    assert message["parts"][3]["data"] == {"meta": {"o": 1}}
    assert message["parts"][7]["data"] == {"request_id": "q", "meta": {"p": 1}}


def test_messages_keep_what_is_said_of_them(api: Api) -> None:
    first, then = {"trace": "4bf9"}, {"locale": "de"}
    begun = {"id": "m1", "role": "system", "parts": HELLO, "meta": first}
    session = api.create(messages=[begun])
    done(session.post("/messages", {"role": "user", "parts": HELLO, "meta": then}), 201)
    refused(session.post("/messages", {"role": "user", "parts": HELLO, "meta": 1}), 422, "invalid")

    assert [one["meta"] for one in done(session.get("/messages"))["messages"]] == [first, then]
    shown = done(session.get("/messages?format=ui"))["messages"]
    assert [one["metadata"]["meta"] for one in shown] == [first, then]
    added = done(session.get("/events?types=message.added"))["events"]
    assert [one["data"]["meta"] for one in added] == [first, then]


def test_a_result_that_is_a_part_of_another_turn_is_late() -> None:
    ask = {"type": "tool_call", "tool_call_id": "c", "name": "n"}
    result = {"type": "tool_result", "tool_call_id": "c", "output": 2, "meta": {"k": 1}}
    asked = entry(1, role="agent", turn_id="t1", parts=[ask])

    first, _ = ui_messages([asked, entry(2, turn_id="t2", parts=[result, TEXT])])
    assert first["metadata"]["parts"] == {
        "1": {
            "late": True, "returnedInTurn": "t2", "returnedInMessage": "e2", "resultMeta": {"k": 1},
        }
    }  # fmt: skip
    (same,) = ui_messages([asked, entry(2, role="agent", turn_id="t1", parts=[result])])
    assert same["metadata"]["parts"] == {"1": {"resultMeta": {"k": 1}}}


def test_over_http(session: SessionApi) -> None:
    session.start()
    session.record(
        ("agent.thought", {"parts": HELLO}),
        ("tool.called", {"tool_call_id": "c", "name": "ls", "input": {"path": "."}}),
        ("agent.message", {"parts": HELLO}),
    )
    page = done(session.get("/messages?format=ui"))
    assert [one["role"] for one in page["messages"]] == ["user", "assistant"]
    assert [part["type"] for part in page["messages"][1]["parts"]] == [
        "step-start",
        "reasoning",
        "tool-ls",
        "text",
    ]
    assert page["messages"][1]["parts"][2]["state"] == "input-available"

    session.complete()
    page = done(session.get("/messages?format=ui&order=desc&limit=1"))
    assert page["messages"][0]["parts"][2]["state"] == "output-error"
    assert page["next_cursor"] is not None


def test_a_result_that_was_said_outside_of_turns_stands_in_its_call(session: SessionApi) -> None:
    def said(*calls: str) -> Any:
        parts = [{"type": "tool_result", "tool_call_id": one, "output": 7} for one in calls]
        return session.post("/messages", {"role": "tool", "parts": parts, "id": "m1"})

    session.start()
    session.record(("tool.called", {"tool_call_id": "c1", "name": "ls"}))
    refused(said("c1"), 409, "tool_call_open", tool_call_id="c1")
    done(session.post("/turns/t1/complete", {}))
    done(said("c1", "c9"), 201)

    _, call, message = done(session.get("/messages"))["messages"]
    assert (call["output"], call["late"], call["returned_in_message"]) == (7, True, "m1")
    assert (message["id"], message["role"]) == ("m1", "tool")
    _, asked, rest = done(session.get("/messages?format=ui"))["messages"]
    assert asked["parts"][1]["state"] == "output-available"
    late = {"late": True, "returnedInMessage": "m1"}
    assert asked["metadata"]["parts"] == {"1": late}
    assert [part["type"] for part in rest["parts"]] == ["step-start", "data-tool-result"]
    assert rest["parts"][1]["id"] == "c9"


def test_what_became_of_a_turn_is_a_part_of_its_newest_message(session: SessionApi) -> None:
    session.start("t1")
    session.ask("r1", "t1", title="May I?")
    done(session.post("/interactions/r1/decision", {"option_id": "no"}))
    done(session.post("/turns/t1/fail", {"kind": "provider", "summary": "It is away."}))
    session.start("t2")
    session.record(("agent.message", {"parts": HELLO}), turn_id="t2")
    done(session.post("/turns/t2/cancel", {}))

    silent, _, answer = done(session.get("/messages?format=ui"))["messages"]
    assert [part["type"] for part in silent["parts"]] == [
        "text", "data-permission", "data-turn-failed",
    ]  # fmt: skip
    decided = {"request_id": "r1", "title": "May I?", "decision": "reject_once"}
    assert silent["parts"][1]["data"] == decided
    assert silent["parts"][2]["data"] == {"failure": {"kind": "provider", "summary": "It is away."}}
    assert [part["type"] for part in answer["parts"]] == [
        "step-start", "text", "data-turn-cancelled",
    ]  # fmt: skip
    assert answer["metadata"]["actor"] == "anonymous"


def test_a_clear_is_a_part_of_what_was_said_first_afterwards(session: SessionApi) -> None:
    session.say()
    done(session.post("/clear"))
    session.start()
    session.record(("agent.message", {"parts": HELLO}))

    first, answer = done(session.get("/messages?format=ui"))["messages"]
    assert [part["type"] for part in first["parts"]] == ["data-conversation-cleared", "text"]
    assert first["parts"][0]["data"] == {"epoch": 1}
    assert [part["type"] for part in answer["parts"]] == ["step-start", "text"]


def test_pages_of_messages_have_each_mark_once(session: SessionApi) -> None:
    for turn in ("t1", "t2"):
        session.start(turn)
        done(session.post(f"/turns/{turn}/cancel", {}))
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = done(session.get(f"/messages?limit=1{cursor and '&cursor=' + cursor}"))
        seen += [entry["kind"] for entry in page["messages"]]
        cursor = page["next_cursor"]
    assert seen == ["message", "turn_cancelled"] * 2
    mark = page["messages"][0]["id"]
    assert done(session.get(f"/messages/{mark}"))["reason"] == "user_requested"
    refused(session.patch(f"/messages/{mark}", {"parts": HELLO}), 422, "invalid")


def test_a_blob_is_a_file_by_its_address() -> None:
    parts = [
        {"type": "image", "blob": "sha256:ab", "media_type": "image/png", "name": "a.png"},
        {"type": "hologram", "blob": "sha256:cd"},
    ]

    (message,) = ui_messages([entry(1, parts=parts)], blobs_at="/v1/sessions/7/blobs")

    assert message["parts"] == [
        {
            "type": "file", "mediaType": "image/png", "filename": "a.png",
            "url": "/v1/sessions/7/blobs/sha256:ab",
        },
        {"type": "data-hologram", "data": {"blob": "sha256:cd"}},
    ]  # fmt: skip
