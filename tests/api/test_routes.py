"""Every route, where all goes well and where a rule refuses; the client checks every answer."""

import pytest

from tests.support.api import HELLO, Api, SessionApi, done, refused
from tests.support.every_route import NOWHERE, refuses_to_change_what_is_not_there

TEXT = {"parts": HELLO}
SAID = {"type": "agent.message", "data": TEXT}


# ── sessions ─────────────────────────────────────────────────────────────────────────────────


def test_create_with_all_that_can_be_said(api: Api) -> None:
    session_id = "01890A5D-ac96-774b-bcce-b302099a8057"
    created = api.post(
        "/v1/sessions",
        {
            "id": session_id,
            "app": "a",
            "user": "u",
            "workspace": "w",
            "team": "t",
            "scope": "s",
            "tags": ["x", "y"],
            "title": "T",
            "agent": {"name": "n", "provider": "p", "model": "m", "reasoning_effort": "low"},
            "state": {"k": None, "temp:gone": 1},
            "messages": [{"role": "system", "parts": HELLO, "id": "m1", "author": "me"}],
            "metadata": {"deep": [1.5, {"x": None}]},
        },
    )

    body = done(created, 201)
    assert created.headers["location"] == f"/v1/sessions/{session_id.lower()}"
    assert created.headers["etag"] == '"2"'
    assert (body["sequence"], body["session"]["sequence"]) == (2, 2)
    session = done(api.get(created.headers["location"]))["session"]
    same = body["session"].keys() - {"updated_at"}
    assert {key: session[key] for key in same} == {key: body["session"][key] for key in same}
    state = done(api.get(f"{created.headers['location']}/state"))
    assert state["state"] == {"k": None}


def test_create_again_with_the_same_id(api: Api) -> None:
    session = api.create(title="one")
    same = {"id": session.id, "app": session.app, "user": session.user, "title": "one"}
    session.patch("", {"title": "renamed"})

    with session.nothing_recorded():
        again = api.post("/v1/sessions", same)
        assert done(again)["session"]["title"] == "renamed"
        assert again.headers["etag"] == '"2"'
        for other in ({"user": "another"}, {"title": "two"}, {"tags": ["x"]}):
            refused(api.post("/v1/sessions", {**same, **other}), 409, "session_exists")
    session.delete()
    with session.nothing_recorded():
        refused(api.post("/v1/sessions", same), 409, "session_exists")


@pytest.mark.parametrize(
    "foreign",
    [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "C232AB00-9414-11EC-B3C8-9F6BDECED846",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "01890a5d-ac96-774b-0000-b302099a8057",
    ],
)
def test_a_session_can_have_any_uuid(api: Api, foreign: str) -> None:
    created = api.post("/v1/sessions", {"id": foreign, "app": "a", "user": "u"})

    assert done(created, 201)["session"]["id"] == foreign.lower()
    for written in (foreign, foreign.upper(), foreign.lower()):
        assert done(api.get(f"/v1/sessions/{written}"))["session"]["id"] == foreign.lower()


def test_create_with_a_thousand_messages_and_no_more(api: Api) -> None:
    message = {"role": "user", "parts": HELLO}
    assert api.create(messages=[message] * 1000).document()["num_messages"] == 1000
    body = {"app": "a", "user": "u", "messages": [message] * 1001}
    assert "messages" in refused(api.post("/v1/sessions", body), 422, "invalid")["detail"]


def test_create_with_two_messages_of_one_id(api: Api) -> None:
    message = {"role": "user", "parts": HELLO, "id": "m"}

    with api.nothing_recorded():
        body = {"app": "a", "user": "u", "messages": [message, message]}
        refused(api.post("/v1/sessions", body), 422, "invalid", field="messages")


