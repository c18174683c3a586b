"""The life of a session over HTTP: begin, activate, stop, resume, clear, rewind and delete."""

from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import HELLO, Api, SessionApi, done, refused
from tests.support.every_route import refuses_to_change_what_is_not_there

TEXT = {"parts": HELLO}
REASONS = [
    # cause, detail given, reason, detail stored, kind of the failure
    ("completed", "all done", "completed", None, None),
    ("completed", None, "completed", None, None),
    ("failed", "oh", "error", "oh", "unknown_failure"),
    ("user_requested", None, "user_canceled", None, "cancellation"),
    ("user_requested", "at MAX_ITERATIONS", "max_iterations", "at MAX_ITERATIONS", "cancellation"),
    ("user_requested", "a loop_detected here", "loop_detected", "a loop_detected here",
     "cancellation"),
    ("user_requested", "budget_exceeded", "budget_exceeded", "budget_exceeded", "cancellation"),
    ("shutdown", None, "shutdown", "server shutdown", None),
    ("shutdown", "for an update", "shutdown", "for an update", None),
    ("hook_denied", "not now", "hook_stopped", "not now", "permission_failure"),
    ("process_exited", None, "error", "process exited unexpectedly", None),
    ("timeout", None, "timeout", "activity_timeout", "timeout"),
    ("timeout", "too long", "timeout", "too long", "timeout"),
    ("clear_conversation", None, "completed", "conversation cleared", None),
    ("clear_conversation", "anew", "completed", "anew", None),
]  # fmt: skip


def kind_of(failure: Any) -> str | None:
    return None if failure is None else failure["kind"]


# ── beginning ────────────────────────────────────────────────────────────────────────────────


def test_a_session_begins_with_its_rules_and_limits(api: Api) -> None:
    body = {
        "type": "coordinator",
        "starting": True,
        "permissions": {"mode": "approve-reads", "allow": ["read*"], "ask": [], "deny": ["rm*"]},
        "grants": {"tools": ["b", " a ", "b"], "skills": ["s"]},
        "limits": {"queued_inputs": 3, "input_bytes": 512, "turn_seconds": 60, "children": 0,
                   "depth": 2, "iterations": 20, "consecutive_tool_calls": 5},
        "ttl_seconds": 3600,
    }  # fmt: skip
    session = api.create(**body)

    shown = session.document()
    assert (shown["type"], shown["status"], shown["badge"]) == (
        "coordinator",
        "starting",
        "running",
    )
    assert shown["permissions"] == body["permissions"]
    assert shown["limits"] == body["limits"]
    assert shown["expires_at"] > shown["created_at"]
    created = session.events()[0]["data"]
    assert created["grants"]["tools"] == ["a", "b"]
    assert created["ttl_seconds"] == 3600
    assert done(session.get("/snapshot"))["session"]["limits"] == body["limits"]


@pytest.mark.parametrize("kind", ["user", "dream", "system"])
def test_the_type_of_a_session_is_a_filter_of_the_list(api: Api, kind: str) -> None:
    session = api.create(type=kind)

    page = done(api.get("/v1/sessions", params={"type": kind, "user": session.user}))
    assert [one["id"] for one in page["sessions"]] == [session.id]
    other = done(api.get("/v1/sessions", params={"type": "coordinator", "user": session.user}))
    assert other["sessions"] == []


