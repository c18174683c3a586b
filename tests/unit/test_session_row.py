"""From a state to what lists show of it, and to the keys that sessions share."""

from dataclasses import fields
from uuid import UUID

import msgspec
import pytest

from application.ports.store import SharedWrite
from application.projections.session_row import (
    app_scope,
    listed_differently,
    session_document,
    session_row,
    shared_writes,
    user_scope,
)
from domain.session import events as e
from domain.values import Agent, Failure, Owner, rfc3339
from infrastructure.codec import JsonCodec
from tests.support.builders import (
    OWNER,
    SAMPLES,
    SESSION_ID,
    added,
    at,
    called,
    cancelled,
    completed,
    created,
    requested,
    returned,
    started,
    state_after,
    stopped,
)

CODEC = JsonCodec()
AGENT = Agent(name="coder", provider="acme", model="m", reasoning_effort="high")
FULL_OWNER = Owner(app="console", user="ada", workspace="w", team="t", scope="s")


def test_a_new_session_is_shown_with_everything_it_was_given():
    past = [created(owner=FULL_OWNER, title="T", tags=("a",), agent=AGENT, metadata={"k": 1})]

    shown = session_document(SESSION_ID, state_after(past))

    owner = {"app": "console", "user": "ada", "workspace": "w", "team": "t", "scope": "s"}
    assert owner.items() <= shown.items()
    assert shown["agent"] == {
        "name": "coder", "provider": "acme", "model": "m", "reasoning_effort": "high"
    }  # fmt: skip
    assert (shown["id"], shown["title"], shown["tags"]) == (SESSION_ID, "T", ("a",))
    assert (shown["status"], shown["type"], shown["starred"]) == ("idle", "user", False)
    assert (shown["metadata"], shown["activation"]) == ({"k": 1}, 1)
    assert shown["created_at"] == rfc3339(at(1))
    assert shown["turn_id"] is shown["stop"] is shown["failure"] is None
    assert (shown["turns"], shown["usage"]) == (
        0, {"input_tokens": 0, "output_tokens": 0, "cost": None}
    )  # fmt: skip


def test_the_running_turn_and_its_totals_are_shown():
    past = [created(), started("t1"), e.UsageReported(input_tokens=3, cost=0.5)]

    shown = session_document(SESSION_ID, state_after(past))

    assert (shown["status"], shown["turn_id"], shown["turns"]) == ("running", "t1", 1)
    assert shown["usage"] == {"input_tokens": 3, "output_tokens": 0, "cost": 0.5}


def test_a_stop_is_shown_with_its_cause():
    past = [created(), stopped(detail="d", failure=Failure(kind="k", summary="s"))]

    shown = session_document(SESSION_ID, state_after(past))

    assert shown["status"] == "stopped"
    assert shown["stop"] == {"cause": "user_requested", "reason": "user_canceled", "detail": "d"}
    assert shown["failure"] == {"kind": "k", "summary": "s", "bundle": None}


def test_a_row_has_what_lists_filter_by_and_the_document_as_json():
    session = state_after([created(owner=FULL_OWNER, title="T", tags=("a",), agent=AGENT)])

    row = session_row(SESSION_ID, session, CODEC)

    assert Owner(**{f.name: getattr(row, f.name) for f in fields(Owner)}) == FULL_OWNER
    assert (row.agent, row.title, row.tags, row.status) == ("coder", "T", ("a",), "idle")
    assert (row.created_at, row.deleted) == (at(1), False)
    document = session_document(SESSION_ID, session)
    assert row.doc.encode() == CODEC.to_json(document)
    assert msgspec.json.decode(row.doc)["id"] == str(SESSION_ID)


def test_a_deleted_session_has_a_row_that_says_so():
    row = session_row(SESSION_ID, state_after([created(), e.SessionDeleted()]), CODEC)

    assert (row.deleted, row.status) == (True, "deleted")


def test_even_a_session_whose_creation_is_not_understood_has_a_row():
    row = session_row(SESSION_ID, state_after([e.Unrecognised(type="session.created")]), CODEC)

    assert row.created_at.year == 1970


