"""How a session starts and how it stops."""

import pytest

from domain.errors import (
    Invalid,
    SessionActive,
    SessionIsStopped,
    SessionIsStopping,
    SessionStarting,
)
from domain.session import events as e
from domain.session.commands import (
    ActivateSession,
    AddMessage,
    CancelTurn,
    ClearConversation,
    CompleteTurn,
    DecidePermission,
    DeleteSession,
    DispatchInput,
    FailStart,
    FailTurn,
    Interrupt,
    NewInput,
    QueueInputs,
    RecordActivity,
    RefreshProfile,
    ReportHealth,
    RequestElicitation,
    RequestPermission,
    ResumeSession,
    StartTurn,
    StopSession,
)
from domain.session.life.stop_reasons import REASONS
from domain.values import (
    MAX_SUMMARY,
    Failure,
)
from tests.support.builders import (
    ALLOW,
    acquired,
    answered,
    called,
    cancelled,
    completed,
    create,
    created,
    elicited,
    requested,
    returned,
    spawned,
    stalled,
    started,
    state_after,
    stopped,
    text,
)
from tests.support.given import given

CRASH = Failure(kind="process_exit", summary="exit status 139")
STARTING = created(starting=True)
STOPPING = e.SessionStopping(
    cause="user_requested",
    reason="user_canceled",
    detail="enough",
    failure=Failure(kind="cancellation"),
)

# ── starting ─────────────────────────────────────────────────────────────────────────────────


def test_a_session_can_wait_for_its_agent():
    given().when(create(starting=True)).then([STARTING])

    assert state_after([STARTING]).status == "starting"


