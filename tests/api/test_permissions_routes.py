"""The rules about tool calls: set whole, in force at once, and open to questions."""

from typing import Any

import pytest

from domain.permissions.grants import GRANT_CATEGORIES
from tests.support.api import Api, Json, SessionApi, done, refused
from tests.support.every_route import (
    refuses_to_change_what_is_not_there,
    refuses_to_read_what_is_not_there,
)

EMPTY: Json = {"mode": "ask", "allow": [], "ask": [], "deny": []}


def judged(session: SessionApi, tool: str = "shell", **call: Any) -> Json:
    return done(session.post("/permissions/evaluate", {"tool": tool, **call}))


# ── rules ────────────────────────────────────────────────────────────────────────────────────


def test_all_rules_are_set_at_once(session: SessionApi) -> None:
    assert done(session.get("/permissions")) == {
        "permissions": EMPTY,
        "tool_approval": False,
        "ceiling": None,
        "grants": {name: [] for name in GRANT_CATEGORIES},
        "sequence": 1,
    }
    rules = {"mode": "approve-reads", "allow": ["read_*"], "ask": ["x"], "deny": ["rm:path=/*"]}
    answer = done(session.put("/permissions", rules))
    assert (answer["permissions"], answer["sequence"]) == (rules, 2)

    assert done(session.get("/permissions"))["permissions"] == rules
    assert done(session.get())["session"]["permissions"] == rules
    with session.nothing_recorded():
        done(session.put("/permissions", rules))
    # What is left out, or null, is empty afterwards.
    done(session.put("/permissions", {"allow": None, "deny": ["rm"], "ask": None}))
    assert done(session.get("/permissions"))["permissions"] == {**EMPTY, "deny": ["rm"]}
    done(session.put("/permissions", {}))
    assert done(session.get("/permissions"))["permissions"] == EMPTY


def test_rules_are_in_force_for_the_running_turn(session: SessionApi) -> None:
    session.start()
    assert session.ask("r1", tool="shell")["decision"] is None
    done(session.put("/permissions", {"allow": ["shell"]}))

    assert session.ask("r2", tool="shell")["decision"] == "allow_once"


def test_rules_can_be_set_while_the_session_is_stopped(session: SessionApi) -> None:
    done(session.post("/stop"))
    done(session.put("/permissions", {"deny": ["shell"]}))
    done(session.put("/tool-approval", {"enabled": True}))

    assert judged(session)["decision"] == "deny"


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"deny": ["ok", "read["]}, "deny[1]"),
        ({"allow": [":cmd=ls"]}, "allow[0]"),
        ({"ask": ["shell:ls"]}, "ask[0]"),
        ({"ask": ["[" + "]"]}, "ask[0]"),
        ({"allow": ["*?*"] * 21}, "allow"),
        ({"allow": ["x"] * 201}, "allow"),
        ({"allow": [""]}, "allow[0]"),
        ({"allow": ["x" * 501]}, "allow[0]"),
        ({"allow": "shell"}, "allow"),
        ({"mode": "sometimes"}, "mode"),
        ({"forbid": []}, "forbid"),
    ],
)
def test_rules_that_could_not_be_judged(session: SessionApi, rules: Json, field: str) -> None:
    before = done(session.put("/permissions", {"deny": ["before"]}))["permissions"]
    with session.nothing_recorded():
        problem = refused(session.put("/permissions", rules), 422, "invalid")
        assert problem["errors"][0]["field"] == field
    assert done(session.get("/permissions"))["permissions"] == before


def test_tool_approval_is_switched_on_and_off(session: SessionApi) -> None:
    answer = done(session.put("/tool-approval", {"enabled": True}))
    assert (answer["tool_approval"], answer["permissions"]) == (True, EMPTY)
    with session.nothing_recorded():
        done(session.put("/tool-approval", {"enabled": True}))
        refused(session.put("/tool-approval", {}), 422, "invalid")
        refused(session.put("/tool-approval", {"enabled": "yes"}), 422, "invalid")
    assert done(session.get("/permissions"))["tool_approval"] is True
    assert done(session.put("/tool-approval", {"enabled": False}))["tool_approval"] is False

    assert session.types()[1:] == ["tool_approval.enabled", "tool_approval.disabled"]