def test_describe(session: SessionApi) -> None:
    done(session.patch("", {"title": "T", "starred": True, "tags": ["a"]}))
    now = done(session.get())["session"]
    assert (now["title"], now["starred"], now["tags"]) == ("T", True, ["a"])

    assert done(session.patch("", {"title": None}))["sequence"] == 5
    assert done(session.get())["session"]["title"] is None
    with session.nothing_recorded():
        done(session.patch("", {"starred": True, "tags": ["a"]}))
        refused(session.patch("", {"tags": ["a", "a"]}), 422, "invalid", field="tags")
    assert session.types()[1:] == [
        "session.renamed",
        "session.starred",
        "session.tagged",
        "session.renamed",
    ]


def test_stop_and_resume(session: SessionApi) -> None:
    session.start()
    stopped = done(session.post("/stop", {"cause": "timeout", "detail": "too long"}))
    assert (stopped["status"], stopped["cause"], stopped["sequence"]) == ("stopped", "timeout", 4)

    with session.nothing_recorded():
        again = done(session.post("/stop", {"cause": "failed", "failure": {"kind": "x"}}))
        assert again["cause"] == "timeout"
        refused(session.post("/messages", {"role": "user", **TEXT}), 409, "session_stopped")
        refused(session.post("/turns", {"input": TEXT}), 409, "session_stopped", cause="timeout")
    document = done(session.get())["session"]
    assert document["stop"] == {"cause": "timeout", "reason": "timeout", "detail": "too long"}

    resumed = done(session.post("/resume"))
    assert (resumed["status"], resumed["activation"]) == ("idle", 2)
    with session.nothing_recorded():
        done(session.post("/resume"))
    session.say()


def test_delete(session: SessionApi) -> None:
    session.start()
    assert done(session.delete())["sequence"] == 4

    with session.nothing_recorded():
        done(session.delete())
        for path in ("", "/snapshot", "/messages", "/status", "/state", "/interactions"):
            refused(session.get(path), 404, "session_not_found")
    page = done(session.get("/events"))
    assert (page["closed"], page["events"][-1]["type"]) == (True, "session.deleted")
    assert session.id not in str(done(session.api.get("/v1/sessions", params={"limit": 200})))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"title": "T"}),
        ("/messages", {"role": "user", **TEXT}),
        ("/messages/m1", TEXT),
        ("/turns", {"input": TEXT}),
        ("/turns/t1/events", {"events": [{"type": "x"}]}),
        ("/turns/t1/complete", {}),
        ("/turns/t1/fail", {}),
        ("/turns/t1/cancel", {}),
        (
            "/interactions",
            {"turn_id": "t1", "options": [{"option_id": "a", "name": "a", "kind": "k"}]},
        ),
        ("/interactions/r1/decision", {"option_id": "a"}),
        ("/state", {"set": {"k": 1}}),
        ("/stop", {}),
        ("/resume", {}),
    ],
)
def test_commands_to_a_session_that_is_no_more_or_never_was(
    api: Api, path: str, body: dict[str, object]
) -> None:
    session = api.create()
    session.delete()
    method = "PATCH" if path in ("", "/messages/m1", "/state") else "POST"

    refuses_to_change_what_is_not_there(session, method, path, body)


@pytest.mark.parametrize(
    "path",
    ["", "/snapshot", "/messages", "/messages/m", "/history", "/status", "/state",
     "/interactions", "/events"],
)  # fmt: skip
def test_reads_of_a_session_that_never_was(api: Api, path: str) -> None:
    refused(api.get(NOWHERE + path), 404, "session_not_found")
    refused(api.get("/v1/sessions/no-uuid" + path), 404, "session_not_found")


# ── messages ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("message_id", ["m1", "a/b c?d#e%2F", "日本 é", "..x", "a+b&c=d"])
def test_a_message_is_where_its_location_says(session: SessionApi, message_id: str) -> None:
    created = session.post("/messages", {"role": "agent", **TEXT, "id": message_id, "author": "x"})
    assert done(created, 201)["message_id"] == message_id
    entry = done(session.api.get(created.headers["location"]))
    assert (entry["id"], entry["role"], entry["author"]) == (message_id, "agent", "x")

    revised = session.api.patch(
        created.headers["location"], {"parts": [{"type": "data", "data": 1}]}
    )
    assert done(revised)["message_id"] == message_id
    entry = done(session.api.get(created.headers["location"]))
    assert entry["parts"] == [{"type": "data", "data": 1}]
    assert entry["revised_at_sequence"] == 3