@pytest.mark.parametrize(
    "early",
    [
        StartTurn(turn_id="t1", message_id="m1", parts=text()),
        QueueInputs(inputs=(NewInput(input_id="i1", message_id="m1", parts=text()),)),
        DispatchInput(),
        Interrupt(),
        AddMessage(message_id="m1", role="user", parts=text()),
        RequestElicitation(request_id="r1", message="?", url="https://example.org"),
        ReportHealth(healthy=False),
        RefreshProfile(digest="sha256:1", name="n", body="b"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_session_that_is_starting_takes_no_turns(early):
    given([STARTING]).when(early).then_refused(SessionStarting)


def test_activation_makes_a_starting_session_active_and_is_said_once():
    given([STARTING]).when(ActivateSession()).then([e.SessionActivated()])
    given([STARTING, e.SessionActivated()]).when(ActivateSession()).then_nothing()
    given([created()]).when(ActivateSession()).then_nothing()

    assert state_after([STARTING, e.SessionActivated()]).status == "idle"


def test_a_session_that_stops_or_has_stopped_is_not_activated():
    given([created(), stopped()]).when(ActivateSession()).then_refused(
        SessionIsStopped, cause="user_requested"
    )
    given([created(), started(), STOPPING]).when(ActivateSession()).then_refused(SessionIsStopping)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("startup_failure", "error"),
        ("handshake_failure", "error"),
        ("cancellation", "user_canceled"),
        ("timeout", "timeout"),
        ("process_exit", "agent_crashed"),
    ],
)
def test_a_failed_start_stays_visible_with_the_reason_of_its_kind(kind, reason):
    failure = Failure(kind=kind, summary="token=[redacted]")

    given([STARTING]).when(FailStart(failure=Failure(kind=kind, summary="token=abc"))).then(
        [
            e.SessionStartFailed(failure=failure),
            stopped(cause="failed", reason=reason, detail="token=[redacted]", failure=failure),
        ]
    )


def test_a_start_fails_only_while_the_session_is_starting():
    given([created()]).when(FailStart(failure=CRASH)).then_refused(SessionActive)
    given([created(), stopped()]).when(FailStart(failure=CRASH)).then_refused(SessionIsStopped)
    given([STARTING]).when(FailStart(failure=Failure(kind=" "))).then_refused(Invalid)


def test_a_start_that_has_failed_already_has():
    told = Failure(kind="handshake_failure", summary="token=abc")
    kept = Failure(kind="handshake_failure", summary="token=[redacted]")
    failed = stopped(cause="failed", reason="error", detail=kept.summary, failure=kept)
    past = [STARTING, e.SessionStartFailed(failure=kept), failed]

    given(past).when(FailStart(failure=told)).then_nothing()
    given(past).when(FailStart(failure=CRASH)).then_refused(SessionIsStopped, cause="failed")


def test_a_failed_start_can_be_tried_again():
    failed = stopped(cause="failed", reason="error", failure=CRASH)
    past = [STARTING, e.SessionStartFailed(failure=CRASH), failed]

    given(past).when(ResumeSession(starting=True)).then(
        [e.SessionResumed(activation=2, starting=True)]
    )
    again = state_after([*past, e.SessionResumed(activation=2, starting=True)])
    assert (again.status, again.lifecycle.failure) == ("starting", None)


def test_a_starting_session_can_be_stopped_and_deleted():
    given([STARTING]).when(StopSession(cause="shutdown")).then(
        [stopped(cause="shutdown", reason="shutdown", detail="server shutdown")]
    )
    given([STARTING]).when(DeleteSession()).then([e.SessionDeleted()])


# ── stopping ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "reason", "detail", "kind"),
    [
        ({"cause": "shutdown"}, "shutdown", "server shutdown", None),
        ({"cause": "shutdown", "detail": "deploy"}, "shutdown", "deploy", None),
        ({"cause": "hook_denied", "detail": "no"}, "hook_stopped", "no", "permission_failure"),
        ({"cause": "user_requested"}, "user_canceled", None, "cancellation"),
        ({"cause": "user_requested", "detail": "bye"}, "user_canceled", "bye", "cancellation"),
        ({"detail": "MAX_ITERATIONS: 30"}, "max_iterations", "MAX_ITERATIONS: 30", "cancellation"),
        ({"detail": "loop_detected!"}, "loop_detected", "loop_detected!", "cancellation"),
        ({"detail": "budget_exceeded"}, "budget_exceeded", "budget_exceeded", "cancellation"),
        (
            {"detail": "budget_exceeded and max_iterations"},
            "max_iterations",
            "budget_exceeded and max_iterations",
            "cancellation",
        ),
        ({"cause": "shutdown", "detail": "max_iterations"}, "shutdown", "max_iterations", None),
        ({"cause": "process_exited"}, "error", "process exited unexpectedly", None),
        ({"cause": "timeout"}, "timeout", "activity_timeout", "timeout"),
        ({"cause": "timeout", "detail": "late"}, "timeout", "late", "timeout"),
        ({"cause": "clear_conversation"}, "completed", "conversation cleared", None),
        ({"cause": "completed", "detail": "dropped"}, "completed", None, None),
        ({"cause": "failed", "detail": "why"}, "error", "why", "unknown_failure"),
    ],
)  # fmt: skip
def test_a_stop_has_the_reason_the_detail_and_the_failure_of_its_cause(asked, reason, detail, kind):
    command = StopSession(**asked)
    failure = None if kind is None else Failure(kind=kind)

    given([created()]).when(command).then(
        [stopped(cause=command.cause, reason=reason, detail=detail, failure=failure)]
    )


@pytest.mark.parametrize("cause", REASONS)
def test_a_failure_that_is_given_stands_whatever_the_cause(cause):
    detail = None if cause == "completed" else "d"

    given([created()]).when(StopSession(cause=cause, detail="d", failure=CRASH)).then(
        [stopped(cause=cause, reason=REASONS[cause], detail=detail, failure=CRASH)]
    )


def test_a_process_that_ends_cleanly_in_mid_turn_has_crashed():
    given([created(), started()]).when(StopSession(cause="process_exited")).then(
        [
            cancelled(reason="session_stopped"),
            stopped(
                cause="process_exited",
                reason="agent_crashed",
                detail="process exited unexpectedly",
                failure=Failure(kind="process_exit", summary="the process exited during a turn"),
            ),
        ]
    )