# ── questions ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rules", "approval", "call", "decision", "because", "rule"),
    [
        ({}, False, {}, "ask", "default", None),
        ({"deny": ["sh*"], "allow": ["shell"]}, True, {}, "deny", "deny_rule", "sh*"),
        ({"mode": "deny-all", "allow": ["shell"]}, True, {}, "deny", "mode", None),
        ({"ask": ["shell"]}, True, {}, "allow", "tool_approval", None),
        ({"allow": ["shell"], "ask": ["shell"]}, False, {}, "allow", "allow_rule", "shell"),
        ({"ask": ["*"], "mode": "approve-all"}, False, {}, "ask", "ask_rule", "*"),
        ({"mode": "approve-all"}, False, {}, "allow", "mode", None),
        ({"mode": "approve-reads"}, False, {"read_only": True}, "allow", "read_only", None),
        ({"mode": "approve-reads"}, False, {"read_only": False}, "ask", "default", None),
        (
            {"allow": ["shell:cmd=ls*:cwd=/home/*"]},
            False,
            {"arguments": {"cmd": "ls -l", "cwd": "/home/ada"}},
            "allow",
            "allow_rule",
            "shell:cmd=ls*:cwd=/home/*",
        ),
        (
            {"allow": ["shell:cmd=ls*:cwd=/home/*"]},
            False,
            {"arguments": {"cmd": "ls -l", "cwd": "/etc"}},
            "ask",
            "default",
            None,
        ),
    ],
)
def test_what_would_happen_to_a_call_and_why(
    session: SessionApi,
    rules: Json,
    approval: bool,
    call: Json,
    decision: str,
    because: str,
    rule: str | None,
) -> None:
    done(session.put("/permissions", rules))
    done(session.put("/tool-approval", {"enabled": approval}))
    with session.nothing_recorded():
        verdict = judged(session, **call)

    assert (verdict["decision"], verdict["because"], verdict["rule"]) == (decision, because, rule)
    assert verdict["considered"][0]["name"] == "deny_rules"
    *others, last = verdict["considered"]
    assert not any(one["matched"] for one in others)
    assert (last["matched"], last["rule"]) == (True, rule)
    assert verdict["sequence"] == session.head


def test_what_is_said_is_what_happens(session: SessionApi) -> None:
    session.start()
    done(session.put("/permissions", {"allow": ["shell:cmd=ls*"], "deny": ["rm"]}))
    options = [
        {"option_id": "yes", "name": "Allow", "kind": "allow_once"},
        {"option_id": "no", "name": "Reject", "kind": "reject_once"},
    ]
    becomes = {"allow": "allow_once", "deny": "reject_once", "ask": None}
    for number, call in enumerate(
        [
            {"tool": "shell", "arguments": {"cmd": "ls"}},
            {"tool": "shell", "arguments": {"cmd": "cat"}},
            {"tool": "rm", "arguments": {}},
        ]
    ):
        said = done(session.post("/permissions/evaluate", call))["decision"]
        asked = {"request_id": f"r{number}", "turn_id": "t1", "options": options, **call}
        assert done(session.post("/interactions", asked), 201)["decision"] == becomes[said]


def test_a_question_has_conditions_too(session: SessionApi) -> None:
    body = {"tool": "shell"}
    fresh = session.post("/permissions/evaluate", body, headers={"If-Match": '"1"'})
    done(fresh)
    assert fresh.headers["etag"] == '"1"'
    session.say()
    stale = session.post("/permissions/evaluate", body, headers={"If-Match": '"1"'})
    refused(stale, 412, "stale_sequence", head=2)
    for header in ("Cairn-Actor", "Cairn-Causation", "Idempotency-Key"):
        malformed = session.post("/permissions/evaluate", body, headers={header: ""})
        refused(malformed, 400, "malformed_header")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "tool"),
        ({"tool": ""}, "tool"),
        ({"tool": "x" * 201}, "tool"),
        ({"tool": " "}, "tool"),
        ({"tool": "a\u000f"}, "tool"),
        ({"tool": "x", "arguments": []}, "arguments"),
        ({"tool": "x", "arguments": None}, "arguments"),
        ({"tool": "x", "read_only": 1}, "read_only"),
    ],
)
def test_questions_of_the_wrong_shape(session: SessionApi, body: Json, field: str) -> None:
    problem = refused(session.post("/permissions/evaluate", body), 422, "invalid")
    assert problem["errors"][0]["field"] == field


def test_rules_that_fail_closed(session: SessionApi) -> None:
    done(session.put("/permissions", {"deny": ["shell:cmd=*rm*"], "allow": ["shell:cmd=ls*"]}))
    too_long = {"cmd": "ls " + "x" * 70_000}

    assert judged(session, arguments=too_long)["decision"] == "deny"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/permissions", {}),
        ("PUT", "/tool-approval", {"enabled": True}),
        ("POST", "/permissions/evaluate", {"tool": "x"}),
    ],
)
def test_a_session_that_is_no_more_or_never_was(
    session: SessionApi, method: str, path: str, body: Json
) -> None:
    session.delete()
    refuses_to_change_what_is_not_there(session, method, path, body)
    refuses_to_read_what_is_not_there(session, "/permissions")


def test_a_session_can_begin_with_tool_approval_and_limits_of_its_runtime(api: Api) -> None:
    limits = {"iterations": 20, "consecutive_tool_calls": 5}
    session = api.create(tool_approval=True, limits=limits)

    document = session.document()
    assert document["tool_approval"] is True
    assert document["limits"].items() >= limits.items()
    call = session.post("/permissions/evaluate", {"tool": "shell"})
    assert done(call)["decision"] == "allow"
    assert session.types() == ["session.created"]
    body = {"app": "a", "user": "ada"}
    for wrong in (0, 1_000_001, "3"):
        refused(api.post("/v1/sessions", {**body, "limits": {"iterations": wrong}}), 422, "invalid")
    refused(api.post("/v1/sessions", {**body, "tool_approval": 1}), 422, "invalid")
