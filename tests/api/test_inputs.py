"""Input that waits: in order, within bounds, open to change, and never lost or run twice."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from tests.support.api import HELLO, Api, Json, SessionApi, done, refused
from tests.support.every_route import (
    refuses_to_change_what_is_not_there,
    refuses_to_read_what_is_not_there,
)
from tests.support.postgres import Server
from tests.support.server import running

TEXT = {"parts": HELLO}
CLIENTS = 64


def says(text: str) -> list[Json]:
    return [{"type": "text", "text": text}]


# ── batches ──────────────────────────────────────────────────────────────────────────────────


def test_the_first_of_a_batch_begins_at_once_when_nothing_runs(session: SessionApi) -> None:
    answer = session.queue("i1", "i2", "i3")

    assert answer["inputs"] == [
        {"input_id": "i1", "disposition": "started", "queue_position": None},
        {"input_id": "i2", "disposition": "queued", "queue_position": 1},
        {"input_id": "i3", "disposition": "queued", "queue_position": 2},
    ]
    assert (answer["generation"], answer["next_turn_id"]) == (0, "i1")
    assert session.types()[1:] == [
        "input.queued",
        "input.queued",
        "input.queued",
        "input.dispatched",
        "turn.started",
    ]
    started = session.events()[-1]["data"]
    assert (started["source"], started["parts"]) == ("followup", says("i1"))


def test_a_batch_waits_behind_what_runs_and_waits(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1")
    answer = session.queue("i2", "i3", source="network")

    assert [one["queue_position"] for one in answer["inputs"]] == [2, 3]
    assert answer["next_turn_id"] is None
    turns = []
    turn: str | None = "t1"
    while turn is not None:
        turns.append(turn)
        turn = session.complete(turn)["next_turn_id"]
    assert turns == ["t1", "i1", "i2", "i3"]


def test_a_held_batch_begins_nothing_until_somebody_dispatches(session: SessionApi) -> None:
    assert session.queue("i1", "i2", hold=True)["next_turn_id"] is None
    assert done(session.get("/status"))["status"] == "idle"

    assert done(session.post("/inputs/dispatch"))["next_turn_id"] == "i1"
    with session.nothing_recorded():
        refused(session.post("/inputs/dispatch"), 409, "turn_in_progress", turn_id="i1")
    session.complete("i1")
    session.complete("i2")
    with session.nothing_recorded():
        assert done(session.post("/inputs/dispatch"))["next_turn_id"] is None


def test_ids_are_made_for_those_who_bring_none(session: SessionApi) -> None:
    response = session.post("/inputs", {"inputs": [TEXT, TEXT], "hold": True})

    answer = done(response, 202)
    assert response.headers["location"] == f"{session.path}/inputs"
    assert [one["input_id"] for one in answer["inputs"]] == session.waiting()
    messages = {one["message_id"] for one in done(session.get("/inputs"))["inputs"]}
    assert len(messages) == 2


def test_a_batch_again_with_its_key_has_one_effect(session: SessionApi) -> None:
    body, headers = {"inputs": [TEXT, TEXT]}, {"Idempotency-Key": "k"}
    first = session.post("/inputs", body, headers=headers)

    with session.nothing_recorded():
        again = session.post("/inputs", body, headers=headers)
        assert (again.json(), again.status_code) == (first.json(), 202)
        assert again.headers["idempotent-replayed"] == "true"


def test_a_batch_is_taken_whole_or_not_at_all(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1")
    with session.nothing_recorded():
        for wrong, status, code in (
            ({"id": "i1"}, 409, "turn_exists"),
            ({"id": "t1"}, 409, "turn_in_progress"),
            ({"id": "new"}, 422, "invalid"),
            ({"message_id": "same"}, 422, "invalid"),
            ({"parts": says("x" * 70_000)}, 413, "input_too_large"),
            ({"parts": []}, 422, "invalid"),
            ({"id": "dispatch"}, 422, "invalid"),
        ):
            inputs = [{"id": "new", "message_id": "same", **TEXT}, {**TEXT, **wrong}]
            refused(session.post("/inputs", {"inputs": inputs}), status, code)
    assert session.waiting() == ["i1"]


# ── bounds ───────────────────────────────────────────────────────────────────────────────────


def test_a_queue_that_is_full_in_the_middle_of_a_batch_takes_none_of_it(api: Api) -> None:
    session = api.create(limits={"queued_inputs": 3})
    session.start("t1")
    session.queue("i1", "i2")

    with session.nothing_recorded():
        full = session.post("/inputs", {"inputs": [TEXT, TEXT]})
        problem = refused(full, 429, "queue_full", waiting=2, limit=3)
        assert int(full.headers["retry-after"]) > 0
        assert "try again" in problem["detail"]
    session.queue("i3")
    for mode in ("queue", "steer"):
        with session.nothing_recorded():
            full = session.post("/turns", {"input": TEXT, "mode": mode})
            refused(full, 429, "queue_full", waiting=3)
            assert int(full.headers["retry-after"]) > 0
    # Nobody needs a place in the queue to take the place of what runs.
    done(session.post("/turns", {"input": TEXT, "mode": "interrupt"}), 201)


def test_there_is_room_again_when_a_turn_has_ended_or_an_input_was_taken_back(api: Api) -> None:
    session = api.create(limits={"queued_inputs": 1})
    session.start("t1")
    session.queue("i1")
    refused(session.post("/inputs", {"inputs": [TEXT]}), 429, "queue_full")
    done(session.delete("/inputs/i1"))
    session.queue("i2")
    session.complete("t1")

    session.queue("i3")
    assert session.waiting() == ["i3"]


def test_inputs_have_a_largest_size_one_by_one_and_together(api: Api) -> None:
    session = api.create(limits={"input_bytes": 600})
    session.start("t1")
    large, fits = says("ü" * 300), says("x" * 500)
    with session.nothing_recorded():
        over = session.post("/inputs", {"inputs": [{"parts": large}]})
        refused(over, 413, "input_too_large", limit=600)
        turn = session.post("/turns", {"input": {"parts": large}, "mode": "queue"})
        refused(turn, 413, "input_too_large")
    idle = api.create(limits={"input_bytes": 600})
    with idle.nothing_recorded():
        for mode in ("queue", "steer", "interrupt_if_waiting"):
            turn = idle.post("/turns", {"input": {"parts": large}, "mode": mode})
            refused(turn, 413, "input_too_large", limit=600)
    done(idle.post("/turns", {"input": {"parts": large}}), 201)
    done(session.post("/inputs", {"inputs": [{"parts": fits, "id": "i1"}]}), 202)
    with session.nothing_recorded():
        refused(session.patch("/inputs/i1", {"parts": large}), 413, "input_too_large")

    wide = api.create()
    wide.start("t1")
    sixty = {"parts": says("x" * 60_000)}
    done(wide.post("/inputs", {"inputs": [sixty] * 17, "hold": True}), 202)
    with wide.nothing_recorded():
        refused(wide.post("/inputs", {"inputs": [sixty]}), 429, "queue_full", waiting=17)


# ── what waits ───────────────────────────────────────────────────────────────────────────────


def test_what_waits_is_listed_and_in_the_snapshot(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1")
    done(session.post("/turns", {"input": TEXT, "turn_id": "s1", "mode": "steer"}), 202)

    page = done(session.get("/inputs"))
    assert (page["generation"], page["pending"], page["sequence"]) == (0, 2, 5)
    first, second = page["inputs"]
    assert first == {
        "input_id": "i1",
        "message_id": first["message_id"],
        "parts": says("i1"),
        "meta": None,
        "model": None,
        "mode": "queue",
        "steers": None,
        "source": "followup",
        "queue_position": 1,
        "sequence": 3,
        "queued_at": session.events()[2]["at"],
    }
    assert (second["input_id"], second["mode"], second["steers"]) == ("s1", "steer", "t1")
    assert (second["source"], second["queue_position"]) == ("user", 2)
    assert done(session.get("/snapshot"))["inputs"] == page["inputs"]
    assert done(session.get("/snapshot?at=3"))["inputs"] == [first]
    assert done(session.get("/snapshot?at=2"))["inputs"] == []
    assert done(session.get())["session"]["inputs"] == {"generation": 0, "pending": 2}


@pytest.mark.parametrize("input_id", ["i1", "a/b c?d#e%2F", "日本 é", "..x"])
def test_what_has_become_of_an_input_can_be_read(session: SessionApi, input_id: str) -> None:
    session.start("t1")
    body = {"input": TEXT, "turn_id": input_id, "mode": "queue"}
    where = session.post("/turns", body).headers["location"]

    waiting = done(session.api.get(where))
    assert (waiting["input_id"], waiting["status"]) == (input_id, "queued")
    assert waiting["input"] == done(session.get("/inputs"))["inputs"][0]
    done(session.api.post(f"{where}/steer"))
    assert done(session.api.get(where))["status"] == "staged"
    done(session.api.patch(where, {"parts": says("new")}))
    session.complete("t1")
    ended = done(session.api.get(where))
    assert (ended["status"], ended["input"]) == ("dispatched", None)


def test_an_input_can_be_changed_as_long_as_it_waits(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1", "i2")
    changed = done(session.patch("/inputs/i2", {"parts": says("other")}))
    assert (changed["input_id"], changed["status"], changed["queue_position"]) == (
        "i2",
        "queued",
        2,
    )
    with session.nothing_recorded():
        done(session.patch("/inputs/i2", {"parts": says("other")}))
        refused(session.patch("/inputs/none", TEXT), 404, "input_not_found", input_id="none")
    session.complete("t1")
    with session.nothing_recorded():
        late = session.patch("/inputs/i1", TEXT)
        refused(late, 409, "input_ended", input_id="i1", outcome="dispatched")
    session.complete("i1")

    assert session.events()[-1]["data"]["parts"] == says("other")


def test_an_input_can_be_taken_back_and_that_is_said_again(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1", "i2")
    taken_back = session.delete("/inputs/i1", json={"reason": "changed my mind"})
    assert done(taken_back)["status"] == "cancelled"
    assert session.events()[-1]["data"] == {"input_id": "i1", "reason": "changed my mind"}
    session.complete("t1")

    with session.nothing_recorded():
        assert done(session.delete("/inputs/i1"))["status"] == "cancelled"
        # Its turn runs: it is told so, and the turn goes on.
        assert done(session.delete("/inputs/i2"))["status"] == "dispatched"
        refused(session.delete("/inputs/none"), 404, "input_not_found")
    assert done(session.get())["session"]["turn_id"] == "i2"


def test_an_input_that_waits_can_be_made_to_steer(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1", "i2")
    with session.nothing_recorded():
        other = session.post("/inputs/i2/steer", {"expected_turn_id": "t0"})
        refused(other, 409, "turn_changed", turn_id="t1", expected_turn_id="t0")
        refused(session.post("/inputs/none/steer"), 404, "input_not_found")
    steered = done(session.post("/inputs/i2/steer", {"expected_turn_id": "t1"}))
    assert (steered["status"], steered["steers"]) == ("staged", "t1")
    with session.nothing_recorded():
        done(session.post("/inputs/i2/steer"))

    (taken,) = done(session.post("/turns/t1/inputs"))["inputs"]
    assert taken["input_id"] == "i2"
    with session.nothing_recorded():
        late = session.post("/inputs/i2/steer")
        refused(late, 409, "input_ended", outcome="steered")
        assert done(session.delete("/inputs/i2"))["status"] == "steered"
    assert session.waiting() == ["i1"]


def test_nothing_can_be_steered_while_nothing_runs(session: SessionApi) -> None:
    session.queue("i1", hold=True)
    with session.nothing_recorded():
        refused(session.post("/inputs/i1/steer"), 409, "no_turn_in_progress")
        meant = session.post("/inputs/i1/steer", {"expected_turn_id": "t1"})
        refused(meant, 409, "turn_changed", turn_id=None)


def test_the_queue_of_a_stopped_session_stays_and_can_be_worked_on(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1", "i2", "i3")
    done(session.post("/stop"))

    assert session.waiting() == ["i1", "i2", "i3"]
    done(session.patch("/inputs/i2", {"parts": says("other")}))
    assert done(session.delete("/inputs/i1"))["status"] == "cancelled"
    with session.nothing_recorded():
        refused(session.post("/inputs/i2/steer"), 409, "no_turn_in_progress")
        refused(session.post("/inputs", {"inputs": [TEXT]}), 409, "session_stopped")
        refused(session.post("/inputs/dispatch"), 409, "session_stopped")
        refused(session.post("/interrupt"), 409, "session_stopped")
    done(session.post("/resume"))
    assert done(session.post("/inputs/dispatch"))["next_turn_id"] == "i2"
    assert session.events()[-1]["data"]["parts"] == says("other")
    assert session.complete("i2")["next_turn_id"] == "i3"


def test_input_for_a_session_whose_agent_is_not_up(api: Api) -> None:
    session = api.create(starting=True)
    with session.nothing_recorded():
        for path, body in (
            ("/inputs", {"inputs": [TEXT]}),
            ("/turns", {"input": TEXT, "mode": "queue"}),
            ("/inputs/dispatch", {}),
            ("/interrupt", {}),
        ):
            refused(session.post(path, body), 409, "session_starting")


# ── interruption ─────────────────────────────────────────────────────────────────────────────


def test_an_interruption_ends_what_runs_and_what_waits(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1", "i2")
    answer = done(session.post("/interrupt", {"expected_turn_id": "t1", "reason": "enough"}))

    assert answer["interrupted"] is True
    assert (answer["previous_turn_id"], answer["generation"]) == ("t1", 1)
    assert answer["cancelled_inputs"] == ["i1", "i2"]
    assert session.events()[-1]["data"] == {"turn_id": "t1", "reason": "enough"}
    with session.nothing_recorded():
        idle = done(session.post("/interrupt"))
        assert (idle["interrupted"], idle["previous_turn_id"]) == (False, None)
        assert (idle["cancelled_inputs"], idle["generation"]) == ([], 1)
        assert done(session.delete("/inputs/i1"))["status"] == "cancelled"
        refused(session.patch("/inputs/i1", TEXT), 409, "input_ended", outcome="cancelled")
    session.start("t2")
    assert session.complete("t2")["next_turn_id"] is None
    session.queue("i3")
    assert session.events()[-3]["data"]["generation"] == 1


def test_an_interruption_while_nothing_runs_ends_what_waits(session: SessionApi) -> None:
    session.queue("i1", hold=True)

    answer = done(session.post("/interrupt"))
    assert (answer["interrupted"], answer["cancelled_inputs"]) == (False, ["i1"])


# ── sessions that are not there ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/inputs", {"inputs": [TEXT]}),
        ("PATCH", "/inputs/i1", TEXT),
        ("DELETE", "/inputs/i1", {}),
        ("POST", "/inputs/i1/steer", {}),
        ("POST", "/inputs/dispatch", {}),
        ("POST", "/interrupt", {}),
        ("POST", "/turns/t1/inputs", {}),
    ],
)
def test_commands_to_a_session_that_is_no_more_or_never_was(
    session: SessionApi, method: str, path: str, body: Json
) -> None:
    session.start("t1")
    session.queue("i1")
    session.delete()
    refuses_to_change_what_is_not_there(session, method, path, body)


def test_reads_of_a_session_that_is_no_more_or_never_was(session: SessionApi) -> None:
    session.delete()
    for path in ("/inputs", "/inputs/i1"):
        refuses_to_read_what_is_not_there(session, path)


# ── many at once ─────────────────────────────────────────────────────────────────────────────


def work(session: SessionApi, over: Event) -> list[str]:
    """Run whatever turn there is until nobody sends anything more, and return the turns."""
    ran: list[str] = []
    while True:
        last = over.is_set()
        turn = done(session.get())["session"]["turn_id"]
        while turn is not None:
            ran.append(turn)
            turn = session.complete(turn)["next_turn_id"]
        if last:
            return ran
        done(session.get("/status?wait=200ms"))


def test_64_clients_send_prompts_to_one_session(postgres_server: Server) -> None:
    """Each is accepted in order or refused, none is lost, and each runs exactly once."""
    over = Event()
    with (
        postgres_server.database() as url,
        running(url) as one,
        running(url) as two,
        ThreadPoolExecutor(CLIENTS + 1) as pool,
    ):
        apis = [Api(one), Api(two)]
        created = apis[0].create(limits={"queued_inputs": 20})
        worker = pool.submit(work, created, over)

        def send(number: int) -> list[Any]:
            said: list[Any] = []
            for again in range(3):
                turn_id = f"{number}.{again}"
                body = {"input": {"parts": says(turn_id)}, "turn_id": turn_id, "mode": "queue"}
                said.append((turn_id, apis[number % 2].post(f"{created.path}/turns", body)))
            return said

        said = [one for sent in pool.map(send, range(CLIENTS)) for one in sent]
        over.set()
        ran = worker.result(60)
        events: list[Json] = []
        while len(events) < created.head:
            events += created.events(since=len(events))
        for api in apis:
            api.close()

    accepted = [(r.json()["sequence"], turn_id) for turn_id, r in said if r.is_success]
    for turn_id, response in said:
        if response.is_success:
            assert response.json()["turn_id"] == turn_id
        else:
            refused(response, 429, "queue_full", limit=20)
            assert int(response.headers["retry-after"]) > 0
    in_order = [turn_id for _, turn_id in sorted(accepted)]
    assert in_order
    assert ran == in_order
    began = [e["data"] for e in events if e["type"] == "turn.started"]
    assert [one["turn_id"] for one in began] == in_order
    assert [one["parts"] for one in began] == [says(turn_id) for turn_id in in_order]
    ended = [e["data"]["turn_id"] for e in events if e["type"] == "turn.completed"]
    assert ended == in_order


def test_64_clients_send_more_than_fits(session: SessionApi) -> None:
    """Nobody works them off: as many are taken as may wait, and the others are told."""
    session.start("t0")
    with ThreadPoolExecutor(CLIENTS) as pool:

        def send(number: int) -> Any:
            inputs = [{"id": f"{number}.{i}", "parts": says("x")} for i in range(3)]
            return session.post("/inputs", {"inputs": inputs})

        answers = list(pool.map(send, range(CLIENTS)))

    taken = [r.json() for r in answers if r.is_success]
    assert len(taken) == 33
    for response in answers:
        if not response.is_success:
            refused(response, 429, "queue_full", waiting=99, limit=100)
    taken.sort(key=lambda answer: answer["sequence"])
    assert session.waiting() == [one["input_id"] for batch in taken for one in batch["inputs"]]
    places = [one["queue_position"] for batch in taken for one in batch["inputs"]]
    assert places == list(range(1, 100))
