"""From events to the rows of the keys that sessions share."""

from uuid import UUID

from application.ports.session.shared_state import SharedWrite
from application.projections.shared_state import app_scope, scope_id, shared_writes, user_scope
from domain.session import events as e
from infrastructure.records.codec import JsonCodec
from tests.support.builders import OWNER, SAMPLES, created

CODEC = JsonCodec()


def test_scopes_are_shared_by_those_who_should_share_them_only():
    ada, bob, elsewhere = ("console", "ada"), ("console", "bob"), ("bot", "ada")

    assert scope_id("console", None) == app_scope("console") != app_scope("bot")
    assert scope_id(*ada) == user_scope(*ada)
    apart = {user_scope(*ada), user_scope(*bob), user_scope(*elsewhere), app_scope("console")}
    assert len(apart) == 4


def test_an_app_and_a_user_cannot_be_spelled_so_that_they_reach_into_another_scope():
    assert user_scope("a:b", "c") != user_scope("a", "b:c")
    assert user_scope("1:a", "b") != app_scope("1:a:b")


def test_scopes_are_the_same_on_every_machine_for_ever():
    assert app_scope("console") == UUID("55c98f6b-6c48-5040-85a3-3c1418147b96")
    assert user_scope("console", "ada") == UUID("0ea9648a-472c-53c6-a054-72964e6d6e97")


def test_only_shared_keys_are_written_to_scopes():
    event = e.StatePatched(set={"a": 1, "app:b": [2], "user:c": None}, delete=("x", "app:y"))

    assert list(shared_writes(OWNER.app, OWNER.user, event, 3, CODEC)) == [
        SharedWrite(app_scope("console"), "app:b", b"[2]", 3),
        SharedWrite(user_scope("console", "ada"), "user:c", b"null", 3),
        SharedWrite(app_scope("console"), "app:y", None, 3),
    ]


def test_a_session_brings_shared_keys_along_when_it_begins():
    event = created(state={"a": 1, "app:b": 2, "temp:c": 3})

    assert list(shared_writes(OWNER.app, OWNER.user, event, 0, CODEC)) == [
        SharedWrite(app_scope("console"), "app:b", b"2", 0)
    ]


def test_other_events_write_to_no_scope():
    others = [
        event for event in SAMPLES if not isinstance(event, e.SessionCreated | e.StatePatched)
    ]

    for event in others:
        assert not list(shared_writes(OWNER.app, OWNER.user, event, 0, CODEC)), event
