"""What is due when: requests, lives and turns that run out, and turns that fall silent."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from domain.errors import Invalid, SessionIsStopped, SessionIsStopping, SessionStarting
from domain.session import events as e
from domain.session.commands import ExpireDue, RecordActivity, ReportHealth
from domain.session.evolve import evolve
from domain.session.life.supervision import next_deadline
from domain.session.state import Session
from domain.timers import Timers
from domain.values import MAX_SUMMARY, Failure, SessionLimits
from tests.support.builders import (
    answered,
    at,
    called,
    cancelled,
    completed,
    created,
    decided,
    elicited,
    queued,
    record,
    recovered,
    requested,
    returned,
    stalled,
    started,
    state_after,
    stopped,
    text,
)
from tests.support.given import Given, given

MOMENT = timedelta(microseconds=1)
BEGAN = at(2)
"""When the turn of `RUNNING` began."""
RUNNING = [created(), started()]
NOTED = e.TurnProgressNoted(turn_id="t1", elapsed_seconds=1, idle_seconds=1)
STOPPING = e.SessionStopping(cause="shutdown", reason="shutdown")
OFF = Timers(progress=None, warning=None, silence=None, turn=None)
TIMERS = Timers(progress=600, warning=900, silence=1800, turn=7200)


def after(seconds: float, since: datetime = BEGAN) -> datetime:
    return since + timedelta(seconds=seconds)


def meet(moment: datetime, **timers: float | None) -> ExpireDue:
    """Return the command with only these timers on."""
    none = {"progress": None, "warning": None, "silence": None, "grace": 0.0}
    return ExpireDue(at=moment, timers=Timers(**none | timers))


def timed_out(reason: str, *, idle: int, before: tuple[e.SessionEvent, ...] = ()):
    failure = Failure(kind="timeout", summary=reason)
    return [
        e.SessionStalled(turn_id="t1", reason=reason, idle_seconds=idle),  # type: ignore[arg-type]
        *before,
        e.TurnFailed(turn_id="t1", failure=failure),
        stopped(cause="timeout", reason="timeout", detail=reason, failure=failure),
    ]


# ── silence ──────────────────────────────────────────────────────────────────────────────────


def test_a_turn_that_runs_is_noted_now_and_then():
    given(RUNNING).when(meet(after(600) - MOMENT, progress=600)).then_nothing()
    given(RUNNING).when(meet(after(600), progress=600)).then(
        [e.TurnProgressNoted(turn_id="t1", elapsed_seconds=600, idle_seconds=600)]
    )
    given([*RUNNING, NOTED]).when(meet(at(3 + 600) - MOMENT, progress=600)).then_nothing()
    given([*RUNNING, called(), NOTED]).when(meet(at(4 + 600), progress=600)).then(
        [e.TurnProgressNoted(turn_id="t1", elapsed_seconds=602, idle_seconds=601)]
    )


def test_a_turn_that_is_silent_stalls_once():
    warning = meet(after(900), warning=900)

    given(RUNNING).when(meet(after(900) - MOMENT, warning=900)).then_nothing()
    given(RUNNING).when(warning).then([stalled(reason="inactivity", idle_seconds=900)])
    given([*RUNNING, stalled()]).when(warning).then_nothing()


@pytest.mark.parametrize(
    "sign",
    [
        e.AgentMessage(parts=text()),
        e.AgentThought(parts=text()),
        called("c2"),
        e.ToolProgressed(tool_call_id="c1"),
        returned("c1"),
        e.PlanUpdated(entries=()),
        e.UsageReported(input_tokens=1),
        e.RuntimeNotice(level="info", text="hm"),
        e.ContextCompacted(),
        e.RuntimeEvent(kind="x"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_whatever_the_agent_does_is_a_sign_of_life_that_ends_a_stall_once(sign):
    past = [*RUNNING, called("c1")]
    act = RecordActivity(turn_id="t1", events=(sign,))

    given([*past, stalled()]).when(act).then([recovered(), sign])
    given([*past, stalled(), recovered()]).when(act).then([sign])
    assert state_after([*past, stalled(), recovered()]).health.stalled is None
    alive = state_after([*past, sign]).turns.running
    assert alive is not None
    assert alive.active_at == at(4)


@pytest.mark.parametrize(
    "other",
    [
        NOTED,
        stalled(),
        queued(),
        e.SessionRenamed(title="T"),
        e.StatePatched(set={"a": 1}),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_others_do_is_no_sign_of_life(other):
    running = state_after([*RUNNING, other]).turns.running

    assert running is not None
    assert running.active_at == BEGAN


def test_a_note_that_the_turn_still_runs_does_not_end_a_stall():
    assert state_after([*RUNNING, stalled(), NOTED]).health.stalled == "inactivity"


def test_a_turn_that_was_silent_for_too_long_is_given_up_and_the_session_with_it():
    given(RUNNING).when(meet(after(1800) - MOMENT, silence=1800)).then_nothing()
    given(RUNNING).when(meet(after(1800), silence=1800)).then(
        timed_out("activity_timeout", idle=1800)
    )


def test_giving_up_leaves_nothing_open():
    past = [*RUNNING, called("c1"), elicited("q1"), queued()]

    given(past).when(meet(after(1801), silence=1800)).then(
        [
            e.SessionStalled(turn_id="t1", reason="activity_timeout", idle_seconds=1800),
            returned(status="failed"),
            e.TurnFailed(turn_id="t1", failure=Failure(kind="timeout", summary="activity_timeout")),
            answered("q1", action="cancelled", reason="session_stopped"),
            stopped(
                cause="timeout",
                reason="timeout",
                detail="activity_timeout",
                failure=Failure(kind="timeout", summary="activity_timeout"),
            ),
        ]
    )


def test_a_stall_is_told_once_also_when_the_turn_is_given_up():
    past = [*RUNNING, stalled()]

    given(past).when(meet(after(1800), silence=1800)).then(
        timed_out("activity_timeout", idle=1800)[1:]
    )


@pytest.mark.parametrize("ask", [requested(), elicited(turn_id="t1")])
def test_who_waits_for_a_person_is_not_silent(ask):
    later = meet(after(10**6), warning=900, silence=1800)

    given([*RUNNING, ask]).when(later).then_nothing()
    answer = decided() if isinstance(ask, e.PermissionRequested) else answered()
    given([*RUNNING, ask, answer]).when(meet(at(4 + 1800) - MOMENT, silence=1800)).then_nothing()
    assert given([*RUNNING, ask, answer]).when(meet(at(4 + 1800), silence=1800)).events


def test_what_is_asked_from_the_background_is_no_excuse_for_a_turn_to_be_silent():
    given([created(), elicited("q1"), started()]).when(meet(at(3 + 900), warning=900)).then(
        [stalled(idle_seconds=900)]
    )
    past = [created(), elicited("q1"), started()]
    result = given(past).when(meet(at(3 + 1800), silence=1800))
    assert result.events
    assert isinstance(result.events[-1], e.SessionStopped)
    assert next_deadline(state_after(past), Timers(progress=None, warning=None)) == at(3 + 1800)


# ── a grace ──────────────────────────────────────────────────────────────────────────────────

ASKED = e.SessionStalled(
    turn_id="t1", reason="activity_timeout", idle_seconds=1800, ends_at=after(1800 + 30)
)
OVERRAN = e.SessionStalled(
    turn_id="t1", reason="prompt_deadline_exceeded", idle_seconds=100, ends_at=after(100 + 30)
)
GRACE = {"silence": 1800.0, "turn": 7200.0, "grace": 30.0}


def test_a_silent_turn_is_asked_to_end_and_given_up_when_it_does_not():
    given(RUNNING).when(meet(after(1800) - MOMENT, **GRACE)).then_nothing()
    given(RUNNING).when(meet(after(1800), **GRACE)).then([ASKED])
    asked = [*RUNNING, ASKED]
    assert state_after(asked).health.stalled == "activity_timeout"
    assert next_deadline(state_after(asked), TIMERS) == after(600)
    assert next_deadline(state_after(asked), meet(BEGAN, **GRACE).timers) == after(1830)
    given(asked).when(meet(after(1830) - MOMENT, **GRACE)).then_nothing()
    given(asked).when(meet(after(1830), **GRACE)).then(timed_out("activity_timeout", idle=1800)[1:])


def test_a_grace_counts_from_when_the_turn_is_asked_however_late_that_is():
    # While no server ran, nobody could ask it.
    late = after(10**5)
    result = given(RUNNING).when(meet(late, **(GRACE | {"turn": None})))

    result.then([replace(ASKED, idle_seconds=10**5, ends_at=late + timedelta(seconds=30))])


def test_what_was_promised_holds_whatever_is_set_later():
    given([*RUNNING, ASKED]).when(meet(after(1829), **(GRACE | {"grace": 0.0}))).then_nothing()
    off = ExpireDue(at=after(1830), timers=OFF)
    given([*RUNNING, ASKED]).when(off).then(timed_out("activity_timeout", idle=1800)[1:])


def test_a_turn_that_ends_by_itself_when_it_is_asked_to_leaves_the_session_alive():
    past = [*RUNNING, ASKED, cancelled()]

    assert state_after(past).health.stalled is None
    assert next_deadline(state_after(past), TIMERS) is None
    given(past).when(meet(after(1830), **GRACE)).then_nothing()
    begun = state_after([*past, started("t2")])
    assert next_deadline(begun, meet(BEGAN, **GRACE).timers) == at(5 + 1800)


def test_a_turn_that_speaks_again_in_time_goes_on_and_may_be_asked_again():
    past = [*RUNNING, ASKED]
    act = RecordActivity(turn_id="t1", events=(e.AgentMessage(parts=text()),))
    given(past).when(act).then([recovered(), e.AgentMessage(parts=text())])
    spoken = [*past, recovered(), e.AgentMessage(parts=text())]

    given(spoken).when(meet(after(1830), **GRACE)).then(
        [replace(ASKED, idle_seconds=1827, ends_at=after(1860))]
    )
    assert next_deadline(state_after(spoken), meet(BEGAN, **GRACE).timers) == at(5 + 1800)


def test_a_turn_that_ran_for_too_long_has_to_end_whatever_it_says():
    limited = GRACE | {"turn": 100.0}
    given(RUNNING).when(meet(after(100), **limited)).then([OVERRAN])
    spoken = [*RUNNING, OVERRAN, recovered(), e.AgentMessage(parts=text())]

    given(spoken).when(meet(after(130) - MOMENT, **limited)).then_nothing()
    given(spoken).when(meet(after(130), **limited)).then(
        timed_out("prompt_deadline_exceeded", idle=0)[1:]
    )


def test_a_stall_that_was_warned_of_says_so_again_when_the_turn_is_to_end():
    warned = {"warning": 900.0, **GRACE}
    past = [*RUNNING, stalled(reason="inactivity")]

    given(past).when(meet(after(1800), **warned)).then([ASKED])
    given(RUNNING).when(meet(after(1800), **warned)).then([ASKED])


# ── time ─────────────────────────────────────────────────────────────────────────────────────


def test_t10_a_turn_that_ran_for_too_long_is_given_up_whatever_it_does():
    busy = [*RUNNING, called(), requested()]
    over = meet(after(7200), turn=7200)

    given(busy).when(meet(after(7200) - MOMENT, turn=7200)).then_nothing()
    given(busy).when(over).then(
        timed_out(
            "prompt_deadline_exceeded",
            idle=7198,
            before=(
                returned(status="failed"),
                e.PermissionDecided(request_id="r1", decision="cancelled", reason="turn_failed"),
            ),
        )
    )


def test_the_limit_of_the_session_comes_before_that_of_the_server():
    begun = [created(limits=SessionLimits(turn_seconds=10)), started()]

    given(begun).when(meet(after(10) - MOMENT, turn=7200)).then_nothing()
    given(begun).when(meet(after(10))).then(timed_out("prompt_deadline_exceeded", idle=10))


def test_a_turn_that_is_over_the_limit_and_silent_was_too_long():
    result = given(RUNNING).when(meet(after(7200), turn=7200, silence=1800))

    result.then(timed_out("prompt_deadline_exceeded", idle=7200))


def test_a_turn_that_is_given_up_while_its_session_is_stopping_keeps_the_first_cause():
    stopping = e.SessionStopping(cause="shutdown", reason="shutdown", detail="deploy")

    result = given([*RUNNING, stopping]).when(meet(after(1800), silence=1800))

    assert result.events is not None
    assert result.events[-1] == stopped(cause="shutdown", reason="shutdown", detail="deploy")


def test_a_life_runs_out_exactly_at_its_end():
    begun = [created(ttl_seconds=60)]
    end = at(1) + timedelta(seconds=60)
    expired = stopped(
        cause="timeout", reason="timeout", detail="ttl_expired", failure=Failure(kind="timeout")
    )

    given(begun).when(ExpireDue(at=end - MOMENT)).then_nothing()
    given(begun).when(ExpireDue(at=end)).then([expired])
    given([*begun, started()]).when(ExpireDue(at=end)).then(
        [cancelled(reason="session_stopped"), expired]
    )
    given([created(starting=True, ttl_seconds=60)]).when(ExpireDue(at=end)).then([expired])
    given([*begun, expired]).when(ExpireDue(at=end)).then_nothing()


def test_a_session_that_is_resumed_after_its_end_is_stopped_again():
    past = [created(ttl_seconds=60), stopped(), e.SessionResumed(activation=2)]

    assert given(past).when(ExpireDue(at=at(61))).events


def test_nothing_is_due_of_a_session_that_rests():
    given([created()]).when(ExpireDue(at=after(10**9))).then_nothing()
    given([*RUNNING, completed()]).when(ExpireDue(at=after(10**9))).then_nothing()
    given(RUNNING).when(ExpireDue(at=after(10**9), timers=OFF)).then_nothing()


def test_a_clock_that_is_behind_does_no_harm():
    given(RUNNING).when(ExpireDue(at=BEGAN - timedelta(days=1))).then_nothing()


def test_a_life_beyond_the_end_of_time_never_runs_out():
    endless = state_after([created(limits=SessionLimits(turn_seconds=10**12)), started()])

    assert next_deadline(endless, Timers(progress=None, warning=None, silence=1e300)) is None
    assert state_after([created(ttl_seconds=10**12)]).lifecycle.expires_at is None


# ── when the clock is needed next ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("past", "due"),
    [
        ([created()], None),
        ([created(ttl_seconds=60)], at(1 + 60)),
        ([created(starting=True, ttl_seconds=60)], at(1 + 60)),
        ([created(ttl_seconds=60), stopped()], None),
        ([created(ttl_seconds=60), e.SessionDeleted()], None),
        (RUNNING, after(600)),
        ([*RUNNING, NOTED], at(3 + 600)),
        ([created(), started(), STOPPING], after(600)),
        ([*RUNNING, requested(expires_at=at(9))], at(9)),
        ([*RUNNING, requested()], after(600)),
        ([created(), elicited(expires_at=at(9)), elicited("q2", expires_at=at(8))], at(8)),
        ([created(limits=SessionLimits(turn_seconds=5)), started()], after(5)),
        ([], None),
    ],
    ids=lambda value: str(value)[-60:],
)  # fmt: skip
def test_the_clock_is_needed_when_the_first_thing_is_due(past, due):
    assert next_deadline(state_after(past), TIMERS) == due


def test_the_clock_is_not_needed_before_it_says_so_and_then_really_is():
    past = [created(ttl_seconds=10**5), started(), elicited("q", expires_at=at(700))]
    session = state_after(past)
    seen: list[str] = []
    for _ in range(50):
        due = next_deadline(session, TIMERS)
        if due is None:
            break
        given_now = Given(session)
        assert given_now.when(ExpireDue(at=due - MOMENT, timers=TIMERS)).events == []
        events = given_now.when(ExpireDue(at=due, timers=TIMERS)).events
        assert events
        for event in events:
            seen.append(type(event).__name__)
            session = evolve_at(session, event, due)

    assert session.status == "stopped"
    assert seen[:3] == ["TurnProgressNoted", "ElicitationAnswered", "SessionStalled"]
    assert seen.count("SessionStalled") == 2


def evolve_at(session: Session, event: e.SessionEvent, moment: datetime) -> Session:
    recorded = record(session, event)._replace(at=moment)
    return evolve(session, recorded)


# ── health ───────────────────────────────────────────────────────────────────────────────────


def test_word_that_the_process_is_not_well_is_recorded_once_an_episode():
    ill = ReportHealth(healthy=False, detail="no heartbeat")
    well = ReportHealth(healthy=True)
    unhealthy = e.SessionUnhealthy(detail="no heartbeat")

    given([created()]).when(ill).then([unhealthy])
    given([created(), unhealthy]).when(ReportHealth(healthy=False, detail="still")).then_nothing()
    given([created(), unhealthy]).when(well).then([recovered("unhealthy")])
    given([created()]).when(well).then_nothing()
    given([created(), unhealthy, recovered("unhealthy")]).when(ill).then([unhealthy])


def test_word_of_the_process_holds_no_secrets_and_is_bounded():
    given([created()]).when(ReportHealth(healthy=False, detail="token=abc")).then(
        [e.SessionUnhealthy(detail="token=[redacted]")]
    )
    given([created()]).when(
        ReportHealth(healthy=False, detail="x" * (MAX_SUMMARY + 1))
    ).then_refused(Invalid, field="detail")


@pytest.mark.parametrize(
    ("past", "refusal"),
    [
        ([created(starting=True)], SessionStarting),
        ([created(), stopped()], SessionIsStopped),
        ([*RUNNING, STOPPING], SessionIsStopping),
    ],
)
def test_only_an_active_session_has_a_process_to_speak_of(past, refusal):
    given(past).when(ReportHealth(healthy=False)).then_refused(refusal)


def test_a_stall_and_an_illness_are_two_things():
    past = [*RUNNING, stalled(), e.SessionUnhealthy(detail="d")]

    both = state_after(past).health
    assert (both.stalled, both.unhealthy, both.detail) == ("inactivity", True, "d")
    alive = state_after([*past, recovered("stalled")]).health
    assert (alive.stalled, alive.unhealthy) == (None, True)
    well = state_after([*past, recovered("unhealthy")]).health
    assert (well.stalled, well.unhealthy, well.detail) == ("inactivity", False, None)


def test_the_next_turn_begins_without_the_stall_of_the_last():
    now = state_after([*RUNNING, stalled(), cancelled(), started("t2")])

    assert now.health.stalled is None
