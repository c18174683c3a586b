"""The repair of a session over HTTP: looked at first, then appended, then nothing left to do."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from application.errors import StoreUnavailable
from infrastructure.postgres.connecting.database import Database
from tests.repair.damage import Damage, crashed, left_open
from tests.support.api import Api, SessionApi, done, refused
from tests.support.server import running

Json = dict[str, Any]


@pytest.fixture(scope="module")
def api(shared_api: Api) -> Api:
    return shared_api


@pytest.fixture
def damage(shared_url: str) -> Callable[[SessionApi], Damage]:
    return lambda session: Damage(shared_url, session)


def repair(session: SessionApi, **query: Any) -> Json:
    report: Json = done(session.post("/repair", params=query))["repair"]
    return report


def codes(report: Json) -> list[str]:
    return [issue["code"] for issue in report["issues"]]


def test_a_dry_run_plans_and_writes_nothing(open_session: SessionApi) -> None:
    with open_session.nothing_recorded():
        first = repair(open_session, dry_run="true")
        assert repair(open_session, dry_run="T") == first

    assert [action["code"] for action in first["actions"]] == [
        "append_interrupted_tool_result",
        "append_terminal_error",
    ]
    assert codes(first) == ["event_sequence_gap"]
    assert (first["dry_run"], first["persisted"], first["repair_id"]) == (True, False, None)


def test_what_is_applied_is_what_was_planned_byte_for_byte(open_session: SessionApi) -> None:
    plan = repair(open_session, dry_run="true")

    report = repair(open_session, expected_report=plan["report_digest"])

    *closing, repaired = open_session.events(since=7)
    assert [
        {"type": one["type"], "turn_id": one["turn_id"], "data": one["data"]} for one in closing
    ] == plan["planned_events"]
    assert {one["origin"] for one in (*closing, repaired)} == {"repair"}
    assert {one["causation"] for one in (*closing, repaired)} == {report["repair_id"]}
    assert [action["event_id"] for action in report["actions"]] == [one["id"] for one in closing]
    assert report["persisted"]
    assert report["sequence"] == repaired["sequence"] == 10
    assert repaired["type"] == "session.repaired"
    assert repaired["data"]["report_digest"] == plan["report_digest"]
    assert repaired["data"]["report"]["actions"][0]["tool_call_id"] == "c1"


def test_a_second_run_plans_nothing(open_session: SessionApi) -> None:
    repair(open_session)
    with open_session.nothing_recorded():
        again = repair(open_session)

    assert (again["actions"], again["persisted"], again["blocked"]) == ([], False, False)
    assert codes(again) == ["event_sequence_gap", "terminal_event_already_exists"]


def test_a_repaired_session_can_go_on(open_session: SessionApi) -> None:
    repair(open_session)
    done(open_session.post("/resume"))
    open_session.start("t2")
    open_session.complete("t2", stop_reason="end_turn")


def test_a_whole_session_has_nothing_to_repair(session: SessionApi) -> None:
    report = repair(session)

    assert codes(report) == ["terminal_event_already_exists"]
    assert not report["blocked"]


def test_a_running_session_is_never_touched(api: Api) -> None:
    running = api.create()
    running.start("t1")
    with running.nothing_recorded():
        report = repair(running, force="1")

    assert codes(report) == ["session_not_stopped"]
    assert report["blocked"]


def test_a_session_that_was_stopped_on_purpose_needs_force(api: Api, damage: Any) -> None:
    session = api.create()
    session.start("t1")
    done(session.post("/stop"))
    damage(session).hole(3)

    asked = repair(session)
    assert codes(asked) == ["event_sequence_gap", "stop_reason_requires_force"]
    assert asked["blocked"]
    assert repair(session, force="true")["persisted"]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("dry_run=true&dry-run=false", "conflicting"),
        ("dry_run=&dry-run=1", "conflicting"),
        ("dry_run=maybe", "dry_run"),
        ("force=yes", "force"),
        ("scope=some", "scope"),
        ("dry_run=1&dry_run=1", "dry_run"),
        ("dryrun=1", "dryrun"),
        ("expected_report=sha256:12", "expected_report"),
        ("expected_report=", "expected_report"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    open_session: SessionApi, query: str, word: str
) -> None:
    with open_session.nothing_recorded():
        problem = refused(open_session.post(f"/repair?{query}"), 400, "invalid_parameter")

    assert word in problem["detail"]


@pytest.mark.parametrize("value", ["1", "t", "T", "true", "TRUE", "True"])
@pytest.mark.parametrize("name", ["dry_run", "dry-run"])
def test_go_spells_true(session: SessionApi, name: str, value: str) -> None:
    assert repair(session, **{name: value})["dry_run"]


@pytest.mark.parametrize("value", ["0", "f", "F", "false", "FALSE", "False", ""])
def test_go_spells_false_and_blank_is_false(session: SessionApi, value: str) -> None:
    assert not repair(session, dry_run=value)["dry_run"]


def test_both_names_may_agree(session: SessionApi) -> None:
    assert repair(session, **{"dry_run": "1", "dry-run": "true"})["dry_run"]


def test_a_body_is_refused_rather_than_ignored(session: SessionApi) -> None:
    refused(session.post("/repair", {"dry_run": True}), 422, "invalid")


def test_a_session_that_is_not_there_is_not_found(api: Api, session: SessionApi) -> None:
    unknown = "01890a5d-ac96-774b-bcce-b302099a8057"
    refused(api.post(f"/v1/sessions/{unknown}/repair"), 404, "session_not_found")
    done(session.delete())
    refused(session.post("/repair"), 404, "session_not_found")


def test_another_report_than_the_expected_one_applies_nothing(
    api: Api, open_session: SessionApi, session: SessionApi
) -> None:
    of_another = repair(api.create(), dry_run="1")["report_digest"]
    with open_session.nothing_recorded():
        problem = refused(
            open_session.post("/repair", params={"expected_report": of_another}),
            409,
            "report_outdated",
        )

    assert problem["report"] == repair(open_session, dry_run="1")


def test_a_report_of_an_older_head_applies_nothing(open_session: SessionApi) -> None:
    older = repair(open_session, dry_run="1")["report_digest"]
    done(open_session.patch("", {"title": "Moved on"}))
    with open_session.nothing_recorded():
        answer = open_session.post("/repair", params={"expected_report": older})
        problem = refused(answer, 409, "report_outdated")

    assert problem["report"]["analysed_sequence"] == 8
    assert repair(open_session, expected_report=problem["report"]["report_digest"])["persisted"]


def test_the_sequence_that_is_expected_is_held(open_session: SessionApi) -> None:
    refused(
        open_session.post("/repair", headers={"If-Match": '"3"'}), 412, "stale_sequence", head=7
    )


def test_of_many_repairs_at_once_one_is_carried_out(api: Api, open_session: SessionApi) -> None:
    def one(_: int) -> Json:
        answer = httpx.post(f"{api.base_url}{open_session.path}/repair", timeout=60)
        report: Json = done(answer)["repair"]
        return report

    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(one, range(16)))

    assert sum(report["persisted"] for report in reports) == 1
    assert open_session.types().count("session.repaired") == 1
    assert open_session.types().count("turn.failed") == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/resume", {}),
        ("PATCH", "", {"title": "Other"}),
        ("DELETE", "", None),
        ("POST", "/messages", {"role": "user", "parts": [{"type": "text", "text": "hi"}]}),
    ],
)
def test_a_repair_and_anything_else_at_once_leave_a_whole_log(
    api: Api, open_session: SessionApi, method: str, path: str, body: Any
) -> None:
    def other(_: int) -> int:
        return httpx.request(
            method, f"{api.base_url}{open_session.path}{path}", json=body, timeout=60
        ).status_code

    def mend(_: int) -> int:
        return httpx.post(f"{api.base_url}{open_session.path}/repair", timeout=60).status_code

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(work, n) for n, work in enumerate([mend, other, mend, other])]
    statuses = [answer.result() for answer in answers]

    assert all(status < 500 for status in statuses), statuses
    events = open_session.events()
    assert [one["sequence"] for one in events] == [
        1,
        2,
        3,
        4,
        *range(7, events[-1]["sequence"] + 1),
    ]
    kinds = [one["type"] for one in events]
    assert kinds.count("session.repaired") <= 1
    if "session.repaired" in kinds:
        at = kinds.index("session.repaired")
        assert kinds[at - 2 : at] == ["tool.returned", "turn.failed"]


def test_a_repair_and_an_erasure_at_once_leave_an_erased_session(
    api: Api, open_session: SessionApi
) -> None:
    def mend(_: int) -> int:
        return httpx.post(f"{api.base_url}{open_session.path}/repair", timeout=60).status_code

    def erase(_: int) -> int:
        url = f"{api.base_url}{open_session.path}/erase"
        return httpx.post(url, json={"reason": "request 17"}, timeout=60).status_code

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(work, n) for n, work in enumerate([mend, erase, mend, mend])]
    statuses = [answer.result() for answer in answers]

    assert statuses[1] == 200
    assert set(statuses) <= {200, 410}
    refused(open_session.post("/repair"), 410, "erased")
    refused(open_session.get(), 410, "erased")
    # What was appended before stands in the chain, which holds but for the hole.
    found = done(open_session.get("/verify"))["findings"]
    assert [one["code"] for one in found] == ["event_sequence_gap"]


def test_a_session_is_repaired_and_resumed_in_one_step(open_session: SessionApi) -> None:
    answer = done(open_session.post("/resume", params={"repair": "true"}))

    assert answer["status"] == "idle"
    assert answer["repair"]["persisted"]
    assert open_session.types()[-2:] == ["session.repaired", "session.resumed"]


def test_resuming_without_repair_is_as_it_was(session: SessionApi) -> None:
    assert "repair" not in done(session.post("/resume", params={"repair": ""}))
    refused(session.post("/resume?repair=yes"), 400, "invalid_parameter")


def test_damage_that_cannot_be_closed_keeps_a_session_from_being_repaired_and_resumed(
    session: SessionApi, damage: Any
) -> None:
    damage(session).replace(3, b"Looking", b"Hooking")
    with session.nothing_recorded():
        problem = refused(session.post("/resume", params={"repair": "1"}), 409, "repair_blocked")

    assert codes(problem["report"]) == ["digest_mismatch"]
    assert done(session.post("/resume"))["status"] == "idle"


def test_a_dry_run_needs_no_right_but_to_read(database_url: str) -> None:
    with running(database_url) as base:
        api = Api(base)
        session = left_open(Damage(database_url, crashed(api)))
        before = repair(session, dry_run="1")
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute(
                "revoke insert, update, delete, truncate on all tables in schema public"
                " from current_user"
            )

        assert repair(session, dry_run="1") == before
        assert session.post("/repair").status_code == 503
        assert len(session.events()) == 5
        api.close()


async def test_a_session_is_looked_at_in_a_transaction_that_cannot_write(database_url: str) -> None:
    database = Database(database_url)
    await database.open()
    try:
        with pytest.raises(StoreUnavailable) as unavailable:
            async with database.reading() as reading:
                await reading.rows("delete from sessions returning 1", {})
        assert unavailable.value.facts["reason"] == "read_only"
    finally:
        await database.close()


def test_turns_before_the_final_one_are_closed_when_asked_for(api: Api, damage: Any) -> None:
    session = api.create()
    session.start("t1")
    session.record(("tool.called", {"tool_call_id": "c1", "name": "grep"}))
    session.complete("t1", stop_reason="end_turn")
    session.start("t2")
    done(session.post("/stop", {"cause": "process_exited"}))
    broken: Damage = damage(session)
    for sequence in (4, 5, 7):
        broken.hole(sequence)

    final = repair(session, dry_run="1")
    assert [action["turn_id"] for action in final["actions"]] == ["t2"]

    report = repair(session, scope="all")
    assert [(action["code"][7:15], action["turn_id"]) for action in report["actions"]] == [
        ("interrup", "t1"),
        ("terminal", "t1"),
        ("terminal", "t2"),
    ]
    appended = session.events(since=8)
    assert [one.get("turn_id") for one in appended] == ["t1", "t1", "t2", None]
    assert repair(session, scope="all", dry_run="1")["actions"] == []
