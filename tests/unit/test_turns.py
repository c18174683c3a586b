"""One turn runs at a time, each ends once and leaves nothing open."""

import pytest

from domain.errors import (
    Invalid,
    MessageExists,
    SessionIsDeleted,
    SessionIsStopped,
    TurnEnded,
    TurnExists,
    TurnInProgress,
    TurnNotFound,
)
from domain.session import events as e
from domain.session.commands import CancelTurn, CompleteTurn, FailTurn, StartTurn
from domain.session.state import Totals
from domain.values import MAX_SUMMARY, Failure, Usage
from tests.support.builders import (
    added,
    called,
    cancelled,
    completed,
    created,
    decided,
    failed,
    requested,
    returned,
    started,
    state_after,
    stopped,
    text,
)
from tests.support.given import given

CRASH = Failure(kind="crash")
ENDS = {
    "completed": (CompleteTurn(turn_id="t1"), completed()),
    "failed": (FailTurn(turn_id="t1", failure=CRASH), failed()),
    "cancelled": (CancelTurn(turn_id="t1"), cancelled()),
}
BECOME = {"completed": "abandoned", "failed": "failed", "cancelled": "cancelled"}


def start(turn_id: str = "t1", message_id: str | None = None, **fields) -> StartTurn:
    message_id = message_id or f"input-{turn_id}"
    return StartTurn(**{"turn_id": turn_id, "message_id": message_id, "parts": text("go")} | fields)


def test_an_idle_session_takes_a_turn():
    given([created()]).when(start(source="network")).then([started(source="network")])


def test_a_second_turn_waits_for_the_end_of_the_first():
    given([created(), started("t1")]).when(start("t2")).then_refused(TurnInProgress, turn_id="t1")


def test_the_running_turn_cannot_be_started_again():
    given([created(), started("t1")]).when(start("t1")).then_refused(TurnInProgress, turn_id="t1")


@pytest.mark.parametrize("end", [completed(), failed(), cancelled()])
def test_after_the_end_of_a_turn_another_can_start_but_never_the_same(end):
    past = [created(), started("t1"), end]

    given(past).when(start("t2")).then([started("t2")])
    given(past).when(start("t1", "m9")).then_refused(TurnExists, turn_id="t1")


def test_a_turn_cannot_start_with_the_id_of_a_message_that_is_there():
    given([created(), added("m1")]).when(start(message_id="m1")).then_refused(
        MessageExists, message_id="m1"
    )


def test_a_stopped_session_takes_no_turn():
    given([created(), stopped()]).when(start()).then_refused(
        SessionIsStopped, cause="user_requested"
    )


@pytest.mark.parametrize("wrong", [start(turn_id=""), start(message_id=" "), start(parts=())])
def test_a_turn_without_an_id_or_input_is_refused(wrong):
    given([created()]).when(wrong).then_refused(Invalid)


@pytest.mark.parametrize("outcome", ENDS)
def test_a_turn_ends(outcome):
    command, event = ENDS[outcome]

    given([created(), started()]).when(command).then([event])


def test_a_completed_turn_says_why_and_what_it_used():
    usage = Usage(input_tokens=3, cost=0.5)

    given([created(), started()]).when(
        CompleteTurn(turn_id="t1", stop_reason="max_tokens", usage=usage)
    ).then([completed(stop_reason="max_tokens", usage=usage)])


@pytest.mark.parametrize("outcome", ENDS)
def test_ending_a_turn_in_the_same_way_again_is_already_so(outcome):
    command, event = ENDS[outcome]

    given([created(), started(), event]).when(command).then_nothing()
    given([created(), started(), event, started("t2")]).when(command).then_nothing()


@pytest.mark.parametrize("outcome", ENDS)
def test_of_a_session_that_is_no_more_no_turn_ends_not_even_again(outcome):
    command, event = ENDS[outcome]

    past = [created(), started(), event, e.SessionDeleted()]
    given(past).when(command).then_refused(SessionIsDeleted)


@pytest.mark.parametrize("outcome", ENDS)
def test_a_turn_that_has_ended_cannot_end_in_another_way(outcome):
    _, event = ENDS[outcome]

    for other in ENDS.keys() - {outcome}:
        given([created(), started(), event]).when(ENDS[other][0]).then_refused(
            TurnEnded, turn_id="t1", outcome=outcome
        )


