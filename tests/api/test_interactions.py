"""Requests that wait for a person: asked once, decided once, and never left behind."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from application.ports.clock import Clock
from tests.streams.agent import agents
from tests.support.api import HELLO, Api, Json, SessionApi, done, refused
from tests.support.every_route import refuses_to_change_what_is_not_there
from tests.support.postgres import Server
from tests.support.processes import in_this_process
from tests.support.server import running

OPTIONS = [
    {"option_id": "yes", "name": "Allow", "kind": "allow_once"},
    {"option_id": "no", "name": "Reject", "kind": "reject_once"},
]
SCHEMA = {
    "type": "object",
    "properties": {"size": {"type": "string", "enum": ["S", "M"]}, "name": {"type": "string"}},
    "required": ["size"],
    "additionalProperties": False,
}
FORM = {"kind": "elicitation", "message": "Which size?", "schema": SCHEMA}
VISIT = {"kind": "elicitation", "message": "Sign in", "url": "https://x.test/sign-in"}


def elicit(session: SessionApi, request_id: str = "e1", **body: Any) -> Json:
    asked = {**(VISIT if "url" in body else FORM), "request_id": request_id, **body}
    return done(session.post("/interactions", asked), 201)


def decide(session: SessionApi, request_id: str, **body: Any) -> Any:
    return session.post(f"/interactions/{request_id}/decision", body)


def pending(session: SessionApi, **query: Any) -> list[str]:
    found = done(session.get("/interactions", params=query))["interactions"]
    return [one["request_id"] for one in found]


# ── permissions ──────────────────────────────────────────────────────────────────────────────


def test_a_permission_is_asked_for_with_all_that_can_be_said(session: SessionApi) -> None:
    session.start()
    body = {
        "kind": "permission",
        "request_id": "r 1/2",
        "turn_id": "t1",
        "options": OPTIONS,
        "tool_call_id": "c1",
        "title": "May I?",
        "tool": "shell",
        "arguments": {"cmd": "ls", "deep": [None]},
        "read_only": True,
        "timeout_seconds": 60,
        "meta": {"k": 1},
    }
    response = session.post("/interactions", body)

    asked = done(response, 201)
    where = f"{session.path}/interactions/r%201%2F2"
    assert response.headers["location"] == where
    assert (asked["request_id"], asked["decision"], asked["reason"]) == ("r 1/2", None, None)
    event = session.events()[-1]
    assert (event["type"], event["turn_id"]) == ("permission.requested", "t1")
    assert event["data"]["meta"] == {"k": 1}
    (shown,) = done(session.get("/interactions"))["interactions"]
    assert shown == {
        "request_id": "r 1/2",
        "kind": "permission",
        "turn_id": "t1",
        "tool_call_id": "c1",
        "title": "May I?",
        "tool": "shell",
        "arguments": {"cmd": "ls", "deep": [None]},
        "options": OPTIONS,
        "expires_at": asked["expires_at"],
        "meta": {"k": 1},
        "sequence": 3,
        "requested_at": event["at"],
    }
    assert done(session.get("/snapshot"))["interactions"] == [shown]
    standing = done(session.api.get(where))
    assert (standing["status"], standing["interaction"]) == ("pending", shown)
    wait = datetime.fromisoformat(asked["expires_at"]) - datetime.fromisoformat(event["at"])
    assert timedelta(seconds=59) < wait < timedelta(seconds=61)


def test_a_wrong_option_is_refused_and_the_request_still_pending(session: SessionApi) -> None:
    session.start()
    session.ask()
    with session.nothing_recorded():
        wrong = decide(session, "r1", option_id="perhaps")
        refused(wrong, 422, "option_not_offered", offered=["yes", "no"])
        refused(decide(session, "none", option_id="yes"), 404, "interaction_not_found")
    assert pending(session) == ["r1"]

    decided = done(decide(session, "r1", option_id="no", reason="not now"))
    assert decided["decision"] == "reject_once"
    assert session.events()[-1]["data"] == {
        "request_id": "r1",
        "decision": "reject_once",
        "option_id": "no",
        "reason": "not now",
    }


def test_a_second_decision_is_told_the_first(session: SessionApi) -> None:
    session.start()
    session.ask()
    done(decide(session, "r1", option_id="yes"))

    with session.nothing_recorded():
        for option in ("yes", "no", "perhaps"):
            second = decide(session, "r1", option_id=option)
            told = {"decision": "allow_once", "interaction_id": "r1"}
            refused(second, 409, "interaction_decided", **told)
        refused(session.delete("/interactions/r1"), 409, "interaction_decided")
        other = {"request_id": "r1", "turn_id": "t1", "options": OPTIONS, "title": "Else?"}
        refused(session.post("/interactions", other), 409, "interaction_exists")
    standing = done(session.get("/interactions/r1"))
    assert (standing["status"], standing["decision"]) == ("decided", "allow_once")
    assert standing["interaction"] is None


def test_two_decisions_at_once(postgres_server: Server) -> None:
    """Exactly one wins; the other is told which."""
    with (
        postgres_server.database() as url,
        running(url) as one,
        running(url) as two,
        ThreadPoolExecutor(8) as pool,
    ):
        apis = [Api(one), Api(two)]
        session = apis[0].create()
        session.start()
        for number in range(12):
            session.ask(f"r{number}")
            where = f"{session.path}/interactions/r{number}/decision"
            jobs = [
                pool.submit(api.post, where, {"option_id": option})
                for option in ("yes", "no")
                for api in apis * 2
            ]
            answers = [job.result() for job in jobs]
            (winner,) = [one.json() for one in answers if one.status_code == 200]
            for response in answers:
                if response.status_code != 200:
                    refused(response, 409, "interaction_decided", decision=winner["decision"])
            standing = done(session.get(f"/interactions/r{number}"))
            assert standing["decision"] == winner["decision"]
        decided = [e["data"] for e in session.events() if e["type"] == "permission.decided"]
        assert [e["request_id"] for e in decided] == [f"r{number}" for number in range(12)]
        for api in apis:
            api.close()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (("POST", "/turns/t1/complete"), "turn_completed"),
        (("POST", "/turns/t1/fail"), "turn_failed"),
        (("POST", "/turns/t1/cancel"), "turn_cancelled"),
        (("POST", "/interrupt"), "turn_cancelled"),
        (("POST", "/stop"), "turn_cancelled"),
        (("DELETE", ""), "turn_cancelled"),
    ],
)
def test_the_end_of_its_turn_decides_a_request_in_the_same_append(
    session: SessionApi, end: tuple[str, str], reason: str
) -> None:
    session.start()
    session.ask()
    elicit(session, turn_id="t1")
    before = session.head
    done(session.api.request(end[0], session.path + end[1], json={}))

    ended = [e for e in session.events(since=before) if e["type"] != "inputs.fenced"]
    assert [e["type"] for e in ended[:2]] == ["elicitation.answered", "permission.decided"]
    assert ended[0]["data"] == {"request_id": "e1", "action": "cancelled", "reason": reason}
    assert ended[1]["data"] == {"request_id": "r1", "decision": "cancelled", "reason": reason}
    assert ended[2]["type"] in ("turn.completed", "turn.failed", "turn.cancelled")
    assert len({e["at"] for e in ended}) == 1
    if end[0] == "POST":
        assert pending(session) == []
        late = decide(session, "r1", option_id="yes")
        refused(late, 409, "interaction_decided", decision="cancelled")


def test_a_late_decision_does_not_hit_the_next_request(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1")
    session.ask("r1", "t1")
    session.complete("t1")
    session.ask("r2", "i1")

    with session.nothing_recorded():
        late = decide(session, "r1", option_id="yes")
        refused(late, 409, "interaction_decided", decision="cancelled")
    assert pending(session) == ["r2"]


def test_the_agent_can_take_a_request_back(session: SessionApi) -> None:
    session.start()
    session.ask("r1")
    elicit(session, "e1")
    assert done(session.delete("/interactions/r1"))["decision"] == "cancelled"
    answer = session.delete("/interactions/e1", json={"reason": "found it"})
    assert done(answer)["decision"] == "cancelled"
    assert [e["data"] for e in session.events()[-2:]] == [
        {"request_id": "r1", "decision": "cancelled", "reason": "withdrawn"},
        {"request_id": "e1", "action": "cancelled", "reason": "found it"},
    ]
    with session.nothing_recorded():
        done(session.delete("/interactions/r1"))
        done(session.delete("/interactions/e1"))
        refused(session.delete("/interactions/none"), 404, "interaction_not_found")


def test_a_request_that_nobody_decides_in_time(session: SessionApi) -> None:
    session.start()
    since = session.head
    session.ask("r1", timeout_seconds=1)
    elicit(session, "e1", timeout_seconds=1)

    # Somebody looks after the clock; nothing need be asked of the session.
    seen: list[Json] = []
    decided = "types=permission.decided,elicitation.answered&wait=20s"
    while len(seen) < 2:
        page = done(session.get(f"/events?since={since}&{decided}"))
        since = page["next"]
        assert page["events"], "nobody has looked after the clock"
        seen += page["events"]
    assert pending(session) == []
    assert [e["data"] for e in seen] == [
        {"request_id": "r1", "decision": "timeout", "reason": "expired"},
        {"request_id": "e1", "action": "timeout", "reason": "expired"},
    ]
    with session.nothing_recorded():
        late = decide(session, "r1", option_id="yes")
        refused(late, 409, "interaction_decided", decision="timeout")


class Later:
    """A clock that is ahead of another."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)
        self._now = clock.now
        self.new_id = clock.new_id

    def now(self) -> datetime:
        return self._now() + self._ahead


