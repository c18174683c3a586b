"""The audit feed over HTTP: each filter, each form, and what is refused."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.api import HELLO, Api
from tests.support.postgres import Server
from tests.support.server import running


@pytest.fixture(scope="module")
def told(postgres_server: Server) -> Iterator[Api]:
    """A server on which two users of two apps have done a few things."""
    with postgres_server.database() as url, running(url) as base:
        api = Api(base)
        for app, user in (("shop", "ada"), ("shop", "bob"), ("desk", "ada")):
            session = api.create(app=app, user=user)
            headers = {"Cairn-Actor": f"user:{user}"}
            body = {"input": {"parts": HELLO}, "turn_id": "t1"}
            api.post(f"/v1/sessions/{session.id}/turns", body, headers=headers)
            called = {"tool_call_id": "c1", "name": f"grep-{app}", "input": {"for": "Ünïcode"}}
            api.post(
                f"/v1/sessions/{session.id}/turns/t1/events",
                {"events": [{"type": "tool.called", "data": called}]},
                headers=headers,
            )
        yield api
        api.close()


def events(api: Api, query: str = "") -> list[dict[str, Any]]:
    """Return what is found, but for the reads of this test itself."""
    found: list[dict[str, Any]] = api.get(f"/v1/audit/events?limit=200&{query}").json()["events"]
    return without_accesses(found)


def without_accesses(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in events if one["type"] != "access.granted"]


def test_everything_is_in_it_in_order(told: Api) -> None:
    feed = told.get("/v1/events?limit=200").json()["events"]
    assert events(told) == feed
    first = told.get("/v1/audit/events?limit=2").json()
    assert first["events"] == feed[:2]
    assert not first["up_to_date"]
    second = told.get(f"/v1/audit/events?limit=2&after={first['next']}").json()
    assert second["events"] == feed[2:4]
    assert events(told, "after=now") == []


def test_each_filter_leaves_what_it_says(told: Api) -> None:
    everything = events(told)

    def is_left(query: str, wanted: list[dict[str, Any]]) -> None:
        assert wanted, query
        assert len(wanted) < len(everything), query
        assert events(told, query) == wanted, query

    def those(name: str, value: str) -> list[dict[str, Any]]:
        return [one for one in everything if one[name] == value]

    is_left("actor=user:bob", those("actor", "user:bob"))
    is_left("types=tool.called", those("type", "tool.called"))
    is_left("types=tool.*,session.*", [
        one for one in everything if one["type"].startswith(("tool.", "session."))
    ])  # fmt: skip
    session = everything[-1]["session_id"]
    is_left(f"session={session}", those("session_id", session))
    calls = those("type", "tool.called")
    is_left("tool=grep-desk", [one for one in calls if one["data"]["name"] == "grep-desk"])
    desk = {
        one["session_id"]
        for one in everything
        if one["type"] == "session.created" and one["data"]["owner"]["app"] == "desk"
    }
    is_left("app=desk", [one for one in everything if one["session_id"] in desk])
    is_left("app=desk&user=ada", [one for one in everything if one["session_id"] in desk])
    is_left("text=%C3%9CN%C3%AFCODE", calls)
    at = everything[3]["at"]
    moment = datetime.fromisoformat(at)
    later = (moment + timedelta(milliseconds=1)).isoformat().replace("+00:00", "Z")
    for name, cut in (("since", at), ("until", later)):
        wanted = [
            one
            for one in everything
            if (datetime.fromisoformat(one["at"]) >= datetime.fromisoformat(cut))
            == (name == "since")
        ]
        assert events(told, f"{name}={cut.replace('+', '%2B')}") == wanted
    assert events(told, "origin=import") == events(told, "origin=import,repair") == []
    assert events(told, "origin=import,http") == everything
    assert events(told, "origin=import&origin=http") == everything
    assert events(told, "origin=http") == everything
    assert events(told, "text=100%25") == []


def test_all_of_it_as_lines_and_as_a_table(told: Api) -> None:
    everything = events(told)
    lines = told.get("/v1/audit/events", headers={"accept": "application/jsonl"})
    assert without_accesses([*map(json.loads, lines.text.splitlines())]) == everything
    table = told.get("/v1/audit/events?types=tool.called", headers={"accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    calls = [one for one in everything if one["type"] == "tool.called"]
    assert [row["digest"] for row in rows] == [one["digest"] for one in calls]
    assert [row["app"] for row in rows] == ["shop", "shop", "desk"]
    assert json.loads(rows[0]["data"]) == calls[0]["data"]
    nothing = told.get("/v1/audit/events?actor=nobody", headers={"accept": "text/csv"})
    assert len(nothing.text.splitlines()) == 1


def test_a_table_holds_no_formula(told: Api) -> None:
    session = told.create()
    told.post(
        f"/v1/sessions/{session.id}/messages",
        {"role": "user", "parts": HELLO},
        headers={"Cairn-Actor": "=cmd()"},
    )
    table = told.get(f"/v1/audit/events?session={session.id}", headers={"accept": "text/csv"})
    assert [row["actor"] for row in csv.DictReader(io.StringIO(table.text))][-1] == "'=cmd()"


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=2026",
        "session=x",
        "limit=0",
        "types=",
        "who=me",
        "after=-1",
        "origin=nope",
        "origin=http,nope",
    ],
)
def test_what_makes_no_sense_is_refused(told: Api, query: str) -> None:
    answer = told.get(f"/v1/audit/events?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_parameter"
    if query.startswith("origin"):
        assert "one or more of adk, agentapi, docker-agent, " in answer.json()["detail"]


def test_what_is_refused_is_refused_in_each_form(told: Api) -> None:
    for accept in ("application/json", "application/jsonl", "text/csv"):
        answer = told.get("/v1/audit/events?after=9999999", headers={"accept": accept})
        assert answer.status_code == 409
        assert answer.json()["code"] == "cursor_ahead"
    answer = told.get("/v1/audit/events?limit=1", headers={"accept": "text/csv"})
    assert answer.status_code == 400
