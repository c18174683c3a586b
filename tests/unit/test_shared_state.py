"""Plain keys of a session, and those that it shares."""

import pytest

from domain.errors import Invalid, LimitReached, StaleState
from domain.scope.state_keys import own_keys, scope_of
from domain.session import events as e
from domain.session.commands import PatchState
from domain.session.content.shared_state import difference
from domain.values import MAX_STATE_KEYS
from tests.support.builders import create, created, started, state_after, stopped
from tests.support.given import given


def patched(delete: tuple[str, ...] = (), **keys) -> e.StatePatched:
    return e.StatePatched(set=keys, delete=delete)


def test_keys_are_set_and_taken_away_by_one_event():
    given([created(state={"a": 1, "b": 2})]).when(PatchState(set={"c": 3}, delete=("a",))).then(
        [patched(c=3, delete=("a",))]
    )


@pytest.mark.parametrize("past", [[created(), started()], [created(), stopped()]])
def test_state_can_be_patched_whatever_the_session_does(past):
    given(past).when(PatchState(set={"a": 1})).then([patched(a=1)])


def test_what_is_already_so_is_left_out():
    given([created(state={"a": 1, "b": 2})]).when(PatchState(set={"a": 1, "b": 3})).then(
        [patched(b=3)]
    )
    given([created(state={"a": None})]).when(PatchState(set={"a": None})).then_nothing()
    given([created()]).when(PatchState(delete=("a",))).then_nothing()
    given([created()]).when(PatchState()).then_nothing()


@pytest.mark.parametrize(("old", "new"), [(True, 1), (1, 1.0), (0, False), (1, "1")])
def test_values_that_python_takes_for_equal_are_different_facts(old, new):
    given([created(state={"a": old})]).when(PatchState(set={"a": new})).then([patched(a=new)])


def test_null_is_a_value_and_not_a_deletion():
    given([created(state={"a": 1})]).when(PatchState(set={"a": None})).then([patched(a=None)])

    assert dict(state_after([created(state={"a": 1}), patched(a=None)]).state) == {"a": None}


def test_temp_keys_are_never_stored():
    given([created()]).when(PatchState(set={"temp:a": 1}, delete=("temp:b",))).then_nothing()
    given([created()]).when(PatchState(set={"temp:a": 1, "b": 2})).then([patched(b=2)])


def test_shared_keys_are_recorded_always_because_other_sessions_write_them_too():
    command = PatchState(set={"app:a": 1}, delete=("user:b",))
    event = e.StatePatched(set={"app:a": 1}, delete=("user:b",))

    given([created(), event]).when(command).then([event])


def test_a_key_named_twice_is_deleted_once():
    given([created(state={"a": 1})]).when(PatchState(delete=("a", "app:b", "a", "app:b"))).then(
        [patched(delete=("a", "app:b"))]
    )


def test_a_key_cannot_be_both_set_and_deleted():
    given([created()]).when(PatchState(set={"a": 1}, delete=("a",))).then_refused(
        Invalid, field="delete"
    )


@pytest.mark.parametrize("key", ["", " ", "a\x00", "x" * 201])
def test_keys_are_names(key):
    given([created()]).when(PatchState(set={key: 1})).then_refused(Invalid, field="set")
    given([created()]).when(PatchState(delete=(key,))).then_refused(Invalid, field="delete")
    given().when(create(state={key: 1})).then_refused(Invalid, field="state")


def test_a_full_state_takes_no_more_keys_but_can_still_change():
    full = created(state={f"k{n}": n for n in range(MAX_STATE_KEYS)})

    given([full]).when(PatchState(set={"new": 1})).then_refused(LimitReached)
    given([full]).when(PatchState(set={"k1": "other"})).then([patched(k1="other")])
    given([full]).when(PatchState(set={"new": 1}, delete=("k1",))).then(
        [patched(new=1, delete=("k1",))]
    )
    given([full]).when(PatchState(set={"app:new": 1})).then([e.StatePatched(set={"app:new": 1})])


