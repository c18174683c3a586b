"""Requests that wait for a person."""

import pytest

from domain.errors import (
    InteractionDecided,
    InteractionExists,
    InteractionNotFound,
    Invalid,
    OptionNotOffered,
    SessionStopped,
    TooMany,
    TurnEnded,
    TurnNotFound,
)
from domain.session import events as e
from domain.session.commands import DecidePermission, RequestPermission
from domain.session.interactions import MAX_OPTIONS, MAX_PENDING
from domain.values import Option
from tests.support.builders import (
    ALLOW,
    REJECT,
    cancelled,
    completed,
    created,
    decided,
    requested,
    started,
    state_after,
    stopped,
)
from tests.support.given import given

RUNNING = [created(), started()]


def ask(request_id: str = "r1", **fields) -> RequestPermission:
    return RequestPermission(
        **{"request_id": request_id, "turn_id": "t1", "options": (ALLOW, REJECT)} | fields
    )


def answer(option_id: str = "yes", request_id: str = "r1") -> DecidePermission:
    return DecidePermission(request_id=request_id, option_id=option_id)


def test_the_agent_asks_in_its_turn():
    given(RUNNING).when(ask(tool_call_id="c1", title="May I?", meta={"k": 1})).then(
        [requested(tool_call_id="c1", title="May I?", meta={"k": 1})]
    )


def test_a_request_needs_the_turn_that_runs():
    given([created()]).when(ask()).then_refused(TurnNotFound, turn_id="t1")
    given([*RUNNING, completed()]).when(ask()).then_refused(TurnEnded, turn_id="t1")


@pytest.mark.parametrize("past", [[requested()], [requested(), decided()]])
def test_a_request_id_is_used_once(past):
    given([*RUNNING, *past]).when(ask()).then_refused(InteractionExists, request_id="r1")


@pytest.mark.parametrize(
    "wrong",
    [
        ask(""),
        ask(tool_call_id=" "),
        ask(title="a\nb"),
        ask(options=()),
        ask(options=(ALLOW, ALLOW)),
        ask(
            options=tuple(
                Option(option_id=str(n), name="n", kind="k") for n in range(MAX_OPTIONS + 1)
            )
        ),
    ],
)
def test_a_request_that_could_not_be_shown_is_refused(wrong):
    given(RUNNING).when(wrong).then_refused(Invalid)


def test_the_requests_that_wait_are_bounded():
    many = [requested(f"r{n}") for n in range(MAX_PENDING)]

    given([*RUNNING, *many]).when(ask("more")).then_refused(TooMany)
    given([*RUNNING, *many, decided("r0")]).when(ask("more")).then([requested("more")])


def test_a_decision_says_the_option_and_its_kind():
    given([*RUNNING, requested()]).when(answer("no")).then(
        [e.PermissionDecided(request_id="r1", decision="reject_once", option_id="no")]
    )


def test_an_option_that_was_not_offered_is_refused_and_the_request_still_waits():
    given([*RUNNING, requested()]).when(answer("maybe")).then_refused(
        OptionNotOffered, request_id="r1", offered=["yes", "no"]
    )


def test_the_first_decision_stands_and_is_told():
    given([*RUNNING, requested(), decided()]).when(answer("no")).then_refused(
        InteractionDecided, request_id="r1", decision="allow_once"
    )


def test_a_request_that_its_turn_took_along_is_decided():
    past = [*RUNNING, requested(), decided(decision="cancelled"), cancelled()]

    given(past).when(answer()).then_refused(InteractionDecided, decision="cancelled")


def test_a_request_that_never_was_cannot_be_decided():
    given(RUNNING).when(answer()).then_refused(InteractionNotFound, request_id="r1")


def test_a_stopped_session_takes_no_decision():
    given([created(), stopped()]).when(answer()).then_refused(SessionStopped)


def test_the_state_knows_what_waits_and_what_was_decided():
    now = state_after([*RUNNING, requested("r1"), requested("r2", title="T"), decided("r1")])

    assert dict(now.interactions.decided) == {"r1": "allow_once"}
    assert list(now.interactions.pending) == ["r2"]
    waiting = now.interactions.pending["r2"]
    assert (waiting.turn_id, waiting.title, waiting.sequence) == ("t1", "T", 4)
    assert waiting.options == (ALLOW, REJECT)