def test_a_process_that_died_of_something_has_that_for_its_detail_unless_there_is_another():
    died = StopSession(cause="process_exited", failure=CRASH)
    crash = stopped(
        cause="process_exited", reason="agent_crashed", detail=CRASH.summary, failure=CRASH
    )

    given([created()]).when(died).then([crash])
    given([created(), started()]).when(died).then([cancelled(reason="session_stopped"), crash])
    given([created()]).when(
        StopSession(cause="process_exited", failure=Failure(kind="process_exit"))
    ).then(
        [
            stopped(
                cause="process_exited",
                reason="agent_crashed",
                detail="process exited unexpectedly",
                failure=Failure(kind="process_exit"),
            )
        ]
    )


def test_what_a_stop_says_holds_no_secrets():
    command = StopSession(
        detail="login failed: password=hunter2",
        failure=Failure(kind="provider_auth_failure", summary="Authorization: Bearer abcdefgh"),
    )

    given([created()]).when(command).then(
        [
            stopped(
                detail="login failed: password=[redacted]",
                failure=Failure(kind="provider_auth_failure", summary="Authorization: [redacted]"),
            )
        ]
    )


def test_hiding_secrets_does_not_make_what_a_stop_says_longer_than_it_may_be():
    chatty = "pwd=a " * (MAX_SUMMARY // 6)

    result = given([created()]).when(
        StopSession(detail=chatty, failure=Failure(kind="k", summary=chatty))
    )

    assert result.events is not None
    (event,) = result.events
    assert isinstance(event, e.SessionStopped)
    assert event.failure is not None
    for said in (event.detail, event.failure.summary):
        assert said is not None
        assert len(said) == MAX_SUMMARY
        assert said.endswith("...[truncated]")


def test_the_first_cause_of_a_stop_is_the_one_that_stands():
    given([created(), stopped()]).when(StopSession(cause="process_exited")).then_nothing()


def test_a_stop_may_wait_for_the_running_turn():
    given([created(), started()]).when(StopSession(detail="enough", when_idle=True)).then(
        [STOPPING]
    )
    given([created()]).when(StopSession(when_idle=True)).then(
        [stopped(failure=Failure(kind="cancellation"))]
    )

    assert state_after([created(), started(), STOPPING]).status == "stopping"


def test_asking_again_to_stop_when_idle_is_already_so():
    past = [created(), started(), STOPPING]

    given(past).when(StopSession(cause="failed", when_idle=True)).then_nothing()


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (CompleteTurn(turn_id="t1"), completed()),
        (FailTurn(turn_id="t1", failure=CRASH), e.TurnFailed(turn_id="t1", failure=CRASH)),
        (CancelTurn(turn_id="t1"), cancelled()),
    ],
)
def test_a_session_that_is_stopping_stops_when_its_turn_ends_and_runs_no_other(end, ended):
    waiting = e.InputQueued(
        input_id="i1", message_id="m9", parts=text(), source="user", generation=0
    )

    given([created(), started(), waiting, STOPPING]).when(end).then(
        [ended, stopped(detail="enough", failure=Failure(kind="cancellation"))]
    )


def test_the_stop_that_waited_for_a_turn_answers_what_was_asked_outside_of_it_too():
    past = [created(), elicited("q1"), started(), STOPPING]

    given(past).when(CompleteTurn(turn_id="t1")).then(
        [
            completed(),
            answered("q1", action="cancelled", reason="session_stopped"),
            stopped(detail="enough", failure=Failure(kind="cancellation")),
        ]
    )


def test_a_stop_at_once_does_not_wait_any_more_but_keeps_the_first_cause():
    past = [created(), started(), called(), STOPPING]

    given(past).when(StopSession(cause="process_exited", detail="gone")).then(
        [
            returned(status="cancelled"),
            cancelled(reason="session_stopped"),
            stopped(detail="enough", failure=Failure(kind="cancellation")),
        ]
    )


