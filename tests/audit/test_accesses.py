"""Privileged reads are in the log, and whoever owns the database cannot take them out unseen."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from domain.access.events import ACCESS_LOG
from tests.audit.conftest import Audited
from tests.audit.test_verification import all_of, codes, tamper
from tests.support.api import HELLO, Api

HOOK = "https://hooks.example.com/cairn"
EVE = {"Cairn-Actor": "user:eve", "Cairn-Causation": "ticket-7"}
IT = f"originator_id = '{ACCESS_LOG}'"


def accesses(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/v1/events?types=access.granted").json()["events"]
    return found


def test_every_privileged_read_says_who_read_what(audited: Audited) -> None:
    api = audited.api
    session = api.create()
    api.get("/v1/audit/events?actor=user:bob&after=0&limit=3", headers=EVE)
    api.get(f"/v1/sessions/{session.id}/verify", headers=EVE)
    api.get("/v1/audit/verify?sample=1", headers=EVE)
    hook = api.post("/v1/webhooks", {"url": HOOK}, headers=EVE).json()["id"]
    api.patch(f"/v1/webhooks/{hook}", {"secret": None}, headers=EVE)
    api.get("/v1/audit/events?types=turn.*", headers=EVE | {"Accept": "text/csv"})
    told = accesses(api)
    assert [one["data"] for one in told] == [
        {"to": "audit_events", "where": {"actor": "user:bob"}},
        {"to": "verification", "session_id": session.id, "where": {}},
        {"to": "verification", "where": {"sample": "1"}},
        {"to": "webhook_secret", "webhook_id": hook, "where": {}},
        {"to": "webhook_secret", "webhook_id": hook, "where": {}},
        {"to": "audit_events", "where": {"types": "turn.*"}},
    ]
    assert {(one["actor"], one["origin"], one["causation"]) for one in told} == {
        ("user:eve", "http", "ticket-7")
    }
    audit = api.get("/v1/audit/events?actor=user:eve").json()["events"]
    assert audit == told


def test_what_shows_nothing_of_the_log_is_no_access(audited: Audited) -> None:
    session = audited.api.create()
    paths = ("checkpoint", "checkpoints", "key", "proof?position=1", "tile/0/000.p/1")
    for path in paths:
        assert audited.api.get(f"/v1/audit/{path}").status_code == 200
    assert audited.api.get(f"/v1/sessions/{uuid4()}/verify").status_code == 404
    assert audited.api.get("/v1/audit/events?limit=0").status_code == 400
    assert session.get("/events").status_code == 200
    assert accesses(audited.api) == []


def test_who_reads_on_comes_to_an_end(audited: Audited) -> None:
    after, turns = 0, 0
    for _ in range(5):
        audited.api.create()
    while not (page := audited.api.get(f"/v1/audit/events?limit=1&after={after}").json())[
        "up_to_date"
    ]:
        after, turns = page["next"], turns + 1
        assert turns < 10
    assert len(accesses(audited.api)) == 1


def test_no_door_writes_there_but_the_one(audited: Audited) -> None:
    api = audited.api

    def refused(expected: int) -> None:
        made = api.post("/v1/sessions", {"app": "a", "user": "u", "id": str(ACCESS_LOG)})
        assert made.status_code == expected, made.text

    refused(409)
    all_of(audited)
    refused(409)
    for path in ("", "/messages", "/state"):
        assert api.get(f"/v1/sessions/{ACCESS_LOG}{path}").status_code == 404
    turn = {"input": {"parts": HELLO}}
    assert api.post(f"/v1/sessions/{ACCESS_LOG}/turns", turn).status_code == 404
    assert [one["type"] for one in accesses(api)] == ["access.granted"]
    with psycopg.connect(audited.database, autocommit=True) as connection:
        for statement in (
            f"delete from events where {IT}",
            f"update events set state = 'x' where {IT}",
            "truncate events",
        ):
            with pytest.raises(psycopg.errors.DatabaseError, match="append-only"):
                connection.execute(statement.encode())


CHANGED = "convert_to(replace(convert_from(state, 'UTF8'), 'eve', 'bob'), 'UTF8')"
ATTACKS = {
    "another actor": (
        f"update events set state = {CHANGED} where {IT} and originator_version = 1",
        [("digest_mismatch", 1)],
    ),
    "the newest taken out": (
        f"delete from events where {IT} and originator_version = 2",
        [("event_sequence_gap", 3), ("position_gap", None)],
    ),
    "the first taken out": (
        f"delete from events where {IT} and originator_version = 1",
        [("event_sequence_gap", 2), ("position_gap", None)],
    ),
}


@pytest.mark.parametrize(("statement", "found"), ATTACKS.values(), ids=ATTACKS)
def test_who_owns_the_database_is_found_out(
    audited: Audited, statement: str, found: list[tuple[str, int | None]]
) -> None:
    audited.api.create()
    audited.api.get("/v1/audit/verify", headers=EVE)
    audited.api.get("/v1/audit/verify", headers=EVE)
    # Something comes after them, so that the log does not just end sooner.
    audited.api.create()
    tamper(audited, statement)
    assert codes(all_of(audited)[-1]) == found