async def test_a_decision_that_comes_too_late_but_before_the_timeout_is_recorded(
    database_url: str,
) -> None:
    async with (
        in_this_process(database_url=database_url) as (port, services),
        agents(port) as (agent,),
    ):
        session, turn = await agent.busy_session()
        path = f"/v1/sessions/{session}/interactions"
        permission = {"request_id": "r1", "turn_id": turn, "options": OPTIONS}
        for body in (permission, {**FORM, "request_id": "e1"}):
            await agent.do("POST", path, {**body, "timeout_seconds": 60})
        # Whoever looks after the clock has that of the database, where it is still time.
        services.use_cases.interactions._clock = Later(services.store.clock, 60)

        for request_id, decision in (
            ("r1", {"option_id": "yes"}),
            ("e1", {"action": "accept", "content": {"size": "S"}}),
        ):
            late = await agent.ask("POST", f"{path}/{request_id}/decision", decision)
            assert (late.status, late.code) == (409, "interaction_expired")
        log = await agent.log(session)
        assert [e["type"] for e in log[2:]] == ["permission.requested", "elicitation.requested"]


def test_what_an_agent_says_of_a_request_is_kept_as_it_came(session: SessionApi) -> None:
    """Agents put whole scripts into titles, and the beginnings of commands into options."""
    session.start()
    title = "Run\tthis?\r\n" + "cat <<'EOF' > x\n" * 500
    options = [
        {"option_id": "yes", "name": "Yes, and all of: " + "git " * 100, "kind": "allow_once"}
    ]
    body = {"request_id": "r1", "turn_id": "t1", "title": title, "options": options}
    done(session.post("/interactions", body), 201)

    (asked,) = done(session.get("/interactions"))["interactions"]
    assert (asked["title"], asked["options"]) == (title, options)
    too_long = {**body, "request_id": "r2", "title": "x" * 10_001}
    refused(session.post("/interactions", too_long), 422, "invalid")
    session.complete()