@pytest.mark.parametrize(
    ("asked", "added"),
    [
        # What the process died of is told, whoever wanted it to stop.
        (StopSession(cause="process_exited", failure=CRASH), {"failure": CRASH}),
        # Of the same cause, more may be said.
        (StopSession(detail="at once: token=abc"), {"detail": "at once: token=[redacted]"}),
        (StopSession(failure=CRASH), {"failure": CRASH}),
        (
            StopSession(detail="max_iterations"),
            {"detail": "max_iterations", "reason": "max_iterations"},
        ),
        # Another cause comes too late, with all that it says.
        (StopSession(cause="failed", detail="late", failure=Failure(kind="k")), {}),
    ],
)
def test_a_stop_at_once_may_add_to_the_first_cause(asked, added):
    known = {"detail": "enough", "failure": Failure(kind="cancellation")}

    given([created(), started(), STOPPING]).when(asked).then(
        [cancelled(reason="session_stopped"), stopped(**known | added)]
    )


@pytest.mark.parametrize(
    "late",
    [
        StartTurn(turn_id="t2", message_id="m9", parts=text(), mode="queue"),
        StartTurn(turn_id="t2", message_id="m9", parts=text(), mode="interrupt"),
        QueueInputs(inputs=(NewInput(input_id="i1", message_id="m9", parts=text()),)),
        DispatchInput(),
        Interrupt(),
        ResumeSession(),
        AddMessage(message_id="m9", role="user", parts=text()),
        ClearConversation(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_session_that_is_stopping_takes_nothing_new(late):
    given([created(), started(), STOPPING]).when(late).then_refused(SessionIsStopping)


def test_the_agent_goes_on_in_the_turn_that_the_stop_waits_for():
    past = [created(), started(), called(), STOPPING]

    given(past).when(RecordActivity(turn_id="t1", events=(returned(),))).then([returned()])
    given(past).when(RequestPermission(request_id="r1", turn_id="t1", options=(ALLOW,))).then(
        [e.PermissionRequested(request_id="r1", turn_id="t1", options=(ALLOW,))]
    )
    given([*past, requested()]).when(DecidePermission(request_id="r1", option_id="no")).then(
        [e.PermissionDecided(request_id="r1", decision="reject_once", option_id="no")]
    )


def test_a_stop_leaves_nothing_open():
    past = [created(), started(), called("c2"), called("c1"), requested("r2"), requested("r1")]

    given(past).when(StopSession()).then(
        [
            returned("c2", status="cancelled"),
            returned("c1", status="cancelled"),
            e.PermissionDecided(request_id="r1", decision="cancelled", reason="turn_cancelled"),
            e.PermissionDecided(request_id="r2", decision="cancelled", reason="turn_cancelled"),
            cancelled(reason="session_stopped"),
            stopped(failure=Failure(kind="cancellation")),
        ]
    )


def test_a_stop_cancels_what_was_asked_outside_of_turns_too():
    given([created(), elicited("q2"), elicited("q1")]).when(StopSession()).then(
        [
            answered("q1", action="cancelled", reason="session_stopped"),
            answered("q2", action="cancelled", reason="session_stopped"),
            stopped(failure=Failure(kind="cancellation")),
        ]
    )
    given([created(), elicited("q1")]).when(DeleteSession()).then(
        [answered("q1", action="cancelled", reason="session_deleted"), e.SessionDeleted()]
    )


def test_a_stop_leaves_nobody_driving_running_or_reaching_the_session():
    past = [
        created(), acquired(), e.SessionUnhealthy(detail="d"), e.PeerJoined(peer_id="p"),
        spawned(), e.ProfileCaptured(digest="sha256:1", name="n", body="b"),
    ]  # fmt: skip
    now = state_after([*past, stopped()])

    assert (now.attachment, now.health.unhealthy, now.health.detail) == (None, False, None)
    assert (len(now.peers), len(now.children)) == (0, 1)
    assert now.profile is not None


def test_a_stall_ends_with_its_turn():
    past = [created(), started(), stalled(), cancelled(), stopped()]

    assert state_after(past).health.stalled is None


@pytest.mark.parametrize(
    "wordy",
    [
        StopSession(detail="x" * (MAX_SUMMARY + 1)),
        StopSession(failure=Failure(kind="k", summary="x" * (MAX_SUMMARY + 1))),
    ],
)
def test_what_a_stop_says_is_bounded(wordy):
    given([created()]).when(wordy).then_refused(Invalid)