def test_created_again_with_other_limits_is_another_session(api: Api) -> None:
    session = api.create(limits={"depth": 1})
    same = {"id": session.id, "app": session.app, "user": session.user}

    with session.nothing_recorded():
        done(api.post("/v1/sessions", {**same, "limits": {"depth": 1}}))
        for other in ({}, {"limits": {"depth": 2}}, {"limits": {"depth": 1}, "starting": True}):
            refused(api.post("/v1/sessions", {**same, **other}), 409, "session_exists")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"type": "spawned"}, "type"),
        ({"type": "boss"}, "type"),
        ({"type": None}, "type"),
        ({"type": "coordinator"}, "ttl_seconds"),
        ({"starting": "yes"}, "starting"),
        ({"permissions": []}, "permissions"),
        ({"permissions": {"mode": "approve"}}, "permissions.mode"),
        ({"permissions": {"allow": "x"}}, "permissions.allow"),
        ({"permissions": {"allow": ["a"] * 201}}, "permissions.allow"),
        ({"permissions": {"deny": [""]}}, "permissions.deny[0]"),
        ({"permissions": {"ask": ["x" * 501]}}, "permissions.ask[0]"),
        ({"permissions": {"ask": ["ok", "a:b=["]}}, "ask[1]"),
        ({"permissions": {"never": []}}, "permissions.never"),
        ({"grants": {"tools": [""]}}, "grants.tools[0]"),
        ({"grants": {"tools": [" "]}}, "tools[0]"),
        ({"grants": {"skills": ["a\u0000"]}}, "skills[0]"),
        ({"grants": {"skills": ["x" * 1025]}}, "grants.skills[0]"),
        ({"grants": {"tools": ["a"] * 1001}}, "grants.tools"),
        ({"grants": {"doors": []}}, "grants.doors"),
        ({"limits": {"queued_inputs": 0}}, "limits.queued_inputs"),
        ({"limits": {"queued_inputs": 1001}}, "limits.queued_inputs"),
        ({"limits": {"input_bytes": 511}}, "limits.input_bytes"),
        ({"limits": {"turn_seconds": 604_801}}, "limits.turn_seconds"),
        ({"limits": {"children": -1}}, "limits.children"),
        ({"limits": {"depth": 17}}, "limits.depth"),
        ({"limits": {"depth": 1.5}}, "limits.depth"),
        ({"limits": {"height": 1}}, "limits.height"),
        ({"ttl_seconds": 0}, "ttl_seconds"),
        ({"ttl_seconds": 366 * 24 * 3600 + 1}, "ttl_seconds"),
        ({"ttl_seconds": "60"}, "ttl_seconds"),
    ],
)  # fmt: skip
def test_a_beginning_that_makes_no_sense(api: Api, wrong: dict[str, Any], field: str) -> None:
    with api.nothing_recorded():
        response = api.post("/v1/sessions", {"app": "a", "user": "u", **wrong})
        problem = refused(response, 422, "invalid")
        assert problem["errors"][0]["field"] == field


def test_the_bounds_themselves_are_taken(api: Api) -> None:
    least = {"queued_inputs": 1, "input_bytes": 512, "turn_seconds": 1, "children": 0, "depth": 0}
    most = {"queued_inputs": 1000, "input_bytes": 1024 * 1024, "turn_seconds": 604_800,
            "children": 1000, "depth": 16}  # fmt: skip
    for limits, ttl_seconds in ((least, 1), (most, 366 * 24 * 3600)):
        session = api.create(limits=limits, ttl_seconds=ttl_seconds)
        created = session.events()[0]["data"]
        # Before its time is up: nothing may be recorded while others look.
        session.delete()
        assert (created["limits"], created["ttl_seconds"]) == (limits, ttl_seconds)


# ── starting ─────────────────────────────────────────────────────────────────────────────────


def test_a_starting_session_takes_no_turns_until_it_is_activated(api: Api) -> None:
    session = api.create(starting=True)
    assert done(session.get("/status"))["status"] == "starting"
    with session.nothing_recorded():
        refused(session.post("/turns", {"input": TEXT}), 409, "session_starting")
    listed = done(api.get("/v1/sessions", params={"status": "starting", "user": session.user}))
    assert [one["id"] for one in listed["sessions"]] == [session.id]

    answer = done(session.post("/activate"))
    assert (answer["status"], answer["activation"], answer["sequence"]) == ("idle", 1, 2)
    with session.nothing_recorded():
        assert done(session.post("/activate"))["status"] == "idle"
    session.start()