def test_more_keys_than_a_state_may_hold_are_refused_at_once():
    too_many = {f"k{n}": n for n in range(MAX_STATE_KEYS + 1)}

    given().when(create(state=too_many)).then_refused(Invalid, field="state")
    given([created()]).when(PatchState(set=too_many)).then_refused(Invalid, field="set")


@pytest.mark.parametrize(
    ("key", "scope"),
    [
        ("a", "session"),
        ("app:a", "app"),
        ("user:a", "user"),
        ("temp:a", "temp"),
        ("app:", "app"),
        ("app", "session"),
        ("other:a", "session"),
        ("App:a", "session"),
        ("a:app:b", "session"),
    ],
)
def test_the_prefix_of_a_key_says_whose_it_is(key, scope):
    assert scope_of(key) == scope


def test_a_session_keeps_its_own_keys_only():
    mixed = {"a": 1, "app:b": 2, "user:c": 3, "temp:d": 4}
    event = e.StatePatched(set={"b": 1, "app:b": 9}, delete=("a", "app:x"))

    assert own_keys(mixed) == {"a": 1}
    assert dict(state_after([created(state=mixed), event]).state) == {"b": 1}


# ── versions ─────────────────────────────────────────────────────────────────────────────────

VERSIONS = [created(state={"a": 1}), started(), patched(a=2), e.SessionRenamed(title="T")]


def test_the_version_of_the_state_is_the_sequence_of_its_last_change():
    assert state_after([created()]).state_version == 0
    assert state_after([created(state={"app:a": 1})]).state_version == 0
    assert state_after(VERSIONS[:2]).state_version == 1
    assert state_after(VERSIONS).state_version == 3
    assert state_after([*VERSIONS, patched(delete=("a",))]).state_version == 5
    shared_only = e.StatePatched(set={"app:a": 1}, delete=("user:b",))
    assert state_after([*VERSIONS, shared_only]).state_version == 3


def test_a_patch_that_expects_another_version_is_refused():
    given(VERSIONS).when(PatchState(set={"a": 3}, expected=3)).then([patched(a=3)])
    for expected in (0, 1, 2, 4):
        given(VERSIONS).when(PatchState(set={"a": 3}, expected=expected)).then_refused(
            StaleState, head=3
        )
        given(VERSIONS).when(PatchState(set={"a": 2}, expected=expected)).then_refused(StaleState)
    given([created()]).when(PatchState(set={"a": 3}, expected=0)).then([patched(a=3)])


def test_without_an_expectation_a_patch_merges_into_what_is_there():
    now = state_after([*VERSIONS, patched(b=1)])

    assert dict(now.state) == {"a": 2, "b": 1}


# ── differences ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("now", "then", "changed", "deleted"),
    [
        ({}, {}, {}, ()),
        ({"a": 1}, {"a": 1}, {}, ()),
        ({"a": 1}, {}, {}, ("a",)),
        ({}, {"b": 2, "a": None}, {"a": None, "b": 2}, ()),
        ({"a": 1}, {"a": True}, {"a": True}, ()),
        ({"a": 1}, {"a": 1.0}, {"a": 1.0}, ()),
        ({"a": None}, {"a": False}, {"a": False}, ()),
        ({"b": 1, "a": 1}, {"c": 1}, {"c": 1}, ("a", "b")),
        ({"a": [1]}, {"a": [True]}, {"a": [True]}, ()),
        ({"a": [1, {"b": None, "c": 2}]}, {"a": [1, {"c": 2, "b": None}]}, {}, ()),
        ({"a": {}}, {"a": []}, {"a": []}, ()),
    ],
)
def test_the_difference_of_two_states_is_what_leads_from_one_to_the_other(
    now, then, changed, deleted
):
    said = difference(now, then)

    assert said == (changed, deleted)
    assert str(said) == str((changed, deleted))