@pytest.mark.parametrize("seconds", [0, -1, 604_801, 1.5, "60", True])
def test_a_timeout_is_a_second_to_a_week(session: SessionApi, seconds: Any) -> None:
    session.start()
    with session.nothing_recorded():
        for body in ({"turn_id": "t1", "options": OPTIONS}, FORM):
            response = session.post("/interactions", {**body, "timeout_seconds": seconds})
            problem = refused(response, 422, "invalid")
            assert problem["errors"][0]["field"] == "timeout_seconds"
    for allowed in (1, 604_800, 60.0):
        session.ask(f"r{allowed}", timeout_seconds=allowed)
    # Nobody's clock is to run out while another test looks at the log.
    session.complete()


def test_an_agent_that_asks_again_is_told_what_was_decided(session: SessionApi) -> None:
    session.start()
    about = {"title": "", "tool": "rm", "arguments": {"path": "/", "deep": 2**70}}
    first = session.ask(**about, meta={"try": 1})
    again = {"request_id": "r1", "turn_id": "t1", "options": OPTIONS, **about, "meta": {"try": 2}}

    with session.nothing_recorded():
        pending = done(session.post("/interactions", again))
    assert {k: pending[k] for k in first if k != "position"} == {
        k: first[k] for k in first if k != "position"
    }
    edited = {"path": "/tmp", "deep": 2**70}
    done(decide(session, "r1", option_id="yes", reason="not all", arguments=edited))
    for number in range(100):  # more than are looked at in one go
        session.ask(f"other-{number}")
        session.delete(f"/interactions/other-{number}")
    with session.nothing_recorded():
        told = done(session.post("/interactions", again))
        different = {**again, "arguments": {"path": "/etc"}}
        refused(session.post("/interactions", different), 409, "interaction_exists")

    named = ("decision", "option_id", "reason", "arguments")
    assert [told[name] for name in named] == ["allow_once", "yes", "not all", edited]