@pytest.mark.parametrize("outcome", ENDS)
def test_only_the_turn_that_is_named_ends(outcome):
    given([created(), started("t2")]).when(ENDS[outcome][0]).then_refused(
        TurnNotFound, turn_id="t1"
    )


@pytest.mark.parametrize("outcome", ENDS)
def test_the_end_of_a_turn_closes_what_is_open_in_the_order_it_was_opened(outcome):
    command, event = ENDS[outcome]
    past = [
        created(), started(), called("z"), called("a"), called("b"), returned("a"),
        requested("r1"), requested("r2"), decided("r1"),
    ]  # fmt: skip

    given(past).when(command).then(
        [
            returned("z", status=BECOME[outcome]),
            returned("b", status=BECOME[outcome]),
            e.PermissionDecided(request_id="r2", decision="cancelled", reason=f"turn_{outcome}"),
            event,
        ]
    )


@pytest.mark.parametrize(
    "wrong",
    [
        CompleteTurn(turn_id="t1", stop_reason=""),
        FailTurn(turn_id="t1", failure=Failure(kind="a\nb")),
        CancelTurn(turn_id="t1", reason=" "),
    ],
)
def test_an_end_without_a_proper_reason_is_refused(wrong):
    given([created(), started()]).when(wrong).then_refused(Invalid)


def test_the_state_counts_turns_and_adds_up_what_they_used():
    report = e.UsageReported(input_tokens=1, output_tokens=2, cost=0.25)
    now = state_after(
        [
            created(),
            started("t1"), report, completed("t1", usage=Usage(output_tokens=5, cost=0.5)),
            started("t2"), e.UsageReported(input_tokens=4), failed("t2"),
        ]
    )  # fmt: skip

    assert now.totals == Totals(turns=2, input_tokens=5, output_tokens=5, cost=0.5)
    assert dict(now.turns.ended) == {"t1": "completed", "t2": "failed"}
    assert now.turns.running is None


def test_cost_is_absent_until_a_runtime_reports_one():
    now = state_after([created(), started(), e.UsageReported(input_tokens=1), completed()])

    assert now.totals.cost is None


def test_what_a_turn_failed_of_is_bounded_and_holds_no_secrets():
    leaky = Failure(kind="provider_auth_failure", summary="401: api_key=abc")

    given([created(), started()]).when(FailTurn(turn_id="t1", failure=leaky)).then(
        [
            e.TurnFailed(
                turn_id="t1",
                failure=Failure(kind="provider_auth_failure", summary="401: api_key=[redacted]"),
            )
        ]
    )
    wordy = Failure(kind="k", summary="x" * (MAX_SUMMARY + 1))
    given([created(), started()]).when(FailTurn(turn_id="t1", failure=wordy)).then_refused(Invalid)


@pytest.mark.parametrize("source", ["user", "network", "synthetic", "followup"])
def test_t5_the_running_turn_says_where_it_comes_from_until_it_ends(source):
    running = state_after([created(), started(source=source)])

    assert running.turns.running is not None
    assert running.turns.running.source == source
    assert state_after([created(), started(source=source), completed()]).turns.running is None


def test_t12_a_turn_that_never_was_cannot_be_cancelled():
    for past in ([created()], [created(), started("t2")], [created(), stopped()]):
        given(past).when(CancelTurn(turn_id="t1")).then_refused(TurnNotFound, turn_id="t1")


def test_a_stopped_session_still_says_how_its_turns_ended():
    past = [created(), started(), cancelled(), stopped()]

    given(past).when(CancelTurn(turn_id="t1")).then_nothing()
    given(past).when(CompleteTurn(turn_id="t1")).then_refused(TurnEnded, outcome="cancelled")


# ── input that no person sent ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("meta", [None, {}, {"reason": " "}, {"reason": 5}])
def test_synthetic_input_says_why_it_is_there(meta: dict[str, object] | None):
    start = StartTurn(turn_id="t1", message_id="m1", parts=text(), source="synthetic", meta=meta)

    given([created()]).when(start).then_refused(Invalid, field="meta.reason")


def test_what_is_said_of_input_is_in_its_turn():
    meta = {"reason": "nightly", "task_id": "T-1"}
    start = StartTurn(turn_id="t1", message_id="m1", parts=text(), source="synthetic", meta=meta)

    begun = started("t1", "m1", source="synthetic", parts=text(), meta=meta)
    given([created()]).when(start).then([begun])