def test_every_kind_of_part_comes_back_as_it_went(session: SessionApi) -> None:
    parts = [
        {"type": "text", "text": "a\u0000b \U0001f30d", "meta": {"k": [None]}},
        {"type": "reasoning", "text": "r"},
        {"type": "image", "url": "https://x.test/i.png", "media_type": "image/png"},
        {"type": "file", "data": "AA==", "name": "n"},
        {"type": "tool_call", "tool_call_id": "c", "name": "n", "input": None},
        {"type": "tool_result", "tool_call_id": "c", "output": [1], "is_error": False},
        {"type": "data", "data": {"n": 10**30, "f": 0.1, "e": 1e308}, "name": "d"},
    ]
    done(session.post("/messages", {"role": "user", "parts": parts}), 201)

    assert session.events()[-1]["data"]["parts"] == parts
    assert done(session.get("/messages"))["messages"][0]["parts"] == parts


def test_messages_refused(session: SessionApi) -> None:
    session.say(id="m1")

    with session.nothing_recorded():
        twice = session.post("/messages", {"role": "user", **TEXT, "id": "m1"})
        refused(twice, 409, "message_exists", message_id="m1")
        refused(session.patch("/messages/none", TEXT), 404, "message_not_found")
        refused(session.get("/messages/none"), 404, "message_not_found", message_id="none")


# ── turns ────────────────────────────────────────────────────────────────────────────────────


def test_a_turn_from_start_to_end(session: SessionApi) -> None:
    started = session.post("/turns", {"input": {**TEXT, "message_id": "in"}, "source": "network"})
    turn_id = done(started, 201)["turn_id"]
    assert started.headers["location"] == f"{session.path}/turns/{turn_id}"
    recorded = session.record(
        ("agent.thought", {"parts": [{"type": "text", "text": "hm"}]}),
        ("plan.updated", {"entries": [{"step": 1}]}),
        ("tool.called", {"tool_call_id": "c1", "name": "ls", "input": {"path": "."}, "kind": "x"}),
        ("tool.progressed", {"tool_call_id": "c1", "content": [1], "title": "ls ."}),
        ("tool.returned", {"tool_call_id": "c1", "output": "a b"}),
        ("usage.reported", {"input_tokens": 5, "cost": 1, "currency": "USD"}),
        ("runtime.notice", {"level": "info", "text": "n"}),
        ("agent.switched", {"agent": {"name": "other"}, "reason": "r"}),
        ("context.compacted", {"summary": "s"}),
        ("vendor/thing:1", {"any": [1, None]}),
        ("agent.message", {"parts": HELLO, "message_id": "out", "meta": {"k": 1}}),
        turn_id=turn_id,
    )
    assert (recorded["first_sequence"], recorded["sequence"]) == (3, 13)
    done(
        session.post(
            f"/turns/{turn_id}/complete", {"stop_reason": "end", "usage": {"total_tokens": 9}}
        )
    )

    events = session.events()
    assert all(event.get("turn_id") == turn_id for event in events[1:])
    assert events[11]["type"] == "runtime.event"
    assert events[11]["data"] == {"kind": "vendor/thing:1", "data": {"any": [1, None]}}
    assert events[-1]["data"]["usage"] == {"total_tokens": 9}
    kinds = [entry["kind"] for entry in done(session.get("/messages"))["messages"]]
    assert kinds == ["message", "thought", "tool_call", "message"]


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
def test_a_turn_ends_once_and_takes_what_is_open_with_it(session: SessionApi, end: str) -> None:
    session.start()
    session.record(("tool.called", {"tool_call_id": "c", "name": "n"}))
    session.ask()
    done(session.post(f"/turns/t1/{end}"))

    assert session.types()[-3:-1] == ["tool.returned", "permission.decided"]
    with session.nothing_recorded():
        done(session.post(f"/turns/t1/{end}"))
        for other in {"complete", "fail", "cancel"} - {end}:
            refused(session.post(f"/turns/t1/{other}"), 409, "turn_ended", turn_id="t1")
        late = session.post("/turns/t1/events", {"events": [{"type": "x"}]})
        refused(late, 409, "turn_ended")
        refused(
            session.post("/turns/t1/events", {"events": [SAID], "partial": True}),
            409,
            "turn_ended",
        )
        ask = {"turn_id": "t1", "options": [{"option_id": "a", "name": "a", "kind": "k"}]}
        refused(session.post("/interactions", ask), 409, "turn_ended")
    session.start("t2")