@pytest.mark.parametrize("turn", ["t1", None])
def test_an_agent_that_asks_for_content_again_is_told_the_answer(
    session: SessionApi, turn: str | None
) -> None:
    session.start()
    again = {**FORM, "request_id": "e1", **({"turn_id": turn} if turn else {})}
    first = done(session.post("/interactions", {**again, "meta": {"try": 1}}), 201)

    with session.nothing_recorded():
        pending = done(session.post("/interactions", {**again, "meta": {"try": 2}}))
    assert (pending["decision"], pending["content"]) == (None, None)
    assert {**pending, "position": 0} == {**first, "position": 0}
    filled = {"size": "S"}
    done(session.post("/interactions/e1/decision", {"action": "accept", "content": filled}))
    with session.nothing_recorded():
        told = done(session.post("/interactions", again))
        for other in (
            {**again, "message": "Which one?"},
            {**VISIT, "request_id": "e1"},
            {"request_id": "e1", "turn_id": "t1", "options": OPTIONS},
        ):
            refused(session.post("/interactions", other), 409, "interaction_exists")

    assert (told["decision"], told["content"], told["option_id"]) == ("accept", filled, None)


def test_requests_refused(session: SessionApi) -> None:
    session.start()
    session.ask("r1")
    body: Json = {"turn_id": "t1", "options": OPTIONS}
    with session.nothing_recorded():
        taken = session.post("/interactions", {**body, "request_id": "r1", "tool": "rm"})
        refused(taken, 409, "interaction_exists")
        taken = session.post("/interactions", {**FORM, "request_id": "r1"})
        refused(taken, 409, "interaction_exists")
        none = session.post("/interactions", {**body, "turn_id": "none"})
        refused(none, 404, "turn_not_found")
        none = session.post("/interactions", {**FORM, "turn_id": "none"})
        refused(none, 404, "turn_not_found")
        twins = {**body, "options": OPTIONS * 2}
        refused(session.post("/interactions", twins), 422, "invalid", field="options")