def test_a_failed_start_stays_visible(api: Api) -> None:
    session = api.create(starting=True)
    failure = {
        "kind": "handshake_failure", "summary": "no answer, api_key=abcdef0123456789",
        "bundle": "https://ada:abcdef@crash.test/1",
    }  # fmt: skip

    answer = done(session.post("/fail-start", {"failure": failure}))
    clean = {
        "kind": "handshake_failure", "summary": "no answer, api_key=[redacted]",
        "bundle": "https://[redacted]@crash.test/1",
    }  # fmt: skip
    assert (answer["status"], answer["cause"], answer["reason"]) == ("stopped", "failed", "error")
    assert answer["failure"] == clean
    assert session.types() == ["session.created", "session.start_failed", "session.stopped"]
    assert "abcdef" not in str(session.events())
    shown = session.document()
    assert (shown["status"], shown["badge"], shown["failure"]) == ("stopped", "failed", clean)
    page = done(api.get("/v1/sessions", params={"user": session.user, "badge": "failed"}))
    assert [one["id"] for one in page["sessions"]] == [session.id]
    with session.nothing_recorded():
        assert done(session.post("/fail-start", {"failure": failure}))["failure"] == clean
        other = session.post("/fail-start", {"failure": {"kind": "timeout"}})
        refused(other, 409, "session_stopped", cause="failed")
        refused(session.post("/activate"), 409, "session_stopped")
    resumed = done(session.post("/resume", {"starting": True}))
    assert (resumed["status"], resumed["activation"]) == ("starting", 2)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("cancellation", "user_canceled"), ("timeout", "timeout"), ("process_exit", "agent_crashed"),
     ("startup_failure", "error"), ("of my own", "error")],
)  # fmt: skip
def test_the_reason_of_a_failed_start_is_that_of_its_kind(api: Api, kind: str, reason: str) -> None:
    session = api.create(starting=True)

    answer = done(session.post("/fail-start", {"failure": {"kind": kind}}))
    assert (answer["reason"], answer["failure"]) == (
        reason, {"kind": kind, "summary": None, "bundle": None}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "failure"),
        ({"failure": None}, "failure"),
        ({"failure": {}}, "failure.kind"),
        ({"failure": {"kind": ""}}, "failure.kind"),
        ({"failure": {"kind": " "}}, "failure.kind"),
        ({"failure": {"kind": "x" * 201}}, "failure.kind"),
        ({"failure": {"kind": "k", "summary": "x" * 2049}}, "failure.summary"),
        ({"failure": {"kind": "k", "bundle": "x" * 2049}}, "failure.bundle"),
        ({"failure": {"kind": "k", "path": "x"}}, "failure.path"),
    ],
)
def test_a_failed_start_that_says_nothing(api: Api, body: dict[str, Any], field: str) -> None:
    session = api.create(starting=True)

    with session.nothing_recorded():
        problem = refused(session.post("/fail-start", body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


def test_an_active_session_does_not_fail_to_start(session: SessionApi) -> None:
    with session.nothing_recorded():
        response = session.post("/fail-start", {"failure": {"kind": "timeout"}})
        refused(response, 409, "session_active")


def test_a_session_that_stops_is_not_activated(session: SessionApi) -> None:
    session.start()
    done(session.post("/stop", {"when_idle": True}))

    with session.nothing_recorded():
        refused(session.post("/activate"), 409, "session_stopping")


# ── stopping ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("cause", "given", "reason", "detail", "kind"), REASONS)
def test_the_reason_and_the_failure_go_by_the_cause(
    session: SessionApi,
    cause: str,
    given: str | None,
    reason: str,
    detail: str | None,
    kind: str | None,
) -> None:
    answer = done(session.post("/stop", {"cause": cause, "detail": given}))

    assert (answer["cause"], answer["reason"], kind_of(answer["failure"])) == (cause, reason, kind)
    shown = session.document()
    assert shown["stop"] == {"cause": cause, "reason": reason, "detail": detail}
    assert kind_of(shown["failure"]) == kind
    stopped = session.events()[-1]["data"]
    assert (stopped["cause"], stopped["reason"], stopped.get("detail")) == (cause, reason, detail)


def test_a_failure_that_is_given_is_the_one_that_is_kept(session: SessionApi) -> None:
    given = {"kind": "transport_failure", "summary": "https://ada:secret@example.test broke"}
    answer = done(session.post("/stop", {"cause": "user_requested", "failure": given}))

    summary = "https://[redacted]@example.test broke"
    kept = {"kind": "transport_failure", "summary": summary, "bundle": None}
    assert (answer["reason"], answer["failure"]) == ("user_canceled", kept)
    assert "secret" not in str(session.events())


def test_a_process_that_exits_in_a_turn_has_crashed(session: SessionApi) -> None:
    session.start()
    answer = done(session.post("/stop", {"cause": "process_exited"}))

    assert answer["reason"] == "agent_crashed"
    assert kind_of(answer["failure"]) == "process_exit"
    assert session.types()[-2:] == ["turn.cancelled", "session.stopped"]


def test_a_detail_is_stored_without_secrets(session: SessionApi) -> None:
    done(session.post("/stop", {"detail": "password=hunter2 was wrong"}))

    assert session.document()["stop"]["detail"] == "password=[redacted] was wrong"
    assert "hunter2" not in str(session.events())


def test_stopping_when_idle_lets_the_turn_end(session: SessionApi) -> None:
    session.start()
    answer = done(session.post("/stop", {"when_idle": True, "detail": "later"}))
    assert (answer["status"], answer["cause"]) == ("stopping", "user_requested")

    with session.nothing_recorded():
        assert done(session.post("/stop", {"when_idle": True}))["status"] == "stopping"
        refused(session.post("/turns", {"input": TEXT}), 409, "session_stopping")
        refused(session.post("/resume"), 409, "session_stopping")
        refused(session.post("/clear"), 409, "session_stopping")
    session.complete()
    assert session.types()[-2:] == ["turn.completed", "session.stopped"]
    stop = session.document()["stop"]
    assert stop == {"cause": "user_requested", "reason": "user_canceled", "detail": "later"}


def test_stopping_at_once_after_stopping_when_idle_keeps_the_first_cause(
    session: SessionApi,
) -> None:
    session.start()
    done(session.post("/stop", {"when_idle": True, "cause": "timeout"}))
    answer = done(session.post("/stop", {"cause": "failed"}))

    assert (answer["status"], answer["cause"]) == ("stopped", "timeout")
    assert session.types()[-2:] == ["turn.cancelled", "session.stopped"]


def test_what_a_process_died_of_is_told_whoever_wanted_it_to_stop(session: SessionApi) -> None:
    session.start()
    done(session.post("/stop", {"when_idle": True}))
    crash = {"kind": "process_exit", "summary": "exit status 139", "bundle": None}
    answer = done(session.post("/stop", {"cause": "process_exited", "failure": crash}))

    assert (answer["cause"], answer["reason"]) == ("user_requested", "user_canceled")
    assert answer["failure"] == session.document()["failure"] == crash


def test_stopping_when_idle_is_at_once_when_nothing_runs(session: SessionApi) -> None:
    assert done(session.post("/stop", {"when_idle": True}))["status"] == "stopped"


# ── resuming ─────────────────────────────────────────────────────────────────────────────────


def test_a_resumed_session_keeps_its_history_and_tells_its_crash(session: SessionApi) -> None:
    session.say(id="m1")
    session.start()
    done(session.post("/stop", {"cause": "process_exited"}))

    resumed = done(session.post("/resume"))
    crash = {
        "kind": "process_exit", "summary": "the process exited during a turn", "bundle": None
    }  # fmt: skip
    assert resumed["kept"] == {"crash": crash}
    assert (resumed["status"], resumed["activation"], resumed["cause"]) == ("idle", 2, None)
    shown = session.document()
    assert (shown["failure"], shown["stop"], shown["id"]) == (crash, None, session.id)
    assert done(session.get("/messages"))["messages"][0]["id"] == "m1"
    with session.nothing_recorded():
        assert done(session.post("/resume"))["kept"] == {"crash": crash}

    done(session.post("/stop", {"cause": "completed"}))
    assert session.document()["failure"] is None
    assert done(session.post("/resume"))["kept"] == {"crash": None}
    assert session.document()["activation"] == 3


def test_a_resume_keeps_no_failure_that_was_no_crash(session: SessionApi) -> None:
    done(session.post("/stop", {"cause": "timeout"}))
    assert kind_of(session.document()["failure"]) == "timeout"

    assert done(session.post("/resume"))["kept"] == {"crash": None}
    assert session.document()["failure"] is None


def test_resumed_as_starting_it_has_to_be_activated(session: SessionApi) -> None:
    session.post("/stop")
    assert done(session.post("/resume", {"starting": True}))["status"] == "starting"
    with session.nothing_recorded():
        refused(session.post("/turns", {"input": TEXT}), 409, "session_starting")
    done(session.post("/activate"))
    session.start()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/stop", {"when_idle": 1}, "when_idle"),
        ("/stop", {"detail": "x" * 2049}, "detail"),
        ("/stop", {"detail": 1}, "detail"),
        ("/stop", {"failure": {"kind": "\u0001"}}, "failure.kind"),
        ("/resume", {"starting": "no"}, "starting"),
        ("/activate", {"now": True}, "now"),
        ("/clear", {"epoch": 1}, "epoch"),
        ("/rewind", {}, "to"),
        ("/rewind", {"to": 0}, "to"),
        ("/rewind", {"to": -1}, "to"),
        ("/rewind", {"to": "1"}, "to"),
        ("/rewind", {"to": 1, "at": 1}, "at"),
    ],
)
def test_bodies_that_make_no_sense(
    session: SessionApi, path: str, body: dict[str, Any], field: str
) -> None:
    with session.nothing_recorded():
        problem = refused(session.post(path, body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


# ── clearing and rewinding ───────────────────────────────────────────────────────────────────


def test_clearing_raises_the_epoch_and_cuts_nothing(session: SessionApi) -> None:
    session.say("old", id="m1")
    done(session.patch("/state", {"set": {"k": 1}}))
    head = session.head

    assert done(session.post("/clear"))["epoch"] == 1
    snapshot = done(session.get("/snapshot"))
    assert ([one["kind"] for one in snapshot["transcript"]], snapshot["epoch"]) == (
        ["conversation_cleared"],
        1,
    )
    assert snapshot["state"] == {"k": 1}
    (mark,) = done(session.get("/messages"))["messages"]
    assert (mark["kind"], mark["epoch"]) == ("conversation_cleared", 1)
    assert done(session.get("/messages?format=ui"))["messages"] == []
    since = done(session.get("/events", params={"since": head}))["events"]
    assert [(one["type"], one["sequence"]) for one in since] == [("conversation.cleared", head + 1)]
    assert len(session.events()) == head + 1
    assert done(session.get("/snapshot", params={"at": head}))["epoch"] == 0
    assert len(done(session.get("/snapshot", params={"at": head}))["transcript"]) == 1

    session.say("new", id="m2")
    assert [one["id"] for one in done(session.get("/messages"))["messages"]][1:] == ["m2"]
    assert done(session.post("/clear"))["epoch"] == 2
    assert session.document()["epoch"] == 2
    with session.nothing_recorded():
        assert done(session.post("/clear"))["epoch"] == 2


def test_clearing_waits_for_the_turn(session: SessionApi) -> None:
    session.start()
    with session.nothing_recorded():
        refused(session.post("/clear"), 409, "turn_in_progress", turn_id="t1")
    session.complete()
    done(session.post("/clear"))


def test_a_stopped_session_can_be_cleared(session: SessionApi) -> None:
    session.post("/stop")
    assert done(session.post("/clear"))["epoch"] == 1
    assert session.document()["status"] == "stopped"


def test_rewinding_brings_back_what_was_said_and_known(session: SessionApi) -> None:
    session.say("one", id="m1")
    done(session.patch("/state", {"set": {"kept": 1, "changed": "a", "gone": True}}))
    to = session.head
    session.say("two", id="m2")
    done(session.patch("/state", {"set": {"changed": "b", "new": 1}, "delete": ["gone"]}))

    answer = done(session.post("/rewind", {"to": to}))
    assert (answer["epoch"], answer["sequence"]) == (1, to + 3)
    snapshot = done(session.get("/snapshot"))
    assert [entry["id"] for entry in snapshot["transcript"]] == ["m1"]
    assert snapshot["state"] == {"kept": 1, "changed": "a", "gone": True}
    rewound = session.events()[-1]
    assert rewound["data"] == {
        "to": to, "epoch": 1, "set": {"changed": "a", "gone": True}, "delete": ["new"],
        "messages": 1,
    }  # fmt: skip
    assert len(done(session.get("/snapshot", params={"at": to + 2}))["transcript"]) == 2

    with session.nothing_recorded():
        assert done(session.post("/rewind", {"to": to}))["epoch"] == 1
    session.say("three", id="m3")
    transcript = done(session.get("/messages"))["messages"]
    assert [entry["id"] for entry in transcript] == ["m1", "m3"]
    with session.nothing_recorded():
        done(session.post("/rewind", {"to": session.head}))


def test_rewinding_behind_a_rewind(session: SessionApi) -> None:
    for number in range(1, 4):
        session.say(id=f"m{number}")
    done(session.post("/rewind", {"to": 2}))
    session.say(id="m4")

    done(session.post("/rewind", {"to": 4}))
    ids = [entry["id"] for entry in done(session.get("/messages"))["messages"]]
    assert ids == ["m1", "m2", "m3"]


def test_rewinding_over_more_than_one_event_can_hold(session: SessionApi) -> None:
    large = {"one": "1" * 600_000, "two": "2" * 600_000}
    for key, value in large.items():
        done(session.patch("/state", {"set": {key: value}}))
    to = session.head
    done(session.patch("/state", {"delete": list(large)}))

    assert done(session.post("/rewind", {"to": to}))["epoch"] == 1

    assert done(session.get("/snapshot"))["state"] == large


def test_rewinding_refused(session: SessionApi) -> None:
    session.start()
    with session.nothing_recorded():
        refused(session.post("/rewind", {"to": 1}), 409, "turn_in_progress", turn_id="t1")
        refused(session.post("/rewind", {"to": 9}), 409, "cursor_ahead", head=2, cursor=9)
    session.complete()
    done(session.post("/rewind", {"to": 1.0}))


# ── deleting many ────────────────────────────────────────────────────────────────────────────


def test_a_batch_is_deleted_session_by_session(api: Api) -> None:
    one, two, gone = api.create(), api.create(), api.create()
    two.start()
    gone.delete()
    missing = str(uuid4())
    ids = [one.id, missing, two.id.upper(), one.id, gone.id]

    answer = done(api.post("/v1/sessions/batch/delete", {"session_ids": ids}))
    assert answer == {
        "results": [
            {"session_id": one.id, "status": "deleted"},
            {"session_id": missing, "status": "not_found", "code": "session_not_found"},
            {"session_id": two.id, "status": "deleted"},
            {"session_id": gone.id, "status": "already"},
        ],
        "deleted": 2,
        "failed": 1,
    }
    assert one.types()[-1] == "session.deleted"
    assert two.types()[-2:] == ["turn.cancelled", "session.deleted"]
    with api.nothing_recorded():
        again = done(api.post("/v1/sessions/batch/delete", {"session_ids": ids}))
        assert (again["deleted"], again["failed"]) == (0, 1)
        assert {one["status"] for one in again["results"]} == {"already", "not_found"}


def test_a_batch_goes_by_the_conditions_of_each_session(api: Api) -> None:
    at_one, at_two = api.create(), api.create()
    at_two.say()
    body = {"session_ids": [at_one.id, at_two.id]}

    answer = done(api.post("/v1/sessions/batch/delete", body, headers={"If-Match": '"2"'}))
    assert answer["results"] == [
        {"session_id": at_one.id, "status": "failed", "code": "stale_sequence"},
        {"session_id": at_two.id, "status": "deleted"},
    ]
    assert (answer["deleted"], answer["failed"]) == (1, 1)
    assert at_one.document()["status"] == "idle"


def test_a_batch_with_a_key_is_answered_as_before(api: Api) -> None:
    session = api.create()
    body, headers = {"session_ids": [session.id]}, {"Idempotency-Key": uuid4().hex}
    first = done(api.post("/v1/sessions/batch/delete", body, headers=headers))

    with api.nothing_recorded():
        again = done(api.post("/v1/sessions/batch/delete", body, headers=headers))
        assert again == first
        assert first["results"][0]["status"] == "deleted"


def test_a_large_batch(api: Api) -> None:
    sessions = [api.create() for _ in range(30)]
    ids = [session.id for session in sessions] + [str(uuid4()) for _ in range(170)]

    answer = done(api.post("/v1/sessions/batch/delete", {"session_ids": ids}))
    assert (answer["deleted"], answer["failed"]) == (30, 170)
    assert [one["session_id"] for one in answer["results"]] == ids


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "session_ids"),
        ({"session_ids": []}, "session_ids"),
        ({"session_ids": "x"}, "session_ids"),
        ({"session_ids": ["x"]}, "session_ids[0]"),
        ({"session_ids": [None]}, "session_ids[0]"),
        ({"session_ids": [str(uuid4())] * 201}, "session_ids"),
        ({"session_ids": [str(uuid4())], "force": True}, "force"),
    ],
)
def test_a_batch_that_makes_no_sense(api: Api, body: dict[str, Any], field: str) -> None:
    with api.nothing_recorded():
        problem = refused(api.post("/v1/sessions/batch/delete", body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


def test_a_batch_with_a_malformed_header_deletes_nothing(api: Api) -> None:
    session = api.create()
    with session.nothing_recorded():
        for headers in (
            {"If-Match": "7"},
            {"Idempotency-Key": "x" * 256},
            {"Cairn-Actor": "x" * 201},
        ):
            body = {"session_ids": [session.id]}
            response = api.post("/v1/sessions/batch/delete", body, headers=headers)
            refused(response, 400, "malformed_header")


# ── where there is no session ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/activate", {}),
        ("/fail-start", {"failure": {"kind": "k"}}),
        ("/stop", {"when_idle": True}),
        ("/resume", {"starting": True}),
        ("/clear", {}),
        ("/rewind", {"to": 1}),
    ],
)
def test_commands_to_a_session_that_is_no_more_or_never_was(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    session = api.create()
    session.delete()

    refuses_to_change_what_is_not_there(session, "POST", path, body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/activate", {}),
        ("/fail-start", {"failure": {"kind": "k"}}),
        ("/stop", {}),
        ("/resume", {"starting": True}),
        ("/clear", {}),
        ("/rewind", {"to": 2}),
    ],
)
def test_commands_again_with_the_same_key(api: Api, path: str, body: dict[str, Any]) -> None:
    messages = [{"role": "user", **TEXT}] * 2
    session = api.create(starting=path in ("/activate", "/fail-start"), messages=messages)
    if path == "/resume":
        session.post("/stop")
    headers = {"Idempotency-Key": uuid4().hex}
    first = session.post(path, body, headers=headers)

    with session.nothing_recorded():
        again = session.post(path, body, headers=headers)
        assert again.json() == done(first)
        assert again.headers["idempotent-replayed"] == "true"
    session.delete()
    with session.nothing_recorded():
        assert session.post(path, body, headers=headers).json() == first.json()