def test_turns_refused(session: SessionApi) -> None:
    session.start()
    session.record(("tool.called", {"tool_call_id": "c", "name": "n"}))

    with session.nothing_recorded():
        second = session.post("/turns", {"input": TEXT})
        refused(second, 409, "turn_in_progress", turn_id="t1")
        for end in ("complete", "fail", "cancel"):
            refused(session.post(f"/turns/none/{end}"), 404, "turn_not_found")
        again = {"events": [{"type": "tool.called", "data": {"tool_call_id": "c", "name": "n"}}]}
        refused(session.post("/turns/t1/events", again), 409, "tool_call_exists")
        unopened = {
            "events": [{"type": "x"}, {"type": "tool.returned", "data": {"tool_call_id": "d"}}]
        }
        refused(session.post("/turns/t1/events", unopened), 409, "tool_call_not_open")
        reserved = {"events": [{"type": "x"}, {"type": "turn.completed", "data": {}}]}
        problem = refused(session.post("/turns/t1/events", reserved), 422, "invalid")
        assert problem["errors"][0]["field"] == "events[1].type"
        wrong = {"events": [{"type": "agent.message", "data": {"parts": HELLO, "tone": 1}}]}
        problem = refused(session.post("/turns/t1/events", wrong), 422, "invalid")
        assert problem["errors"] == [
            {"field": "events[0].data.tone", "message": "unknown field", "code": "extra_forbidden"}
        ]
    session.complete()
    with session.nothing_recorded():
        refused(session.post("/turns", {"input": TEXT, "turn_id": "t1"}), 409, "turn_exists")
    session.say(id="mine")
    with session.nothing_recorded():
        taken = session.post("/turns", {"input": {**TEXT, "message_id": "mine"}})
        refused(taken, 409, "message_exists")


def test_partial_pieces_are_not_recorded(session: SessionApi) -> None:
    session.start()
    with session.nothing_recorded():
        shown = session.record(("agent.message", {"parts": HELLO}), partial=True)
        goes_on = {"type": "agent.message", "kind": "text", "message_id": "t1"}
        assert shown == {
            "partial": True,
            "next": [{**goes_on, "index": 1, "offset": 5}],
            "sequence": 2,
        }
    (written,) = done(session.get("/snapshot"))["turn"]["partial"]
    assert written == {
        **goes_on,
        "name": None,
        "index": 0,
        "pieces": 1,
        "offset": 0,
        "text": "Hello",
    }


# ── interactions ─────────────────────────────────────────────────────────────────────────────


def test_a_permission_is_asked_and_decided_once(session: SessionApi) -> None:
    session.start()
    asked = session.ask("r 1/2", title="May I?", tool_call_id="c", meta={"k": 1})
    assert asked["request_id"] == "r 1/2"
    pending = done(session.get("/interactions"))["interactions"]
    assert [one["request_id"] for one in pending] == ["r 1/2"]
    assert done(session.get("/status"))["status"] == "waiting"
    where = "/interactions/r%201%2F2/decision"
    with session.nothing_recorded():
        wrong = session.post(where, {"option_id": "perhaps"})
        refused(wrong, 422, "option_not_offered", offered=["yes", "no"])
        refused(
            session.post("/interactions/none/decision", {"option_id": "yes"}),
            404,
            "interaction_not_found",
        )
        again = {"request_id": "r 1/2", "turn_id": "t1", "options": pending[0]["options"]}
        other = {**again, "title": "Something else?"}
        refused(session.post("/interactions", other), 409, "interaction_exists")
        refused(session.post("/interactions", {**again, "turn_id": "none"}), 404, "turn_not_found")
        twins = {**again, "request_id": "r2", "options": pending[0]["options"] * 2}
        refused(session.post("/interactions", twins), 422, "invalid", field="options")

    assert done(session.post(where, {"option_id": "yes"}))["decision"] == "allow_once"
    assert done(session.get("/interactions"))["interactions"] == []
    with session.nothing_recorded():
        second = session.post(where, {"option_id": "no"})
        refused(second, 409, "interaction_decided", decision="allow_once")