# ── rules ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rules", "call", "decision", "option_id", "reason"),
    [
        ({"allow": ["shell:cmd=ls*"]}, {}, "allow_once", "yes", "allow_rule shell:cmd=ls*"),
        ({"deny": ["shell"], "allow": ["*"]}, {}, "reject_once", "no", "deny_rule shell"),
        ({"mode": "approve-reads"}, {"read_only": True}, "allow_once", "yes", "read_only"),
        ({"mode": "approve-all"}, {}, "allow_once", "yes", "mode"),
        ({"mode": "deny-all"}, {"read_only": True}, "reject_once", "no", "mode"),
    ],
)
def test_the_rules_may_decide_at_once(
    session: SessionApi, rules: Json, call: Json, decision: str, option_id: str, reason: str
) -> None:
    session.start()
    done(session.put("/permissions", rules))
    asked = session.ask(tool="shell", arguments={"cmd": "ls -l"}, **call)

    assert (asked["decision"], asked["option_id"], asked["reason"]) == (decision, option_id, reason)
    assert session.types()[-2:] == ["permission.requested", "permission.decided"]
    assert pending(session) == []
    assert done(session.get("/status"))["status"] == "running"
    with session.nothing_recorded():
        refused(decide(session, "r1", option_id="yes"), 409, "interaction_decided")


@pytest.mark.parametrize(
    ("rules", "call"),
    [
        ({}, {"tool": "shell"}),
        ({"ask": ["shell"], "mode": "approve-all"}, {"tool": "shell"}),
        ({"allow": ["other"]}, {"tool": "shell"}),
        ({"mode": "approve-reads"}, {"tool": "shell"}),
        # Nothing can be said of a request that names no tool.
        ({"mode": "approve-all"}, {}),
    ],
)
def test_or_leave_it_to_a_person(session: SessionApi, rules: Json, call: Json) -> None:
    session.start()
    done(session.put("/permissions", rules))

    assert session.ask(**call)["decision"] is None
    assert pending(session) == ["r1"]
    assert done(session.get("/status"))["status"] == "waiting"


def test_what_is_denied_where_no_option_says_no_does_not_hang_about(session: SessionApi) -> None:
    session.start()
    done(session.put("/permissions", {"deny": ["shell"]}))

    asked = session.ask(tool="shell", options=OPTIONS[:1])
    assert (asked["decision"], asked["option_id"]) == ("cancelled", None)
    assert pending(session) == []


def test_approval_once_counts_once(session: SessionApi) -> None:
    session.start()
    session.ask("r1", tool="shell")
    done(decide(session, "r1", option_id="yes", grant="once"))

    assert session.ask("r2", tool="shell")["decision"] is None
    assert "grant" not in session.events()[-2]["data"]


def test_approval_of_a_tool_counts_for_the_running_turn_and_those_to_come(
    session: SessionApi,
) -> None:
    session.start()
    session.ask("r1", tool="a:b*")
    done(decide(session, "r1", option_id="yes", grant="tool"))

    assert session.types()[-2:] == ["permission.decided", "permissions.replaced"]
    decided, replaced = [e["data"] for e in session.events()[-2:]]
    assert decided["grant"] == "tool"
    # Exactly this tool, whatever its name looks like.
    assert replaced["permissions"]["allow"] == ["a\\:b[*]"]
    assert session.ask("r2", tool="a:b*")["decision"] == "allow_once"
    assert session.ask("r3", tool="a:bc")["decision"] is None
    done(decide(session, "r3", option_id="no"))
    session.complete()
    session.start("t2")
    assert session.ask("r4", "t2", tool="a:b*")["decision"] == "allow_once"


def test_approval_for_the_session_switches_tool_approval_on(session: SessionApi) -> None:
    session.start()
    done(session.put("/permissions", {"deny": ["rm"]}))
    session.ask("r1", tool="shell")
    done(decide(session, "r1", option_id="yes", grant="session"))

    assert session.types()[-2:] == ["permission.decided", "tool_approval.enabled"]
    assert done(session.get())["session"]["tool_approval"] is True
    assert session.ask("r2", tool="anything")["decision"] == "allow_once"
    assert session.ask("r3", tool="rm")["decision"] == "reject_once"


def test_grants_that_make_no_sense(session: SessionApi) -> None:
    session.start()
    session.ask("r1", tool="shell")
    session.ask("r2")
    with session.nothing_recorded():
        for grant in ("session", "tool"):
            no = decide(session, "r1", option_id="no", grant=grant)
            refused(no, 422, "invalid", field="grant")
        unnamed = decide(session, "r2", option_id="yes", grant="tool")
        refused(unnamed, 422, "invalid", field="grant")
        unknown = decide(session, "r1", option_id="yes", grant="forever")
        assert refused(unknown, 422, "invalid")["errors"][0]["field"] == "grant"
    assert pending(session) == ["r1", "r2"]


