"""Shared scopes: when their log begins, and which keys they take."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from domain.errors import CairnError, Invalid, SessionExists, SessionNotFound
from domain.scope.events import ScopeEvent, ScopeOpened
from domain.scope.rules import PatchScope, decide
from domain.scope.state import UNOPENED, Scope, evolve
from domain.session.commands import PatchState
from domain.session.events import StatePatched, Unrecognised
from tests.support.builders import create, created
from tests.support.given import Result
from tests.support.given import given as given_session


@dataclass(frozen=True)
class Given:
    """A scope with a past."""

    scope: Scope

    def when(self, command: PatchScope) -> Result[ScopeEvent]:
        """Ask something of it."""
        try:
            return Result(decide(self.scope, command), None)
        except CairnError as refusal:
            return Result(None, refusal)


def given(events: Iterable[Any] = ()) -> Given:
    scope = UNOPENED
    for sequence, event in enumerate(events, 1):
        scope = evolve(scope, sequence, event)
    return Given(scope)


APP, USER = ScopeOpened(app="console"), ScopeOpened(app="console", user="ada")


def of_app(**fields) -> PatchScope:
    return PatchScope(**{"app": "console", "set": {"app:a": 1}} | fields)


def of_user(**fields) -> PatchScope:
    return PatchScope(**{"app": "console", "user": "ada", "set": {"user:a": 1}} | fields)


def test_the_stream_of_a_scope_begins_with_its_first_patch():
    given().when(of_app(delete=("app:b",))).then(
        [APP, StatePatched(set={"app:a": 1}, delete=("app:b",))]
    )
    given().when(of_user()).then([USER, StatePatched(set={"user:a": 1})])
    given([APP, StatePatched(set={"app:a": 0})]).when(of_app()).then(
        [StatePatched(set={"app:a": 1})]
    )


def test_a_scope_does_not_compare_because_sessions_write_to_it_too():
    past = [APP, StatePatched(set={"app:a": 1})]

    given(past).when(of_app()).then([StatePatched(set={"app:a": 1})])
    given(past).when(of_app(set={}, delete=("app:z", "app:z"))).then(
        [StatePatched(delete=("app:z",))]
    )


def test_a_patch_of_nothing_opens_no_scope():
    given().when(of_app(set={})).then_nothing()


@pytest.mark.parametrize("key", ["a", "user:a", "temp:a", "App:a"])
def test_the_scope_of_an_app_holds_its_keys_only(key):
    given().when(of_app(set={key: 1})).then_refused(Invalid, field="set")
    given().when(of_app(set={}, delete=(key,))).then_refused(Invalid, field="set")


@pytest.mark.parametrize("key", ["a", "app:a", "temp:a"])
def test_the_scope_of_a_user_holds_its_keys_only(key):
    given().when(of_user(set={key: 1})).then_refused(Invalid, field="set")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (of_app(app=""), "app"),
        (of_user(user=" "), "user"),
        (of_app(delete=("app:a",)), "delete"),
        (of_app(set={"app:" + "x" * 200: 1}), "set"),
    ],
)
def test_a_patch_of_a_scope_that_makes_no_sense_is_refused(wrong, field):
    given().when(wrong).then_refused(Invalid, field=field)


@pytest.mark.parametrize("first", [created(), Unrecognised(type="scope.opened")])
def test_a_session_that_has_the_id_of_a_scope_does_not_take_its_keys(first):
    # It would put what others share under the app of whoever made the session.
    given([first]).when(of_app()).then_refused(SessionExists)
    given([first, StatePatched(set={"k": 1})]).when(of_app()).then_refused(SessionExists)


def test_the_log_of_a_scope_cannot_become_a_session():
    past: list[Any] = [APP, StatePatched(set={"app:a": 1})]
    given_session(past).when(create()).then_refused(SessionExists)
    given_session(past).when(PatchState(set={"k": 1})).then_refused(SessionNotFound)


def test_the_state_knows_whose_scope_it_is():
    assert given([USER, StatePatched(set={"user:a": 1})]).scope == Scope(sequence=2, opened=USER)