def test_too_many_interactions(session: SessionApi) -> None:
    session.start()
    for number in range(100):
        session.ask(f"r{number}")
    with session.nothing_recorded():
        body = {"turn_id": "t1", "options": [{"option_id": "a", "name": "a", "kind": "k"}]}
        over = session.post("/interactions", body)
        refused(over, 429, "limit_reached")
        assert over.headers["retry-after"].isdigit()


# ── state ────────────────────────────────────────────────────────────────────────────────────


def test_state_is_shared_by_app_and_user_and_kept_apart_from_others(api: Api) -> None:
    mine = api.create(app="shared-1", user="ada")
    same_user = api.create(app="shared-1", user="ada")
    same_app = api.create(app="shared-1", user="bob")
    elsewhere = api.create(app="shared-2", user="ada")
    written = {"plain": 1, "app:model": {"n": None}, "user:name": "Ada", "temp:x": 1, "null": None}
    done(mine.patch("/state", {"set": written}))

    def state_of(session: SessionApi) -> object:
        return done(session.get("/state"))["state"]

    shared = {"app:model": {"n": None}, "user:name": "Ada"}
    assert state_of(mine) == {"plain": 1, "null": None, **shared}
    assert state_of(same_user) == shared
    assert state_of(same_app) == {"app:model": {"n": None}}
    assert state_of(elsewhere) == {}
    assert done(same_user.get("/snapshot"))["state"] == shared

    done(same_app.patch("/state", {"delete": ["app:model"]}))
    assert state_of(mine) == {"plain": 1, "null": None, "user:name": "Ada"}
    assert mine.events()[-1]["data"]["set"].keys() == written.keys() - {"temp:x"}


def test_state_refused_or_already_so(session: SessionApi) -> None:
    done(session.patch("/state", {"set": {"k": 1}}))
    with session.nothing_recorded():
        done(session.patch("/state", {"set": {"k": 1, "temp:t": 2}, "delete": ["none"]}))
        done(session.patch("/state", {}))
        both = session.patch("/state", {"set": {"k": 1}, "delete": ["k"]})
        refused(both, 422, "invalid", field="delete")
        for key in ("", " ", "a\u0000b", "x" * 201):
            refused(session.patch("/state", {"set": {key: 1}}), 422, "invalid")
            refused(session.patch("/state", {"delete": [key]}), 422, "invalid")
    done(session.patch("/state", {"set": {"k": True}}))
    assert done(session.get("/state"))["state"] == {"k": True}


def test_state_has_a_limit(session: SessionApi) -> None:
    done(session.patch("/state", {"set": {f"k{i}": i for i in range(10_000)}}))
    with session.nothing_recorded():
        refused(session.patch("/state", {"set": {"one more": 1}}), 429, "limit_reached")
        many = {f"x{i}": i for i in range(10_001)}
        refused(session.patch("/state", {"set": many}), 422, "invalid")
    done(session.patch("/state", {"set": {"one more": 1}, "delete": ["k0"]}))


# ── operations ───────────────────────────────────────────────────────────────────────────────


def test_operations(api: Api) -> None:
    assert done(api.get("/health")) == {"status": "ok", "database": "up"}
    assert done(api.get("/ready")) == {"status": "ready"}
    version = done(api.get("/version"))
    assert version["store"] == done(api.create().get("/snapshot"))["store"]
    metrics = api.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "cairn_http_requests_total" in metrics.text