# ── elicitations ─────────────────────────────────────────────────────────────────────────────


def test_content_is_asked_for_and_held_to_its_schema(session: SessionApi) -> None:
    session.start()
    asked = elicit(session, turn_id="t1", timeout_seconds=60, meta={"k": 1})
    assert asked["decision"] is None
    (shown,) = done(session.get("/interactions"))["interactions"]
    assert shown == {
        "request_id": "e1",
        "kind": "elicitation",
        "turn_id": "t1",
        "message": "Which size?",
        "schema": SCHEMA,
        "url": None,
        "expires_at": asked["expires_at"],
        "meta": {"k": 1},
        "sequence": 3,
        "requested_at": session.events()[-1]["at"],
    }
    assert done(session.get("/snapshot"))["interactions"] == [shown]
    assert done(session.get("/status"))["status"] == "waiting"
    with session.nothing_recorded():
        wrong: Any
        for wrong in ({}, {"size": "XXL"}, {"size": "S", "name": 1}, {"size": "S", "x": 1}):
            response = decide(session, "e1", action="accept", content=wrong)
            problem = refused(response, 422, "content_invalid")
            assert problem["violations"]
        # What was answered may be a secret: a refusal does not repeat it.
        assert "XXL" not in decide(session, "e1", action="accept", content={"size": "XXL"}).text
        for body in ({"action": "accept"}, {"action": "decline", "content": {"size": "S"}}):
            refused(decide(session, "e1", **body), 422, "invalid", field="content")
    assert pending(session) == ["e1"]

    answered = done(decide(session, "e1", action="accept", content={"size": "M"}))
    assert answered["decision"] == "accept"
    assert session.events()[-1]["data"] == {
        "request_id": "e1",
        "action": "accept",
        "content": {"size": "M"},
    }
    with session.nothing_recorded():
        second = decide(session, "e1", action="decline")
        refused(second, 409, "interaction_decided", decision="accept")


def test_a_person_may_decline(session: SessionApi) -> None:
    elicit(session)

    assert done(decide(session, "e1", action="decline"))["decision"] == "decline"
    assert session.events()[-1]["data"] == {"request_id": "e1", "action": "decline"}


def test_a_person_may_turn_away_without_an_answer(session: SessionApi) -> None:
    elicit(session)

    assert done(decide(session, "e1", action="cancel"))["decision"] == "cancelled"
    with session.nothing_recorded():
        refused(decide(session, "e1", action="cancel"), 409, "interaction_decided")
        refused(decide(session, "e2", action="stop"), 422, "invalid")


def in_turn(session: SessionApi, turn_id: str = "t1", **body: Any) -> Any:
    return session.post(f"/turns/{turn_id}/decision", body)


def test_the_only_request_of_a_turn_is_decided_by_the_turn(session: SessionApi) -> None:
    session.start()
    session.ask(request_id="r1")
    elicit(session, turn_id="t1")

    assert done(in_turn(session, option_id="yes"))["request_id"] == "r1"
    assert done(in_turn(session, action="accept", content={"size": "M"}))["request_id"] == "e1"
    with session.nothing_recorded():
        refused(in_turn(session, option_id="yes"), 404, "interaction_not_found")
        refused(in_turn(session, "t9", option_id="yes"), 404, "interaction_not_found")
        refused(in_turn(session, option=1), 422, "invalid")


def test_where_several_are_pending_in_a_turn_the_candidates_are_named(session: SessionApi) -> None:
    session.start()
    session.ask(request_id="r2")
    session.ask(request_id="r1")
    with session.nothing_recorded():
        problem = refused(in_turn(session, option_id="yes"), 409, "ambiguous_interaction")
        assert problem["candidates"] == ["r2", "r1"]
    done(decide(session, "r2", option_id="no"))
    assert done(in_turn(session, option_id="yes"))["request_id"] == "r1"