RUNNING = [created(), started()]


@pytest.mark.parametrize(
    ("past", "more"),
    [
        ([], [created()]),
        ([created()], [e.SessionRenamed(title="x")]),
        ([created()], [e.SessionStarred()]),
        ([created()], [e.SessionTagged(tags=("x",))]),
        ([created()], [started()]),
        (RUNNING, [completed()]),
        (RUNNING, [completed(), started("t2")]),
        (RUNNING, [requested()]),
        (RUNNING, [e.UsageReported(input_tokens=1)]),
        (RUNNING, [e.AgentSwitched(agent=AGENT)]),
        ([created()], [stopped()]),
        ([created(), stopped()], [e.SessionResumed(activation=2)]),
        ([created()], [e.SessionDeleted()]),
    ],
    ids=str,
)
def test_what_lists_show_is_written_when_it_changes(past, more):
    before = state_after(past)

    assert listed_differently(before, state_after(more, before))


@pytest.mark.parametrize(
    "event",
    [
        added(),
        called(),
        returned(),
        e.AgentMessage(parts=()),
        e.StatePatched(set={"a": 1}),
        e.Unrecognised(type="x"),
    ],
    ids=str,
)
def test_what_lists_do_not_show_is_not_written_anew(event):
    before = state_after(RUNNING)

    assert not listed_differently(before, state_after([event], before))


def test_no_event_changes_the_document_without_the_row_being_written():
    for past in ([], [created()], RUNNING, [*RUNNING, requested()], [created(), stopped()]):
        before = state_after(past)
        for event in (*SAMPLES, cancelled()):
            after = state_after([event], before)
            if session_document(SESSION_ID, before) != session_document(SESSION_ID, after):
                assert listed_differently(before, after), event


def test_scopes_are_shared_by_those_who_should_share_them_only():
    ada, bob = OWNER, Owner(app="console", user="bob")
    elsewhere = Owner(app="bot", user="ada")

    assert app_scope(ada) == app_scope(bob) != app_scope(elsewhere)
    assert len({user_scope(ada), user_scope(bob), user_scope(elsewhere), app_scope(ada)}) == 4
    assert user_scope(ada) == user_scope(Owner(app="console", user="ada", team="another"))


def test_an_app_and_a_user_cannot_be_spelled_so_that_they_reach_into_another_scope():
    assert user_scope(Owner(app="a:b", user="c")) != user_scope(Owner(app="a", user="b:c"))
    assert user_scope(Owner(app="1:a", user="b")) != app_scope(Owner(app="1:a:b", user=""))


def test_scopes_are_the_same_on_every_machine_for_ever():
    assert app_scope(OWNER) == UUID("55c98f6b-6c48-5040-85a3-3c1418147b96")
    assert user_scope(OWNER) == UUID("0ea9648a-472c-53c6-a054-72964e6d6e97")


def test_only_shared_keys_are_written_to_scopes():
    event = e.StatePatched(set={"a": 1, "app:b": [2], "user:c": None}, delete=("x", "app:y"))

    assert list(shared_writes(OWNER, event, 3, CODEC)) == [
        SharedWrite(app_scope(OWNER), "app:b", b"[2]", 3),
        SharedWrite(user_scope(OWNER), "user:c", b"null", 3),
        SharedWrite(app_scope(OWNER), "app:y", None, 3),
    ]


def test_a_session_brings_shared_keys_along_when_it_begins():
    event = created(state={"a": 1, "app:b": 2, "temp:c": 3})

    assert list(shared_writes(OWNER, event, 0, CODEC)) == [
        SharedWrite(app_scope(OWNER), "app:b", b"2", 0)
    ]


def test_other_events_write_to_no_scope():
    others = [
        event for event in SAMPLES if not isinstance(event, e.SessionCreated | e.StatePatched)
    ]

    assert [list(shared_writes(OWNER, event, 0, CODEC)) for event in others] == [[]] * len(others)
