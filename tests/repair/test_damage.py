"""Damage by somebody who owns the database: named, with a way out, and nobody else's trouble."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from api.cli import app
from application.projections.shared_state import scope_id
from tests.repair.damage import Damage
from tests.support.api import Api, SessionApi, done, refused
from tests.support.server import running

Json = dict[str, Any]
Hurt = Callable[[SessionApi], Damage]


def look(session: SessionApi) -> Json:
    report: Json = done(session.post("/repair", params={"dry_run": "1"}))["repair"]
    return report


def verified(api: Api, log_id: object) -> list[str]:
    """Return the codes of what verification finds in a log."""
    return [one["code"] for one in done(api.get(f"/v1/sessions/{log_id}/verify"))["findings"]]


def codes(session: SessionApi) -> list[str]:
    return [issue["code"] for issue in look(session)["issues"] if issue["severity"] != "info"]


@contextmanager
def tail_of(session: SessionApi) -> Iterator[Iterator[str]]:
    """Follow a session from its end on: the types of what comes."""
    asked = {"Accept": "text/event-stream"}
    url = f"{session.api.base_url}{session.path}/events"
    with httpx.stream("GET", url, params={"since": session.head}, headers=asked) as answer:
        lines = answer.iter_lines()
        assert "caught-up" in next(line for line in lines if line.startswith("event:"))
        events = (json.loads(line[5:]) for line in lines if line.startswith("data: {"))
        yield (one["type"] for one in events if "sequence" in one and "type" in one)


def swap(damage: Damage) -> None:
    for was, becomes in ((3, -1), (4, 3), (-1, 4)):
        damage.run(
            "update events set originator_version = %(to)s"
            " where originator_id = %(id)s and originator_version = %(was)s",
            was=was,
            to=becomes,
        )


def double(damage: Damage) -> None:
    damage.run("alter table events drop constraint events_pkey")
    damage.run(
        "insert into events (originator_id, originator_version, topic, state, notification_id,"
        " digest) select originator_id, originator_version, topic, state, 1000000, digest"
        " from events where originator_id = %(id)s and originator_version = 3"
    )


def versioned(damage: Damage) -> None:
    damage.replace(3, b'"v":1', b'"v":9')
    damage.chain_again()


DAMAGE: dict[str, tuple[Callable[[Damage], None], list[str]]] = {
    "a hole": (lambda d: d.hole(3), ["event_sequence_gap"]),
    "a duplicate": (double, ["event_sequence_duplicate"]),
    "swapped rows": (swap, ["position_regression", "digest_mismatch"]),
    "a changed byte": (lambda d: d.replace(3, b"Looking", b"Hooking"), ["digest_mismatch"]),
    "a record that is not JSON": (lambda d: d.record(3, b"no"), ["invalid_event_json"]),
    "a record that is not UTF-8": (
        lambda d: d.record(3, b'{"id":"\xff"}'),
        ["invalid_event_json"],
    ),
    "a record of nothing": (lambda d: d.record(3, b"{}"), ["invalid_event_json"]),
    "an unknown version": (versioned, ["unknown_event_version"]),
    "a changed type": (
        lambda d: d.run(
            "update events set topic = 'agent.thought'"
            " where originator_id = %(id)s and originator_version = 3"
        ),
        ["event_type_mismatch"],
    ),
    "an emptied type": (
        lambda d: d.run(
            "update events set topic = '' where originator_id = %(id)s and originator_version = 3"
        ),
        ["event_type_mismatch"],
    ),
    "a truncated tail": (lambda d: d.cut(4), ["event_head_mismatch"]),
    "a head ahead of the log": (
        lambda d: d.run("update sessions set sequence = 50 where session_id = %(id)s"),
        ["event_head_mismatch"],
    ),
    "a wrong digest": (
        lambda d: d.run(
            "update events set digest = sha256('x')"
            " where originator_id = %(id)s and originator_version = 3"
        ),
        ["digest_mismatch", "digest_mismatch"],
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_harms_nobody_else_and_leaves_a_way_out(
    name: str, api: Api, session: SessionApi, damage: Hurt
) -> None:
    before = done(session.get("/events", params={"since": "0", "limit": 2}))["events"]
    other = api.create(app=session.app)
    other.say("before")
    feed = api.feed_head()
    do, expected = DAMAGE[name]
    with tail_of(other) as tail:
        do(damage(session))
        other.say("meanwhile")
        assert next(tail) == "message.added"

    found = codes(session)
    assert set(found) >= set(expected), found
    assert look(session) == look(session)
    assert all(issue["advice"] for issue in look(session)["issues"])

    # What came before the damage is read as ever, and forked.
    assert done(session.get("/events", params={"limit": 2}))["events"] == before
    done(session.get("/events", params={"limit": 200}))
    done(session.get())
    fork = done(session.post("/fork", {"at": 2}), 201)["session"]
    assert done(api.get(f"/v1/sessions/{fork['id']}/messages"))
    # Lists, other sessions, the feed.
    listed = done(api.get("/v1/sessions", params={"app": session.app}))["sessions"]
    assert {session.id, other.id, fork["id"]} <= {one["id"] for one in listed}
    other.say("after")
    done(api.get("/v1/events", params={"after": 0, "limit": 200}))
    assert api.feed_head() > feed
    assert other.types().count("message.added") == 3
    assert done(api.get(f"/v1/sessions/{fork['id']}/verify"))["ok"]


def test_a_record_that_is_not_json_is_named_in_its_place(
    api: Api, session: SessionApi, damage: Hurt
) -> None:
    damage(session).record(3, b"not json")
    third = session.events()[2]

    assert (third["sequence"], third["type"]) == (3, "unreadable")
    assert third["data"] == {"type": "agent.message"}
    assert third in done(api.get("/v1/events", params={"limit": 200}))["events"]
    done(session.delete())
    refused(session.get(), 404, "session_not_found")


def test_a_stale_list_row_is_named_and_made_anew_by_the_next_change(
    session: SessionApi, damage: Hurt
) -> None:
    damage(session).run("update sessions set title = 'Wrong' where session_id = %(id)s")

    assert codes(session) == ["read_model_mismatch"]
    assert not look(session)["blocked"]
    for doc in ("{}", "", "[1]", '{"id": "x", '):
        damage(session).run(f"update sessions set doc = '{doc}' where session_id = %(id)s")
        assert codes(session) == ["read_model_mismatch"]
        done(session.get("/messages"))
        (shown,) = session.api.get("/v1/sessions", params={"user": session.user}).json()["sessions"]
        assert (shown["id"], shown["status"], shown["title"]) == (session.id, "stopped", "Wrong")
    done(session.patch("", {"title": "Right"}))
    assert codes(session) == []


def test_a_shared_key_whose_history_disagrees_is_named_and_written_again(
    session: SessionApi, damage: Hurt
) -> None:
    done(session.post("/resume"))
    done(session.patch("/state", {"set": {"app:motd": "hi"}}))
    assert codes(session) == []
    damage(session).run(
        "update shared_state set value = '\"no\"' where key = 'app:motd' and %(id)s <> ''"
    )

    assert codes(session) == verified(session.api, session.id) == ["shared_state_mismatch"]
    done(session.patch("/state", {"set": {"app:motd": "hi again"}}))
    assert codes(session) == verified(session.api, session.id) == []


def test_a_key_of_an_app_whose_history_disagrees_is_found_by_verification(
    session: SessionApi, damage: Hurt
) -> None:
    api, log_id = session.api, scope_id(session.app, None)
    done(api.patch(f"/v1/apps/{session.app}/state", {"set": {"app:motd": "hi"}}))
    assert verified(api, log_id) == []
    damage(session).run("delete from shared_state_history where key = 'app:motd' and %(id)s <> ''")

    assert verified(api, log_id) == ["shared_state_mismatch"]


def test_a_client_ahead_of_a_restored_backup_is_told(session: SessionApi, damage: Hurt) -> None:
    broken = damage(session)
    broken.cut(4)
    broken.run(
        "update sessions set (sequence, digest, position) = (select originator_version, digest,"
        " notification_id from events where originator_id = %(id)s and originator_version = 4)"
        " where session_id = %(id)s"
    )

    refused(session.get("/events", params={"since": 7}), 409, "cursor_ahead", head=4)


@pytest.mark.parametrize(
    ("name", "last"), [("a truncated tail", 4), ("a head ahead of the log", 7)]
)
def test_what_is_left_of_a_log_that_ends_too_early_goes_on_in_a_fork(
    name: str, last: int, api: Api, session: SessionApi, damage: Hurt, database_url: str
) -> None:
    DAMAGE[name][0](damage(session))
    head = session.document()["sequence"]
    assert head > last

    # Clients that have seen more than is left are told, whatever the list row says.
    refused(session.get("/events", params={"since": head + 1}), 409, "cursor_ahead", head=head)
    # Nothing is appended by whoever has to read the log first.
    with running(database_url) as base:
        cold = Api(base)
        answer = cold.patch(session.path, {"title": "New"})
        assert (answer.status_code, answer.json()["code"]) == (500, "log_damaged"), answer.text
        # Nor is anything refused by what nobody knows to be the newest state.
        behind = cold.patch(session.path, {"title": "New"}, headers={"If-Match": '"2"'})
        assert (behind.status_code, behind.json()["code"]) == (500, "log_damaged"), behind.text
        cold.close()
    fork = SessionApi(api, done(session.post("/fork", {"at": last}), 201)["session"])
    assert len(fork.events()) == 1
    done(fork.post("/resume") if fork.document()["status"] == "stopped" else fork.get())
    fork.say("on")
    assert done(fork.get("/verify"))["ok"]


def test_a_key_whose_history_lost_a_write_is_named_and_written_again(
    session: SessionApi, damage: Hurt
) -> None:
    done(session.post("/resume"))
    done(session.patch("/state", {"set": {"user:name": "Ada"}}))
    damage(session).run("delete from shared_state_history where key = 'user:name' and %(id)s <> ''")

    assert codes(session) == ["shared_state_mismatch"]
    done(session.patch("/state", {"set": {"user:name": "Ada L."}}))
    assert codes(session) == []


def test_all_that_follows_from_the_log_is_made_anew_from_it(
    session: SessionApi, damage: Hurt, database_url: str
) -> None:
    done(session.post("/resume"))
    done(session.patch("/state", {"set": {"app:motd": "hi"}}))
    broken = damage(session)
    broken.run("update sessions set title = 'Wrong' where session_id = %(id)s")
    broken.run("update shared_state set value = '\"no\"' where key = 'app:motd' and %(id)s <> ''")
    assert set(codes(session)) == {"read_model_mismatch", "shared_state_mismatch"}

    done_with = CliRunner().invoke(app, ["rebuild", "--database-url", database_url])

    assert done_with.exit_code == 0, done_with.output
    assert codes(session) == []
    assert done(session.get("/verify"))["ok"]


def test_the_log_refuses_a_change_by_whoever_has_not_put_its_guards_aside(
    session: SessionApi, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.Error, match="append"):
        connection.execute("delete from events where originator_id = %s", (session.id,))


@pytest.mark.parametrize("name", ["a duplicate", "swapped rows", "a hole", "a wrong digest"])
def test_a_report_does_not_depend_on_where_pages_of_the_log_end(
    name: str, session: SessionApi, damage: Hurt, monkeypatch: pytest.MonkeyPatch
) -> None:
    do, _ = DAMAGE[name]
    do(damage(session))
    report, verdict = look(session), done(session.get("/verify"))
    for limit, value in (("_AT_ONCE", 1), ("_BYTES", 1), ("_AT_ONCE", 3)):
        with monkeypatch.context() as patch:
            patch.setattr(f"infrastructure.postgres.log.inspection.{limit}", value)
            assert look(session) == report
            assert done(session.get("/verify")) == verdict