def test_a_decision_by_turn_with_its_key_is_answered_as_before(session: SessionApi) -> None:
    session.start()
    session.ask(request_id="r1")
    key = {"Idempotency-Key": "once"}
    first = session.post("/turns/t1/decision", {"option_id": "yes"}, headers=key)
    again = session.post("/turns/t1/decision", {"option_id": "yes"}, headers=key)
    assert done(again) == done(first)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_something_done_at_a_url_has_no_content(session: SessionApi) -> None:
    elicit(session, url="https://x.test/sign-in")
    (shown,) = done(session.get("/interactions"))["interactions"]
    assert (shown["url"], shown["schema"]) == ("https://x.test/sign-in", None)
    with session.nothing_recorded():
        refused(decide(session, "e1", action="accept", content={}), 422, "invalid", field="content")

    assert done(decide(session, "e1", action="accept"))["decision"] == "accept"


def test_content_can_be_asked_for_while_no_turn_runs_and_outlives_turns(
    session: SessionApi,
) -> None:
    elicit(session, "e1")
    session.start()
    session.complete()
    assert pending(session) == ["e1"]
    assert done(session.get("/status"))["status"] == "idle"

    done(session.post("/stop"))
    assert session.events()[-2]["data"] == {
        "request_id": "e1",
        "action": "cancelled",
        "reason": "session_stopped",
    }


