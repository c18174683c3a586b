"""What happens at the same moment, to one session, through two servers over one database."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest

from application.ports.log.events import StoredEvent
from infrastructure.records.codec import JsonCodec
from tests.property import invariants
from tests.support.api import HELLO, Api, SessionApi
from tests.support.postgres import Server
from tests.support.server import running

Call = Callable[[], httpx.Response]


@pytest.fixture(scope="module")
def pair(postgres_server: Server) -> Iterator[tuple[Api, Api]]:
    with postgres_server.database() as url, running(url) as first, running(url) as second:
        apis = Api(first), Api(second)
        yield apis
        for api in apis:
            api.close()


ENDS = {
    "/turns/t1/complete": "turn.completed",
    "/turns/t1/fail": "turn.failed",
    "/turns/t1/cancel": "turn.cancelled",
}


def seen_by(api: Api, session: SessionApi) -> SessionApi:
    """Return the same session as another server shows it."""
    return SessionApi(api, {"id": session.id, "app": session.app, "user": session.user})


def at_once(*calls: Call) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


@pytest.mark.parametrize("number", range(12))
def test_a_stop_that_races_a_crash_leaves_one_stop_with_one_cause(
    pair: tuple[Api, Api], number: int
):
    here = pair[0].create()
    there = seen_by(pair[1], here)
    here.start("t1")
    crash = {"cause": "process_exited", "failure": {"kind": "process_exit", "summary": "139"}}
    calls: list[Call] = [
        lambda: here.post("/stop", {}),
        lambda: there.post("/stop", crash),
        lambda: there.post("/turns/t1/fail", {"kind": "process_exit"}),
    ]

    first, second, third = at_once(*(calls[number % 3 :] + calls[: number % 3]))

    assert {first.status_code, second.status_code, third.status_code} <= {200, 409}
    events = here.events()
    stops = [event for event in events if event["type"] == "session.stopped"]
    ends = [
        event for event in events if event["type"].startswith("turn.") and event["sequence"] > 2
    ]
    assert len(stops) == len(ends) == 1
    assert stops[0]["sequence"] > ends[0]["sequence"]
    shown = here.get().json()["session"]
    assert shown["stop"]["cause"] == stops[0]["data"]["cause"]
    told = [answer for answer in (first, second, third) if "cause" in answer.json()]
    assert {answer.json()["cause"] for answer in told} == {stops[0]["data"]["cause"]}


def test_many_requests_decided_at_once_each_get_their_own_answer(pair: tuple[Api, Api]):
    here = pair[0].create()
    there = seen_by(pair[1], here)
    here.start("t1")
    for number in range(24):
        here.ask(f"r{number}")

    def decide(number: int) -> Call:
        session = here if number % 2 else there
        option = "yes" if number % 3 else "no"
        path = f"/interactions/r{number}/decision"
        return lambda: session.post(path, {"option_id": option})

    answers = at_once(*(decide(number) for number in range(24)))

    assert [answer.status_code for answer in answers] == [200] * 24
    decided: dict[str, Any] = {
        event["data"]["request_id"]: event["data"]["option_id"]
        for event in here.events(types="permission.decided")
    }
    assert decided == {f"r{n}": "yes" if n % 3 else "no" for n in range(24)}
    assert here.get("/interactions").json()["interactions"] == []
    assert here.get("/status").json()["status"] == "running"


@pytest.mark.parametrize("number", range(6))
def test_a_deletion_that_races_new_input_leaves_nothing_after_the_tombstone(
    pair: tuple[Api, Api], number: int
):
    here = pair[0].create()
    there = seen_by(pair[1], here)
    body = {"inputs": [{"parts": [{"type": "text", "text": "x"}]}]}
    calls: list[Call] = [lambda: here.delete(), lambda: there.post("/inputs", body)] * 3

    answers = at_once(*(calls[number % 2 :] + calls[: number % 2]))

    assert {answer.status_code for answer in answers} <= {200, 202, 409}
    types = here.types()
    assert types.count("session.deleted") == 1
    assert types[-1] == "session.deleted"
    taken = sum(answer.status_code == 202 for answer in answers)
    assert types.count("input.queued") == taken


@pytest.mark.parametrize("number", range(6))
def test_whatever_ends_a_turn_at_once_it_ends_once_and_every_invariant_holds(
    pair: tuple[Api, Api], number: int
):
    here = pair[0].create()
    there = seen_by(pair[1], here)
    here.start("t1")
    here.record(("tool.called", {"tool_call_id": "c1", "name": "ls"}))
    here.ask("r1")
    here.queue("i1", "i2")
    replacing = {"turn_id": "t2", "input": {"parts": HELLO}, "mode": "interrupt"}
    waiting = {"turn_id": "t3", "input": {"parts": HELLO}, "mode": "queue"}
    result = {"type": "tool.returned", "data": {"tool_call_id": "c1"}}
    bodies: list[tuple[str, Any]] = [
        ("/turns/t1/complete", {}),
        ("/turns/t1/fail", {}),
        ("/turns/t1/cancel", {"hold": bool(number % 2)}),
        ("/interrupt", {"expected_turn_id": "t1"}),
        ("/turns", {**replacing, "expected_turn_id": "t1"}),
        ("/turns", waiting),
        ("/turns/t1/events", {"events": [result], "take_inputs": True}),
        ("/inputs/i2/steer", {"expected_turn_id": "t1"}),
        ("/interactions/r1/decision", {"option_id": "yes"}),
        ("/interactions/r1/decision", {"option_id": "no"}),
        ("/stop", {"when_idle": True}) if number % 4 == 3 else ("/inputs/dispatch", {}),
    ]
    turned = bodies[number:] + bodies[:number]

    answers = at_once(
        *(
            lambda session=(here, there)[at % 2], path=path, body=body: session.post(path, body)
            for at, (path, body) in enumerate(turned)
        )
    )

    assert {answer.status_code for answer in answers} <= {200, 201, 202, 404, 409}
    log = here.events(limit=200)
    invariants.check([decoded(event) for event in log])
    (ended,) = [
        e["type"] for e in log if e["type"] in ENDS.values() and e["data"]["turn_id"] == "t1"
    ]
    # Who cancels what was cancelled is told that it is so; nobody is told anything else.
    told = {
        ENDS.get(path, "turn.cancelled")
        for (path, body), answer in zip(turned, answers, strict=True)
        if answer.is_success and (path in ENDS or "expected_turn_id" in body)
        if not path.endswith("/steer")
    }
    assert told == {ended}
    assert sum(a.is_success and "decision" in a.json() for a in answers) <= 1


def decoded(event: dict[str, Any]) -> Any:
    """Return what a record of the tail stands for."""
    beside = ("session_id", "sequence", "position", "digest")
    record = json.dumps({key: value for key, value in event.items() if key not in beside})
    stored = StoredEvent(
        UUID(event["session_id"]),
        event["sequence"],
        event["position"],
        event["type"],
        record.encode(),
        b"",
    )
    return JsonCodec().decode(stored)
