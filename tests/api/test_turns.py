"""A turn for input that comes while another turn runs: queued, steered, or in its place."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.api import HELLO, Api, Json, SessionApi, done, refused
from tests.support.postgres import Server
from tests.support.server import running

TEXT = {"parts": HELLO}
SAID = [{"type": "text", "text": "It is."}]
NEW = [{"type": "text", "text": "[redacted]"}]
CALL = ("tool.called", {"tool_call_id": "c1", "name": "ls"})
RETURN = ("tool.returned", {"tool_call_id": "c1", "output": "a"})


def says(text: str) -> Json:
    return {"parts": [{"type": "text", "text": text}]}


def send(session: SessionApi, turn_id: str, mode: str | None = "queue", **rest: Any) -> Any:
    """Give input while a turn may run."""
    body = {"input": says(turn_id), "turn_id": turn_id, "mode": mode, **rest}
    return session.post("/turns", body)


def started(session: SessionApi) -> list[str]:
    """The turns of the log, in the order in which they began."""
    return [e["data"]["turn_id"] for e in session.events() if e["type"] == "turn.started"]


# ── modes ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["queue", "interrupt", "steer", None])
def test_an_idle_session_starts_the_turn_whatever_the_mode(session: SessionApi, mode: str) -> None:
    response = send(session, "t1", mode)

    assert done(response, 201) == {
        "turn_id": "t1",
        "disposition": "started",
        "previous_turn_id": None,
        "cancelled_inputs": [],
        "generation": 0,
        "sequence": 2,
        "position": response.json()["position"],
    }
    assert response.headers["location"] == f"{session.path}/turns/t1"
    assert session.types() == ["session.created", "turn.started"]


@pytest.mark.parametrize("turn_id", ["t1", "a/b c?d#e%2F", "日本 é", "..x"])
def test_what_has_become_of_a_turn_can_be_read_where_its_start_says(
    session: SessionApi, turn_id: str
) -> None:
    where = send(session, turn_id).headers["location"]
    send(session, "waits")

    running = done(session.api.get(where))
    assert running == {"turn_id": turn_id, "status": "running", "model": None, "sequence": 3}
    refused(session.get("/turns/waits"), 404, "turn_not_found", turn_id="waits")
    refused(session.get("/turns/waits?x=1"), 400, "invalid_parameter")
    done(session.api.post(f"{where}/fail"))
    ended = session.api.get(where)
    assert done(ended)["status"] == "failed"
    again = session.api.request("GET", where, headers={"If-None-Match": ended.headers["etag"]})
    assert again.status_code == 304
    session.delete()
    refused(session.api.get(where), 404, "session_not_found")


@pytest.mark.parametrize("source", ["user", "network", "synthetic", "followup"])
def test_the_source_of_input_is_that_of_its_turn(session: SessionApi, source: str) -> None:
    meta = {"reason": "a job is done", "job": 7}
    done(send(session, "t1", source=source, meta=meta), 201)
    done(send(session, "t2", source=source, meta=meta), 202)
    (waiting,) = done(session.get("/inputs"))["inputs"]
    assert (waiting["source"], waiting["meta"]) == (source, meta)
    session.complete("t1")

    began = [e["data"] for e in session.events() if e["type"] == "turn.started"]
    assert [(one["source"], one["meta"]) for one in began] == [(source, meta), (source, meta)]


@pytest.mark.parametrize("meta", [None, {}, {"reason": " "}, {"reason": 1}, {"why": "x"}])
def test_synthetic_input_says_why_it_is_there(session: SessionApi, meta: Json | None) -> None:
    unexplained = {"source": "synthetic", "meta": meta}
    with session.nothing_recorded():
        refused(send(session, "t1", **unexplained), 422, "invalid", field="meta.reason")
    session.start("t1")
    with session.nothing_recorded():
        refused(send(session, "t2", **unexplained), 422, "invalid", field="meta.reason")
        inputs = {"inputs": [{**TEXT, "meta": meta}], "source": "synthetic"}
        refused(session.post("/inputs", inputs), 422, "invalid", field="meta.reason")


def test_without_a_mode_a_busy_session_refuses(session: SessionApi) -> None:
    session.start("t1")
    with session.nothing_recorded():
        refused(send(session, "t2", None), 409, "turn_in_progress", turn_id="t1")
    session.queue("i1")
    done(session.post("/turns/t1/cancel", {"hold": True}))

    with session.nothing_recorded():
        refused(send(session, "t2", None), 409, "inputs_waiting", waiting=1)


def test_queued_input_has_its_turn_when_the_running_one_ends(session: SessionApi) -> None:
    session.start("t1")
    queued = send(session, "t2")
    assert done(queued, 202) == {
        "turn_id": "t2",
        "input_id": "t2",
        "disposition": "queued",
        "queue_position": 1,
        "generation": 0,
        "next_turn_id": None,
        "sequence": 3,
        "position": queued.json()["position"],
    }
    assert queued.headers["location"] == f"{session.path}/inputs/t2"
    assert done(send(session, "t3"), 202)["queue_position"] == 2

    assert session.complete("t1")["next_turn_id"] == "t2"
    assert done(session.post("/turns/t2/fail", {"kind": "k"}))["next_turn_id"] == "t3"
    assert done(session.post("/turns/t3/cancel"))["next_turn_id"] is None
    assert session.types()[3:] == [
        "input.queued",
        "turn.completed",
        "input.dispatched",
        "turn.started",
        "turn.failed",
        "input.dispatched",
        "turn.started",
        "turn.cancelled",
    ]
    entries = done(session.get("/messages"))["messages"]
    assert [one["parts"][0]["text"] for one in entries if one["kind"] == "message"] == [
        "Hello",
        "t2",
        "t3",
    ]


def test_the_answer_to_queued_input_is_given_again_to_its_key(session: SessionApi) -> None:
    session.start("t1")
    body, headers = {"input": TEXT, "mode": "queue"}, {"Idempotency-Key": "k"}
    first = session.post("/turns", body, headers=headers)
    session.complete("t1")

    with session.nothing_recorded():
        again = session.post("/turns", body, headers=headers)
        assert (again.json(), again.status_code) == (done(first, 202), 202)
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["idempotent-replayed"] == "true"


def test_a_held_cancel_starts_nothing_and_nothing_overtakes_what_waits(
    session: SessionApi,
) -> None:
    session.start("t1")
    session.queue("i1", "i2")
    ended = done(session.post("/turns/t1/cancel", {"hold": True}))
    assert ended["next_turn_id"] is None
    assert done(session.get("/status"))["status"] == "idle"

    # Input that comes now has its place at the end; the oldest has its turn at last.
    late = done(send(session, "t9"), 202)
    assert (late["disposition"], late["queue_position"]) == ("queued", 2)
    assert late["next_turn_id"] == "i1"
    assert started(session) == ["t1", "i1"]
    assert session.waiting() == ["i2", "t9"]


def test_interrupting_input_takes_the_place_of_all_that_ran_and_waited(
    session: SessionApi,
) -> None:
    session.start("t1")
    session.record(CALL)
    session.ask("r1")
    session.queue("i1", "i2")

    answer = done(send(session, "t2", "interrupt"), 201)
    assert (answer["previous_turn_id"], answer["cancelled_inputs"]) == ("t1", ["i1", "i2"])
    assert session.types()[-5:] == [
        "inputs.fenced",
        "tool.returned",
        "permission.decided",
        "turn.cancelled",
        "turn.started",
    ]
    assert done(session.get("/inputs"))["generation"] == 1
    # What was fenced off never runs.
    assert session.complete("t2")["next_turn_id"] is None
    assert started(session) == ["t1", "t2"]


def test_interrupting_input_replaces_what_waits_without_a_turn(session: SessionApi) -> None:
    session.queue("i1", hold=True)

    answer = done(send(session, "t1", "interrupt"), 201)
    assert (answer["previous_turn_id"], answer["cancelled_inputs"]) == (None, ["i1"])
    assert done(session.get("/inputs"))["inputs"] == []


# ── steering ─────────────────────────────────────────────────────────────────────────────────


def test_steering_input_reaches_the_agent_at_the_next_tool_boundary(session: SessionApi) -> None:
    session.start("t1")
    session.record(CALL)
    staged = send(session, "s1", "steer")
    assert done(staged, 202)["disposition"] == "staged"
    assert done(send(session, "s2", "steer"), 202)["queue_position"] == 2
    (waiting, _) = done(session.get("/inputs"))["inputs"]
    assert (waiting["mode"], waiting["steers"]) == ("steer", "t1")

    # No boundary, or nobody who would pass it on: it waits.
    said = ("agent.message", {"parts": HELLO})
    assert session.record(said, take_inputs=True)["inputs"] == []
    taken = session.record(RETURN, said, take_inputs=True)
    assert [one["input_id"] for one in taken["inputs"]] == ["s1", "s2"]
    assert [one["parts"] for one in taken["inputs"]] == [says("s1")["parts"], says("s2")["parts"]]
    assert [(one["source"], one["meta"]) for one in taken["inputs"]] == [("user", None)] * 2
    assert session.types()[-4:] == [
        "tool.returned",
        "input.steered",
        "input.steered",
        "agent.message",
    ]
    steered = session.events()[-2]
    assert steered["data"]["tool_call_id"] == "c1"
    assert steered["turn_id"] == "t1"
    for entry, one in zip(
        done(session.get("/messages"))["messages"][-3:-1], taken["inputs"], strict=True
    ):
        assert (entry["role"], entry["turn_id"]) == ("user", "t1")
        assert (entry["id"], entry["parts"]) == (one["message_id"], one["parts"])
    assert done(session.get("/inputs/s1"))["status"] == "steered"
    assert session.complete("t1")["next_turn_id"] is None
    assert started(session) == ["t1"]


def test_a_runtime_that_takes_no_inputs_leaves_them_where_they_are(session: SessionApi) -> None:
    session.start("t1")
    session.record(CALL)
    done(send(session, "s1", "steer"), 202)

    assert session.record(RETURN)["inputs"] == []
    assert session.waiting() == ["s1"]


def test_what_is_staged_can_be_asked_for(session: SessionApi) -> None:
    session.start("t1")
    done(send(session, "s1", "steer"), 202)
    done(send(session, "q1"), 202)

    (taken,) = done(session.post("/turns/t1/inputs"))["inputs"]
    assert (taken["input_id"], taken["parts"]) == ("s1", says("s1")["parts"])
    assert "tool_call_id" not in session.events()[-1]["data"]
    with session.nothing_recorded():
        assert done(session.post("/turns/t1/inputs"))["inputs"] == []
        refused(session.post("/turns/none/inputs"), 404, "turn_not_found")
    session.complete("t1")
    with session.nothing_recorded():
        refused(session.post("/turns/t1/inputs"), 409, "turn_ended", outcome="completed")


def test_what_no_boundary_came_for_runs_after_the_turn_and_the_log_says_so(
    session: SessionApi,
) -> None:
    session.start("t1")
    done(send(session, "q1"), 202)
    done(send(session, "s1", "steer"), 202)

    assert session.complete("t1")["next_turn_id"] == "q1"
    # It is staged for a turn that has ended: it waits like any other now.
    (waiting,) = done(session.get("/inputs"))["inputs"]
    assert (waiting["mode"], waiting["steers"]) == ("queue", None)
    assert session.complete("q1")["next_turn_id"] == "s1"
    dispatched = [e["data"] for e in session.events() if e["type"] == "input.dispatched"]
    assert dispatched == [{"input_id": "q1"}, {"input_id": "s1", "fallback": True}]


def test_pieces_that_are_only_shown_take_no_inputs(session: SessionApi) -> None:
    session.start("t1")
    event = {"type": "agent.message", "data": {"parts": HELLO}}
    body = {"events": [event], "partial": True, "take_inputs": True}

    with session.nothing_recorded():
        refused(session.post("/turns/t1/events", body), 422, "invalid", field="take_inputs")


# ── the turn that is meant ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["queue", "interrupt", "steer", None])
def test_input_for_a_turn_that_does_not_run_is_refused(session: SessionApi, mode: str) -> None:
    with session.nothing_recorded():
        idle = send(session, "t2", mode, expected_turn_id="t1")
        refused(idle, 409, "turn_changed", turn_id=None, expected_turn_id="t1")
    session.start("t1")
    with session.nothing_recorded():
        other = send(session, "t2", mode, expected_turn_id="t0")
        refused(other, 409, "turn_changed", turn_id="t1", expected_turn_id="t0")
    if mode is not None:
        assert send(session, "t2", mode, expected_turn_id="t1").status_code in (201, 202)


def test_a_cancel_that_comes_late_does_not_hit_the_next_turn(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1", "i2")
    session.complete("t1")

    with session.nothing_recorded():
        refused(session.post("/turns/t1/cancel"), 409, "turn_ended", outcome="completed")
        late = session.post("/interrupt", {"expected_turn_id": "t1"})
        refused(late, 409, "turn_changed", turn_id="i1")
    assert done(session.get())["session"]["turn_id"] == "i1"
    assert session.waiting() == ["i2"]


def test_ids_that_are_taken(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1")
    with session.nothing_recorded():
        refused(send(session, "t1"), 409, "turn_in_progress", turn_id="t1")
        refused(send(session, "i1"), 409, "turn_exists", turn_id="i1")
        refused(send(session, "dispatch"), 422, "invalid")
        (message_id,) = [one["message_id"] for one in done(session.get("/inputs"))["inputs"]]
        twin = {"input": {**TEXT, "message_id": message_id}, "mode": "queue"}
        refused(session.post("/turns", twin), 409, "message_exists")
        taken = {"role": "user", **TEXT, "id": message_id}
        refused(session.post("/messages", taken), 409, "message_exists")


def test_no_answer_invents_an_estimate(session: SessionApi) -> None:
    session.start("t1")
    queued = send(session, "t2")

    assert "estimate" not in queued.text + session.get("/inputs").text


def test_the_end_of_a_turn_stops_a_session_that_is_stopping(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1")
    assert session.post("/stop", {"when_idle": True}).is_success
    with session.nothing_recorded():
        refused(send(session, "t2"), 409, "session_stopping")
        refused(session.post("/inputs", {"inputs": [TEXT]}), 409, "session_stopping")
        refused(session.post("/interrupt"), 409, "session_stopping")

    assert session.complete("t1")["next_turn_id"] is None
    assert session.types()[-2:] == ["turn.completed", "session.stopped"]
    assert session.waiting() == ["i1"]


# ── races ────────────────────────────────────────────────────────────────────────────────────


def test_an_interruption_and_the_natural_end_at_once(postgres_server: Server) -> None:
    """Whichever comes first, the other is told; the turn ends once."""
    won: set[str] = set()
    with (
        postgres_server.database() as url,
        running(url) as one,
        running(url) as two,
        ThreadPoolExecutor(2) as pool,
    ):
        first, second = Api(one), Api(two)
        for number in range(24):
            session = first.create()
            session.start("t1")
            session.queue("i1", "i2")
            pair = [
                (first, f"{session.path}/turns/t1/complete", {}),
                (second, f"{session.path}/interrupt", {"expected_turn_id": "t1"}),
            ]
            jobs = [
                pool.submit(api.post, path, body)
                for api, path, body in (pair if number % 2 else pair[::-1])
            ]
            ended, interrupted = [job.result() for job in (jobs if number % 2 else jobs[::-1])]
            types = session.types()
            if ended.status_code == 200:
                won.add("end")
                assert done(ended)["next_turn_id"] == "i1"
                refused(interrupted, 409, "turn_changed", turn_id="i1")
                assert session.waiting() == ["i2"]
                assert types[-3:] == ["turn.completed", "input.dispatched", "turn.started"]
            else:
                won.add("interruption")
                assert done(interrupted)["previous_turn_id"] == "t1"
                refused(ended, 409, "turn_ended", outcome="cancelled")
                assert session.waiting() == []
                assert types[-2:] == ["inputs.fenced", "turn.cancelled"]
            assert sum(one in ("turn.completed", "turn.cancelled") for one in types) == 1
        first.close()
        second.close()
    assert won, "nobody has won"


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("tool.result", "tool.returned"),
        ("tool.return", "tool.returned"),
        ("Tool.Called", "tool.called"),
        ("tool_called", "tool.called"),
        ("agent.mesage", "agent.message"),
        ("usage.report", "usage.reported"),
        ("turn_completed", "turn.completed"),
    ],
)
def test_a_type_that_is_nearly_one_of_ours_is_refused(session: SessionApi, slip: str, meant: str):
    session.start()
    with session.nothing_recorded():
        body = {"events": [{"type": "x"}, {"type": slip, "data": {}}]}
        problem = refused(session.post("/turns/t1/events", body), 422, "invalid")
    assert problem["errors"][0]["field"] == "events[1].type"
    assert f"did you mean `{meant}`" in problem["detail"]


def test_what_is_plainly_of_another_program_is_kept_verbatim(session: SessionApi):
    session.start()
    kinds = ["session.idle", "message.part.updated", "tool.execution_start", "tool-result", "step"]
    done(session.post("/turns/t1/events", {"events": [{"type": kind} for kind in kinds]}))


def test_what_an_agent_really_says_is_kept_as_it_came(session: SessionApi):
    session.start()
    call = "call_" + "x" * 4000
    parts = [
        {"type": "reasoning", "text": "", "signature": "EqQB"},
        {"type": "redacted_thinking", "data": "EmwK"},
        {"type": "refusal", "refusal": "I cannot."},
        {"type": "audio", "data": "UklGRg==", "transcript": {"text": "hi"}},
        {"type": "text", "text": ""},
        {"type": "image", "data": "iVBORw0KGgo=", "media_type": "image/png"},
    ]
    events = [
        {"type": "agent.message", "data": {"parts": parts, "message_id": "m" * 4096}},
        {"type": "tool.called", "data": {"tool_call_id": call, "name": "t", "kind": "read"}},
        {"type": "tool.returned", "data": {"tool_call_id": call, "output": ""}},
        {"type": "tool.called", "data": {"tool_call_id": call, "name": "t"}},
    ]
    done(session.post("/turns/t1/events", {"events": events}))

    said, first, second = session.get("/messages").json()["messages"][1:]
    assert said["parts"] == parts
    assert (first["id"], first["tool_kind"], first["status"]) == (call, "read", "completed")
    assert (second["tool_call_id"], second["status"]) == (call, "open")
    assert second["id"] == f"{call}:{second['sequence']}"
    assert done(session.get(f"/messages/{second['id']}")) == second


def test_whoever_said_it_an_entry_is_read_revised_and_named_alike(session: SessionApi):
    session.say("posted", id="posted")
    session.start(input={"parts": SAID, "message_id": "given"})
    session.record(
        ("agent.thought", {"parts": SAID, "message_id": "said"}),
        ("agent.message", {"parts": SAID, "message_id": "said"}),
        ("agent.message", {"parts": SAID}),
        ("tool.called", {"tool_call_id": "c1", "name": "ls", "input": {"key": "secret"}}),
        ("tool.returned", {"tool_call_id": "c1", "output": "secret"}),
    )
    session.complete()
    entries = done(session.get("/messages"))["messages"]
    assert len({entry["id"] for entry in entries}) == len(entries) == 6

    for entry in entries:
        one = f"/messages/{entry['id']}"
        assert done(session.get(one)) == entry
        done(session.patch(one, {"parts": NEW}))
        revised = done(session.get(one))
        assert (revised["output"] if entry["kind"] == "tool_call" else revised["parts"]) == NEW
        done(session.post("/summaries", {"text": "So far.", "first_kept": entry["id"]}), 201)
        done(session.post("/fork", {"message_id": entry["id"]}), 201)
    done(session.patch("/messages/c1", {"parts": NEW, "input": {"key": "-"}}))
    assert done(session.get("/messages/c1"))["input"] == {"key": "-"}
    refused(session.patch("/messages/said", {"parts": NEW, "input": {}}), 422, "invalid")
    refused(session.patch("/messages/said", {"input": {}}), 422, "invalid")
    for one in ("c1", "said"):
        refused(session.patch(f"/messages/{one}", {}), 422, "invalid")
    before = done(session.get("/messages/c1"))
    done(session.patch("/messages/c1", {"input": {"key": "?"}}))
    after = done(session.get("/messages/c1"))
    assert (before["output"], after["output"], after["input"]) == (NEW, NEW, {"key": "?"})
    assert "parts" not in after

    fork = SessionApi(session.api, done(session.post("/fork", {}), 201)["session"])
    done(fork.patch("/messages/c1", {"parts": NEW}))
    refused(fork.post("/rewind", {"message_id": "c1"}), 422, "invalid")
    fork.say("here", id="here")
    fork.say("there", id="there")
    done(fork.post("/rewind", {"message_id": "here"}))
    assert done(fork.get("/messages"))["messages"][-1]["id"] == "here"

    done(session.post("/rewind", {"message_id": "given"}))
    assert [one["id"] for one in done(session.get("/messages"))["messages"]] == ["posted", "given"]
    for gone in ("said", "c1", "nowhere"):
        refused(session.patch(f"/messages/{gone}", {"parts": NEW}), 404, "message_not_found")
        summary = {"text": "So far.", "first_kept": gone}
        refused(session.post("/summaries", summary), 404, "message_not_found")
        refused(session.post("/rewind", {"message_id": gone}), 404, "message_not_found")
        refused(session.post("/fork", {"message_id": gone}), 404, "message_not_found")
    refused(session.post("/rewind", {}), 422, "invalid")
    refused(session.post("/rewind", {"to": 2, "message_id": "given"}), 422, "invalid")


def test_two_messages_never_have_one_id(session: SessionApi):
    session.say("posted", id="posted")
    session.start(input={"parts": SAID, "message_id": "given"})
    said = {"type": "agent.message", "data": {"parts": SAID, "message_id": "said"}}
    done(session.post("/turns/t1/events", {"events": [said]}))

    for taken in ("posted", "given"):
        again = {**said, "data": {**said["data"], "message_id": taken}}
        with session.nothing_recorded():
            answer = session.post("/turns/t1/events", {"events": [again]})
            refused(answer, 409, "message_exists", message_id=taken)
    for taken in ("posted", "given", "said"):
        with session.nothing_recorded():
            answer = session.post("/messages", {"role": "user", "parts": SAID, "id": taken})
            refused(answer, 409, "message_exists", message_id=taken)
    session.complete()
    given = {"input": {"parts": SAID, "message_id": "said"}, "mode": "queue"}
    refused(session.post("/turns", given), 409, "message_exists", message_id="said")


@pytest.mark.parametrize("query", ["order=asc", "order=desc", "format=ui"])
def test_a_cursor_of_messages_ends_with_its_epoch(session: SessionApi, query: str):
    def page(cursor: str | None = None) -> Any:
        at = "" if cursor is None else f"&cursor={cursor}"
        return session.get(f"/messages?limit=5&{query}{at}")

    for n in range(12):
        session.say(f"old {n}", id=f"m{n}")
    cursor = done(page())["next_cursor"]
    # What only follows moves nothing.
    session.say("more")
    assert len(done(page(cursor))["messages"]) == 5
    done(session.post("/rewind", {"message_id": "m8"}))
    for n in range(20):
        session.say(f"new {n}")
    refused(page(cursor), 400, "invalid_cursor")
    cursor = done(page())["next_cursor"]
    done(page(cursor))
    done(session.post("/clear"))
    refused(page(cursor), 400, "invalid_cursor")


def give(session: SessionApi, turn_id: str, mode: str) -> Json:
    body = {"input": {"parts": HELLO}, "turn_id": turn_id, "mode": mode}
    response = session.post("/turns", body)
    return done(response, 201 if response.json().get("disposition") == "started" else 202)


def test_the_generation_comes_back_with_whatever_becomes_of_input(session: SessionApi) -> None:
    assert session.start("t1")["generation"] == 0
    assert give(session, "t2", "queue")["generation"] == 0
    assert give(session, "t3", "interrupt")["generation"] == 1
    assert give(session, "t4", "steer")["generation"] == 1


def test_a_turn_is_interrupted_only_while_it_waits_for_a_person(session: SessionApi) -> None:
    mode = "interrupt_if_waiting"
    assert give(session, "t1", mode)["disposition"] == "started"
    assert give(session, "t2", mode)["disposition"] == "queued"
    session.ask("r1", "t1")
    assert give(session, "t3", mode)["disposition"] == "queued"
    assert session.waiting() == ["t2", "t3"]
    for one in ("t2", "t3"):
        done(session.delete(f"/inputs/{one}"))

    answer = give(session, "t4", mode)
    assert (answer["disposition"], answer["previous_turn_id"]) == ("started", "t1")
    assert answer["generation"] == 1
    ended = [event["data"] for event in session.events() if event["type"] == "permission.decided"]
    assert [one["decision"] for one in ended] == ["cancelled"]


MODEL = {"model": "large", "provider": "acme", "reasoning_effort": "high"}


def begun(session: SessionApi) -> list[tuple[str, Any]]:
    """Return the turns that began, and the model of each."""
    events = [event["data"] for event in session.events() if event["type"] == "turn.started"]
    return [(one["turn_id"], one.get("model")) for one in events]


def test_a_model_for_one_turn_is_recorded_with_its_input(session: SessionApi) -> None:
    done(send(session, "t1", None, model={"model": "small"}), 201)
    done(send(session, "t2", model=MODEL), 202)
    done(send(session, "t3"), 202)
    small = {"model": "small", "provider": None, "reasoning_effort": None}
    assert done(session.get("/turns/t1"))["model"] == small
    assert done(session.get("/snapshot"))["turn"]["model"] == small
    assert [one["model"] for one in done(session.get("/inputs"))["inputs"]] == [MODEL, None]
    assert done(session.get("/inputs/t2"))["input"]["model"] == MODEL
    session.complete("t1")
    assert done(session.get("/turns/t2"))["model"] == MODEL
    session.complete("t2")
    assert done(session.get("/turns/t2"))["model"] is None

    assert begun(session) == [("t1", {"model": "small"}), ("t2", MODEL), ("t3", None)]
    assert session.document()["models"] == {}


def test_a_model_is_taken_back_with_its_input(session: SessionApi) -> None:
    session.start("t1")
    done(send(session, "t2", model=MODEL), 202)
    done(session.delete("/inputs/t2"))
    done(send(session, "t3"), 202)
    session.complete("t1")

    assert begun(session) == [("t1", None), ("t3", None)]


def test_a_model_that_is_none_leaves_no_input_behind(session: SessionApi) -> None:
    with session.nothing_recorded():
        for wrong in ({}, {"model": ""}, {"model": "a", "more": 1}, "large"):
            refused(send(session, "t1", model=wrong), 422, "invalid")
        effort = {"model": "a", "reasoning_effort": "huge"}
        refused(send(session, "t1", model=effort), 422, "invalid_runtime_override")
    session.start("t1")
    with session.nothing_recorded():
        refused(send(session, "t2", "steer", model=MODEL), 422, "invalid", field="model")
    done(send(session, "t2", model=MODEL), 202)
    with session.nothing_recorded():
        refused(session.post("/inputs/t2/steer", {}), 422, "invalid", field="model")