def test_each_kind_has_its_own_answer(session: SessionApi) -> None:
    session.start()
    session.ask("r1")
    elicit(session, "e1")
    with session.nothing_recorded():
        mixed = decide(session, "e1", option_id="yes")
        refused(mixed, 409, "wrong_interaction", kind="elicitation")
        mixed = decide(session, "r1", action="accept", content={})
        refused(mixed, 409, "wrong_interaction", kind="permission")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "question"}, "kind"),
        ({"kind": "elicitation", "message": "?"}, "schema"),
        ({**FORM, "url": "https://x.test"}, "url"),
        ({**VISIT, "url": "ftp://x.test"}, "url"),
        ({**VISIT, "url": "javascript:alert(1)"}, "url"),
        ({**VISIT, "url": "https://x.test/a\nb"}, "url"),
        ({**VISIT, "url": "https://x.test/" + "x" * 2000}, "url"),
        ({**VISIT, "message": ""}, "message"),
        ({**VISIT, "message": " \n"}, "message"),
        ({**VISIT, "message": "x" * 10_001}, "message"),
        ({**VISIT, "options": OPTIONS}, "options"),
        ({**FORM, "schema": []}, "schema"),
        ({**FORM, "form": {}}, "form"),
        ({**FORM, "schema": {"type": "string"}}, "schema.type"),
        ({"turn_id": "t1", "options": OPTIONS, "schema": {}}, "schema"),
        ({"turn_id": "t1", "options": [{**OPTIONS[0], "kind": "timeout"}]}, "options"),
        ({"turn_id": "t1", "options": OPTIONS, "arguments": []}, "arguments"),
    ],
)
def test_requests_of_the_wrong_shape(session: SessionApi, body: Json, field: str) -> None:
    session.start()
    with session.nothing_recorded():
        problem = refused(session.post("/interactions", body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"type": "colour"}, "schema.type"),
        ({"type": "object", "properties": []}, "schema.properties"),
        ({**SCHEMA, "$ref": "https://x.test/elsewhere"}, "schema.$ref"),
        ({**SCHEMA, "properties": {"a": {"type": "object"}}}, "schema.properties.a.type"),
        (
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
            "schema.properties.a.pattern",
        ),
        ({"type": "object", "properties": {}, "title": "x" * 70_000}, "schema"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_when_it_is_asked_with(
    session: SessionApi, schema: Json, field: str
) -> None:
    with session.nothing_recorded():
        problem = refused(session.post("/interactions", {**FORM, "schema": schema}), 422, "invalid")
        assert field in [one["field"] for one in problem["errors"]]
        assert problem["detail"].startswith("schema")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "option_id"),
        ({"option_id": "yes", "action": "accept"}, "option_id"),
        ({"action": "stop"}, "action"),
        ({"action": "accept", "content": []}, "content"),
        ({"option_id": "yes", "content": {}}, "content"),
        ({"option_id": "yes", "reason": "x" * 2049}, "reason"),
    ],
)
def test_decisions_of_the_wrong_shape(session: SessionApi, body: Json, field: str) -> None:
    session.start()
    session.ask()
    with session.nothing_recorded():
        problem = refused(decide(session, "r1", **body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


# ── lists ────────────────────────────────────────────────────────────────────────────────────


def test_lists_show_one_kind_or_both_and_what_was_decided_last(session: SessionApi) -> None:
    session.start()
    session.ask("r1", tool="shell")
    session.ask("r2")
    elicit(session, "e1")
    elicit(session, "e2")
    done(decide(session, "r1", option_id="yes", grant="tool", reason="fine"))
    done(decide(session, "e1", action="accept", content={"size": "S"}))

    assert pending(session) == pending(session, pending="true") == ["r2", "e2"]
    assert pending(session, kind="permission") == ["r2"]
    assert pending(session, kind="elicitation") == ["e2"]
    assert done(session.get("/interactions"))["decided"] == []
    both = done(session.get("/interactions?pending=false"))
    assert [one["request_id"] for one in both["interactions"]] == ["r2", "e2"]
    permission, elicitation = both["decided"]
    event = next(e for e in session.events() if e["type"] == "permission.decided")
    assert permission == {
        "request_id": "r1",
        "kind": "permission",
        "decision": "allow_once",
        "option_id": "yes",
        "grant": "tool",
        "arguments": None,
        "content": None,
        "reason": "fine",
        "sequence": event["sequence"],
        "decided_at": event["at"],
    }
    assert (elicitation["kind"], elicitation["decision"]) == ("elicitation", "accept")
    assert elicitation["content"] == {"size": "S"}
    only = done(session.get("/interactions?pending=false&kind=permission"))
    assert only["decided"] == [permission]
    assert done(session.get("/interactions?pending=false&limit=1"))["decided"] == [elicitation]
    for wrong in ("kind=question", "pending=maybe", "limit=0"):
        name = wrong.partition("=")[0]
        refused(session.get(f"/interactions?{wrong}"), 400, "invalid_parameter", field=name)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/interactions", FORM),
        ("POST", "/interactions", {"turn_id": "t1", "options": OPTIONS}),
        ("POST", "/interactions/r1/decision", {"option_id": "yes"}),
        ("POST", "/interactions/r1/decision", {"action": "decline"}),
        ("DELETE", "/interactions/r1", {}),
    ],
)
def test_commands_to_a_session_that_is_no_more_or_never_was(
    session: SessionApi, method: str, path: str, body: Json
) -> None:
    session.start()
    session.ask()
    session.delete()
    refuses_to_change_what_is_not_there(session, method, path, body)


def test_a_session_that_is_stopped_is_asked_nothing(session: SessionApi) -> None:
    done(session.post("/stop"))
    with session.nothing_recorded():
        refused(session.post("/interactions", FORM), 409, "session_stopped")
        refused(decide(session, "never", option_id="yes"), 409, "session_stopped")


def test_too_many_of_both_kinds_together(session: SessionApi) -> None:
    session.start()
    for number in range(50):
        session.ask(f"r{number}")
        elicit(session, f"e{number}")
    with session.nothing_recorded():
        for body in (FORM, {"turn_id": "t1", "options": OPTIONS}):
            over = session.post("/interactions", body)
            refused(over, 429, "limit_reached")
            assert over.headers["retry-after"].isdigit()
    done(session.delete("/interactions/r0"))
    elicit(session, "one more")


def test_what_the_agent_says_while_it_waits_does_not_matter(session: SessionApi) -> None:
    session.start()
    session.ask()
    session.record(("agent.message", {"parts": HELLO}))

    assert pending(session) == ["r1"]
