"""Input that waits: it keeps its order, and is never lost or run twice."""

from collections.abc import Sequence

import pytest

from domain.errors import (
    InputEnded,
    InputNotFound,
    InputsWaiting,
    InputTooLarge,
    Invalid,
    MessageExists,
    NoTurnInProgress,
    QueueFull,
    SessionIsStopped,
    TurnChanged,
    TurnEnded,
    TurnExists,
    TurnInProgress,
    TurnNotFound,
)
from domain.session import events as e
from domain.session.commands import (
    AddMessage,
    CancelInput,
    CancelTurn,
    CompleteTurn,
    DispatchInput,
    EditInput,
    FailTurn,
    Interrupt,
    NewInput,
    PromoteInput,
    QueueInputs,
    RecordActivity,
    StartTurn,
    StopSession,
    TakeInputs,
)
from domain.session.turn.input_queue import MAX_BYTES, MAX_BYTES_IN_ALL, MAX_WAITING, size_of
from domain.values import MAX_SUMMARY, Failure, SessionLimits
from tests.support.builders import (
    added,
    called,
    cancelled,
    completed,
    created,
    dispatched,
    failed,
    fenced,
    queued,
    requested,
    returned,
    staged,
    started,
    state_after,
    steered,
    stopped,
    text,
)
from tests.support.given import given

RUNNING = [created(), started()]
EMPTY_PART = size_of(text(""))


def prompt(turn_id: str = "i1", **fields) -> StartTurn:
    given_fields = {"turn_id": turn_id, "message_id": f"input-{turn_id}", "parts": text("go")}
    return StartTurn(**given_fields | fields)


def new(input_id: str = "i1", **fields) -> NewInput:
    return NewInput(
        **{"input_id": input_id, "message_id": f"input-{input_id}", "parts": text("go")} | fields
    )


def batch(*ids: str, **fields) -> QueueInputs:
    return QueueInputs(inputs=tuple(new(one) for one in ids), **fields)


def many(count: int) -> list[e.InputQueued]:
    return [queued(f"w{n}") for n in range(count)]


def full_of(size: int) -> Sequence[dict[str, str]]:
    """Return parts that are exactly so many bytes as JSON."""
    return text("x" * (size - EMPTY_PART))


# ── busy input: what a prompt becomes ────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["queue", "steer", "interrupt", None])
def test_an_idle_session_takes_a_prompt_at_once_whatever_the_mode(mode):
    given([created()]).when(prompt(mode=mode)).then([started("i1")])


def test_b1_a_prompt_that_queues_waits_for_its_own_turn():
    given(RUNNING).when(prompt(mode="queue")).then([queued("i1", source="user")])


def test_a_prompt_that_steers_is_staged_for_the_running_turn():
    given(RUNNING).when(prompt(mode="steer")).then([queued("i1", source="user"), staged("i1")])


def test_b2_a_prompt_that_interrupts_takes_the_place_of_all_that_runs_or_waits():
    past = [*RUNNING, called(), requested(), queued("w2"), queued("w1"), staged("w1")]

    given(past).when(prompt(mode="interrupt")).then(
        [
            fenced(1, "w2", "w1"),
            returned(status="cancelled"),
            e.PermissionDecided(request_id="r1", decision="cancelled", reason="turn_cancelled"),
            cancelled(reason="interrupted"),
            started("i1"),
        ]
    )


def test_an_interrupting_prompt_of_an_idle_session_fences_what_waits():
    past = [*RUNNING, queued("w1"), cancelled()]

    given(past).when(prompt(mode="interrupt")).then([fenced(1, "w1"), started("i1")])


def test_without_a_mode_a_busy_session_refuses_a_prompt_and_leaves_no_ghost():
    given(RUNNING).when(prompt()).then_refused(TurnInProgress, turn_id="t1")


def test_nothing_overtakes_input_that_waits():
    held = [*RUNNING, queued("w1"), cancelled()]

    given(held).when(prompt()).then_refused(InputsWaiting, waiting=1)
    for mode in ("queue", "steer"):
        given(held).when(prompt(mode=mode)).then([*dispatched("w1"), queued("i1", source="user")])


def test_a_prompt_may_say_which_turn_it_expects_to_run():
    for mode in ("queue", "steer", "interrupt"):
        wrong = prompt(mode=mode, expected_turn_id="t0")
        given(RUNNING).when(wrong).then_refused(TurnChanged, turn_id="t1", expected_turn_id="t0")
    given([*RUNNING, completed()]).when(prompt(mode="steer", expected_turn_id="t1")).then_refused(
        TurnChanged, turn_id=None
    )
    right = prompt(mode="queue", expected_turn_id="t1")
    given(RUNNING).when(right).then([queued("i1", source="user")])


def test_an_interrupt_that_races_the_natural_end_of_its_turn_does_not_hit_the_next():
    past = [*RUNNING, queued("i1"), completed(), *dispatched("i1")]

    given(past).when(Interrupt(expected_turn_id="t1")).then_refused(
        TurnChanged, turn_id="i1", expected_turn_id="t1"
    )


def test_a_prompt_needs_ids_that_nothing_else_has():
    past = [*RUNNING, queued("i1"), queued("i2"), e.InputCancelled(input_id="i2", reason="r")]

    for taken in ("i1", "i2"):
        given(past).when(prompt(taken, message_id="m9", mode="queue")).then_refused(
            TurnExists, turn_id=taken
        )
    given(past).when(prompt("i3", message_id="input-i1", mode="queue")).then_refused(
        MessageExists, message_id="input-i1"
    )
    given(past).when(AddMessage(message_id="input-i1", role="user", parts=text())).then_refused(
        MessageExists
    )
    # Nobody has said what was taken back: its message id is free again.
    given(past).when(prompt("i3", message_id="input-i2", mode="queue")).then(
        [queued("i3", message_id="input-i2", source="user")]
    )


def test_a_prompt_that_waits_needs_content_and_a_place():
    given(RUNNING).when(prompt(mode="queue", parts=())).then_refused(Invalid)
    given([created(), stopped()]).when(prompt(mode="queue")).then_refused(SessionIsStopped)


def test_t7_what_no_person_sent_says_why_it_is_there():
    why = {"reason": "nightly", "task": 7}

    given([created()]).when(prompt(source="synthetic", meta=why)).then(
        [started("i1", source="synthetic", meta=why)]
    )
    given(RUNNING).when(prompt(source="synthetic", meta=why, mode="queue")).then(
        [queued("i1", source="synthetic", meta=why)]
    )
    for wrong in (None, {}, {"reason": " "}, {"reason": 7}, {"reason": "x" * (MAX_SUMMARY + 1)}):
        for past in ([created()], RUNNING):
            given(past).when(prompt(source="synthetic", meta=wrong, mode="queue")).then_refused(
                Invalid
            )
        batch_of_one = QueueInputs(inputs=(new(meta=wrong),), source="synthetic")
        given(RUNNING).when(batch_of_one).then_refused(Invalid)


def test_what_is_said_of_an_input_goes_with_it_into_its_turn():
    waiting = queued("i1", meta={"from": "peer"})

    given([*RUNNING, waiting]).when(CompleteTurn(turn_id="t1")).then(
        [completed(), *dispatched("i1", meta={"from": "peer"})]
    )
    given([created()]).when(QueueInputs(inputs=(new(meta={"from": "peer"}),))).then(
        [waiting, *dispatched("i1", meta={"from": "peer"})]
    )


# ── batches ──────────────────────────────────────────────────────────────────────────────────


def test_a_batch_waits_behind_the_running_turn_in_its_order():
    given(RUNNING).when(batch("i1", "i2")).then([queued("i1"), queued("i2")])
    given(RUNNING).when(batch("i1", source="network")).then([queued("i1", source="network")])


def test_the_first_of_a_batch_begins_at_once_when_nothing_runs():
    given([created()]).when(batch("i1", "i2")).then([queued("i1"), queued("i2"), *dispatched("i1")])


def test_a_batch_that_is_held_starts_nothing():
    given([created()]).when(batch("i1", hold=True)).then([queued("i1")])


def test_a_batch_comes_after_what_waits_already():
    past = [*RUNNING, queued("w1"), cancelled()]

    given(past).when(batch("i1")).then([*dispatched("w1"), queued("i1")])
    given(past).when(batch("i1", hold=True)).then([queued("i1")])


def test_b6_a_batch_is_taken_whole_or_not_at_all():
    past = [created(limits=SessionLimits(queued_inputs=2)), started(), queued("w1")]

    given(past).when(batch("i1", "i2")).then_refused(QueueFull, waiting=1, limit=2)
    given(past).when(batch("i1")).then([queued("i1")])
    given(past).when(batch("i1", "t1")).then_refused(TurnInProgress)


@pytest.mark.parametrize(
    "wrong",
    [
        QueueInputs(inputs=()),
        batch("i1", "i1"),
        QueueInputs(inputs=(new("i1", message_id="m"), new("i2", message_id="m"))),
        batch(""),
        QueueInputs(inputs=(new(parts=()),)),
        QueueInputs(inputs=(new(message_id=" "),)),
    ],
    ids=str,
)
def test_a_batch_that_makes_no_sense_is_refused(wrong):
    given(RUNNING).when(wrong).then_refused(Invalid)


def test_the_ids_of_a_batch_are_new():
    past = [*RUNNING, added("m1"), queued("w1"), completed(), *dispatched("w1"), queued("w2")]

    given(past).when(batch("t1")).then_refused(TurnExists, turn_id="t1")
    given(past).when(batch("w1")).then_refused(TurnInProgress, turn_id="w1")
    given(past).when(batch("w2")).then_refused(TurnExists, turn_id="w2")
    given(past).when(QueueInputs(inputs=(new(message_id="m1"),))).then_refused(MessageExists)


# ── limits ───────────────────────────────────────────────────────────────────────────────────


def test_as_many_inputs_wait_as_may():
    given([*RUNNING, *many(MAX_WAITING - 1)]).when(prompt(mode="queue")).then(
        [queued("i1", source="user")]
    )
    for mode in ("queue", "steer"):
        given([*RUNNING, *many(MAX_WAITING)]).when(prompt(mode=mode)).then_refused(
            QueueFull, waiting=MAX_WAITING, limit=MAX_WAITING
        )
    given([*RUNNING, *many(MAX_WAITING)]).when(prompt(mode="interrupt")).then(
        [fenced(1, *(f"w{n}" for n in range(MAX_WAITING))), cancelled(reason="interrupted"),
         started("i1")]
    )  # fmt: skip


def test_a_session_may_have_a_limit_of_its_own():
    begun = [created(limits=SessionLimits(queued_inputs=1)), started()]

    given(begun).when(prompt(mode="queue")).then([queued("i1", source="user")])
    given([*begun, queued("w1")]).when(prompt(mode="queue")).then_refused(QueueFull, limit=1)


def test_what_was_taken_back_makes_room():
    begun = [created(limits=SessionLimits(queued_inputs=1)), started(), queued("w1")]

    for gone in (
        [e.InputCancelled(input_id="w1", reason="r")],
        [staged("w1"), steered("w1")],
        [fenced(1, "w1")],
        [completed(), *dispatched("w1")],
    ):
        given([*begun, *gone]).when(prompt(mode="queue")).then(
            [queued("i1", source="user", generation=int(gone == [fenced(1, "w1")]))]
        )


def test_while_nothing_runs_the_oldest_makes_room_for_what_comes_behind_it():
    """To try again when a turn has ended is no advice where none runs."""
    begun = [created(limits=SessionLimits(queued_inputs=1)), queued("w1")]

    given(begun).when(prompt(mode="queue")).then([*dispatched("w1"), queued("i1", source="user")])
    given(begun).when(batch("i1")).then([*dispatched("w1"), queued("i1")])
    given(begun).when(batch("i1", hold=True)).then_refused(QueueFull, waiting=1, limit=1)

    large = MAX_BYTES_IN_ALL // 2
    begun = [created(limits=SessionLimits(input_bytes=large))]
    begun += [queued(f"w{n}", parts=full_of(large)) for n in range(2)]
    given(begun).when(QueueInputs(inputs=(new(parts=full_of(large)),))).then(
        [*dispatched("w0", parts=full_of(large)), queued("i1", parts=full_of(large))]
    )


def test_a_batch_that_could_never_wait_is_not_told_to_try_again():
    begun = [created(limits=SessionLimits(queued_inputs=2)), started()]

    given(begun).when(batch("i1", "i2", "i3")).then_refused(Invalid, field="inputs", limit=2)

    sixteen = [new(f"i{n}", parts=full_of(MAX_BYTES)) for n in range(MAX_BYTES_IN_ALL // MAX_BYTES)]
    given(RUNNING).when(QueueInputs(inputs=(*sixteen, new("over")))).then_refused(
        InputTooLarge, limit=MAX_BYTES_IN_ALL
    )


@pytest.mark.parametrize(("limits", "largest"), [(None, MAX_BYTES), (512, 512)])
def test_an_input_that_waits_is_not_too_large(limits, largest):
    begun = [created(limits=SessionLimits(input_bytes=limits)), started()]
    fits, too_large = full_of(largest), full_of(largest + 1)

    given(begun).when(prompt(mode="queue", parts=fits)).then(
        [queued("i1", source="user", parts=fits)]
    )
    given(begun).when(prompt(mode="queue", parts=too_large)).then_refused(
        InputTooLarge, limit=largest
    )
    given([*begun, queued("w1")]).when(EditInput(input_id="w1", parts=too_large)).then_refused(
        InputTooLarge
    )


def test_a_prompt_that_need_not_wait_may_be_larger():
    huge = full_of(MAX_BYTES + 1)

    given([created()]).when(prompt(mode=None, parts=huge)).then([started("i1", parts=huge)])
    given([created()]).when(prompt(mode="queue", parts=huge)).then_refused(InputTooLarge)


def test_all_that_waits_is_bounded_together():
    limit = MAX_BYTES_IN_ALL // 4
    begun = [created(limits=SessionLimits(input_bytes=limit)), started()]
    full = [queued(f"w{n}", parts=full_of(limit)) for n in range(4)]

    given([*begun, *full]).when(prompt(mode="queue")).then_refused(
        QueueFull, waiting=4, size=MAX_BYTES_IN_ALL, limit=MAX_BYTES_IN_ALL
    )
    given([*begun, *full[:3]]).when(prompt(mode="queue", parts=full_of(limit))).then(
        [queued("i1", source="user", parts=full_of(limit))]
    )
    smaller = [*begun, *full[:3], queued("w3", parts=text("small"))]
    given([*smaller, queued("w4")]).when(
        EditInput(input_id="w3", parts=full_of(limit))
    ).then_refused(QueueFull)
    given([*begun, *full]).when(EditInput(input_id="w3", parts=text("small"))).then(
        [e.InputEdited(input_id="w3", parts=text("small"))]
    )


def test_the_size_of_an_input_is_that_of_its_json_in_utf_8():
    assert size_of(()) == 2
    assert size_of(({"type": "text", "text": "ä🪨"},)) == len(
        '[{"type":"text","text":"ä🪨"}]'.encode()
    )
    with pytest.raises(Invalid):
        size_of(({"type": "data", "data": object()},))


# ── edit, promote, cancel ────────────────────────────────────────────────────────────────────


def test_what_waits_can_be_edited():
    edit = EditInput(input_id="i1", parts=text("rather this"))

    for past in ([*RUNNING, queued()], [created(), queued(), stopped()]):
        given(past).when(edit).then([e.InputEdited(input_id="i1", parts=text("rather this"))])
    given([*RUNNING, queued()]).when(EditInput(input_id="i1", parts=text("go"))).then_nothing()
    given([*RUNNING, queued()]).when(EditInput(input_id="i1", parts=())).then_refused(Invalid)


@pytest.mark.parametrize(("old", "new_value"), [(1, True), (1, 1.0), (False, 0)])
def test_an_edit_from_one_value_to_another_that_python_takes_for_equal_is_recorded(old, new_value):
    before = ({"type": "data", "data": {"n": old}},)
    after = ({"type": "data", "data": {"n": new_value}},)

    given([*RUNNING, queued(parts=before)]).when(EditInput(input_id="i1", parts=after)).then(
        [e.InputEdited(input_id="i1", parts=after)]
    )


def test_an_edited_input_runs_as_it_was_edited():
    edited = e.InputEdited(input_id="i1", parts=text("rather this"))

    given([*RUNNING, queued(), edited]).when(CompleteTurn(turn_id="t1")).then(
        [completed(), *dispatched("i1", parts=text("rather this"))]
    )


def test_what_waits_can_be_made_to_steer_the_running_turn():
    past = [*RUNNING, queued("i1"), queued("i2")]

    given(past).when(PromoteInput(input_id="i2")).then([staged("i2")])
    given([*past, staged("i2")]).when(PromoteInput(input_id="i2")).then_nothing()


def test_what_was_to_steer_an_earlier_turn_can_be_made_to_steer_this_one():
    past = [*RUNNING, queued("i1"), queued("i2"), staged("i2"), completed(), *dispatched("i1")]

    given(past).when(PromoteInput(input_id="i2")).then([staged("i2", "i1")])


def test_promoting_needs_the_turn_that_is_meant():
    given([created(), queued()]).when(PromoteInput(input_id="i1")).then_refused(NoTurnInProgress)
    given([*RUNNING, queued()]).when(
        PromoteInput(input_id="i1", expected_turn_id="t0")
    ).then_refused(TurnChanged, turn_id="t1", expected_turn_id="t0")
    given([*RUNNING, queued()]).when(PromoteInput(input_id="i1", expected_turn_id="t1")).then(
        [staged("i1")]
    )


def test_what_waits_can_be_taken_back_also_when_the_session_is_stopped():
    for past in ([*RUNNING, queued()], [created(), queued(), stopped()]):
        given(past).when(CancelInput(input_id="i1", reason="changed my mind")).then(
            [e.InputCancelled(input_id="i1", reason="changed my mind")]
        )
    given([*RUNNING, queued()]).when(CancelInput(input_id="i1", reason=" ")).then_refused(Invalid)


ENDED = {
    "cancelled": [e.InputCancelled(input_id="i1", reason="r")],
    "dispatched": [completed(), *dispatched("i1")],
    "steered": [staged("i1"), steered("i1")],
}


@pytest.mark.parametrize("outcome", ENDED)
def test_taking_back_what_has_ended_is_already_so(outcome):
    given([*RUNNING, queued(), *ENDED[outcome]]).when(CancelInput(input_id="i1")).then_nothing()


@pytest.mark.parametrize("outcome", ENDED)
def test_what_has_ended_can_be_neither_edited_nor_promoted(outcome):
    past = [*RUNNING, queued(), *ENDED[outcome]]

    for command in (EditInput(input_id="i1", parts=text("x")), PromoteInput(input_id="i1")):
        given(past).when(command).then_refused(InputEnded, input_id="i1", outcome=outcome)


@pytest.mark.parametrize(
    "command",
    [
        EditInput(input_id="i9", parts=text()),
        PromoteInput(input_id="i9"),
        CancelInput(input_id="i9"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_an_input_that_never_was_is_not_found(command):
    given([*RUNNING, queued()]).when(command).then_refused(InputNotFound, input_id="i9")


# ── what follows the end of a turn ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (CompleteTurn(turn_id="t1"), completed()),
        (FailTurn(turn_id="t1", failure=Failure(kind="crash")), failed()),
        (CancelTurn(turn_id="t1"), cancelled()),
    ],
)
def test_b1_the_end_of_a_turn_begins_the_turn_of_the_oldest_input(end, ended):
    past = [*RUNNING, queued("z"), queued("a", source="user")]

    given(past).when(end).then([ended, *dispatched("z")])


def test_a_cancel_may_leave_what_waits_where_it_is():
    past = [*RUNNING, queued()]

    given(past).when(CancelTurn(turn_id="t1", hold=True)).then([cancelled()])


def test_a_cancel_that_comes_late_never_hits_the_next_turn():
    past = [*RUNNING, queued("i1"), completed(), *dispatched("i1")]

    given(past).when(CancelTurn(turn_id="t1")).then_refused(
        TurnEnded, turn_id="t1", outcome="completed"
    )
    past = [*RUNNING, queued("i1"), cancelled(), *dispatched("i1")]
    given(past).when(CancelTurn(turn_id="t1")).then_nothing()


def test_the_turn_of_an_input_has_its_id_its_source_and_its_message():
    waiting = queued("i1", source="network", message_id="m7", parts=text("x"))

    given([*RUNNING, waiting]).when(CompleteTurn(turn_id="t1")).then(
        [
            completed(),
            e.InputDispatched(input_id="i1"),
            started("i1", message_id="m7", source="network", parts=text("x")),
        ]
    )


def test_what_is_held_is_dispatched_when_somebody_asks_for_it():
    held = [*RUNNING, queued("i1"), queued("i2"), cancelled()]

    given(held).when(DispatchInput()).then(dispatched("i1"))
    given(RUNNING).when(DispatchInput()).then_refused(TurnInProgress, turn_id="t1")
    given([created()]).when(DispatchInput()).then_nothing()


def test_what_waits_outlives_a_stop_and_runs_after_the_resume():
    past = [*RUNNING, queued("i1"), cancelled(), stopped(), e.SessionResumed(activation=2)]

    given(past).when(DispatchInput()).then(dispatched("i1"))


def test_a_stop_starts_nothing_that_waits():
    result = given([*RUNNING, queued()]).when(StopSession())

    assert result.events is not None
    assert [type(event) for event in result.events] == [e.TurnCancelled, e.SessionStopped]


def test_b3_what_was_fenced_never_runs():
    fence = [*RUNNING, queued("i1"), queued("i2"), fenced(1, "i1", "i2"), cancelled()]

    given(fence).when(DispatchInput()).then_nothing()
    given(fence).when(EditInput(input_id="i1", parts=text("x"))).then_refused(InputEnded)
    assert list(state_after(fence).inputs.waiting) == []


def test_an_interrupt_cancels_the_turn_and_all_that_waits_in_one_step():
    past = [*RUNNING, queued("i1"), queued("i2")]

    given(past).when(Interrupt(reason="stop that")).then(
        [fenced(1, "i1", "i2"), cancelled(reason="stop that")]
    )


def test_an_interrupt_fences_even_when_nothing_waits_as_long_as_something_runs():
    given(RUNNING).when(Interrupt()).then([fenced(1), cancelled(reason="interrupted")])


def test_an_interrupt_of_an_idle_session_is_already_so_but_empties_what_is_held():
    given([created()]).when(Interrupt()).then_nothing()
    given([*RUNNING, queued("i1"), cancelled()]).when(Interrupt()).then([fenced(1, "i1")])
    given(RUNNING).when(Interrupt(reason="")).then_refused(Invalid)


def test_input_after_a_fence_is_of_the_new_generation():
    past = [*RUNNING, fenced(1), cancelled(reason="interrupted"), started("t2")]

    given(past).when(prompt(mode="queue")).then([queued("i1", source="user", generation=1)])


# ── steering ─────────────────────────────────────────────────────────────────────────────────


def record(*events: e.ActivityEvent, take_inputs: bool = True) -> RecordActivity:
    return RecordActivity(turn_id="t1", events=events, take_inputs=take_inputs)


def test_what_is_staged_reaches_the_agent_behind_the_next_tool_result():
    past = [*RUNNING, called("c1"), called("c2"), queued("i1"), staged("i1")]
    thought = e.AgentThought(parts=text("hm"))

    given(past).when(record(returned("c1"), returned("c2"), thought)).then(
        [returned("c1"), returned("c2"), steered("i1", tool_call_id="c2"), thought]
    )


def test_what_is_said_of_an_input_goes_with_it_into_the_turn_that_it_steers():
    said = {"source": "synthetic", "meta": {"reason": "the build is red"}}
    past = [*RUNNING, queued("i1", **said), staged("i1")]

    given(past).when(TakeInputs(turn_id="t1")).then([steered("i1", **said)])


def test_b4_all_that_is_staged_for_the_turn_reaches_it_once_and_in_order():
    past = [*RUNNING, called("c1"), queued("i1"), queued("i2"), queued("i3")]
    past += [staged("i3"), staged("i1")]

    given(past).when(record(returned("c1"))).then(
        [returned("c1"), steered("i1", tool_call_id="c1"), steered("i3", tool_call_id="c1")]
    )
    after = [*past, returned("c1"), steered("i1"), steered("i3"), called("c2")]
    given(after).when(record(returned("c2"))).then([returned("c2")])


def test_nothing_is_steered_where_no_tool_returned_or_the_runtime_cannot():
    past = [*RUNNING, called("c1"), queued("i1"), staged("i1")]
    said = e.AgentMessage(parts=text())

    given(past).when(record(said)).then([said])
    given(past).when(record(returned("c1"), take_inputs=False)).then([returned("c1")])


def test_a_runtime_may_take_what_is_staged_by_itself():
    past = [*RUNNING, queued("i1"), queued("i2"), staged("i2")]

    given(past).when(TakeInputs(turn_id="t1")).then([steered("i2")])
    given([*RUNNING, queued("i1")]).when(TakeInputs(turn_id="t1")).then_nothing()
    given(past).when(TakeInputs(turn_id="t0")).then_refused(TurnNotFound)
    given([*past, completed()]).when(TakeInputs(turn_id="t1")).then_refused(TurnEnded)


def test_what_did_not_reach_its_turn_runs_behind_it_and_the_log_says_so():
    past = [*RUNNING, queued("i1"), staged("i1")]

    given(past).when(CompleteTurn(turn_id="t1")).then(
        [completed(), e.InputDispatched(input_id="i1", fallback=True), dispatched("i1")[1]]
    )


def test_what_was_to_steer_one_turn_does_not_reach_another():
    past = [*RUNNING, queued("i1"), queued("i2"), staged("i2"), completed(), *dispatched("i1")]

    given([*past, called("c1")]).when(
        RecordActivity(turn_id="i1", events=(returned("c1"),), take_inputs=True)
    ).then([returned("c1")])


# ── what the state knows ─────────────────────────────────────────────────────────────────────


def test_the_state_knows_what_waits_how_large_it_is_and_how_the_rest_ended():
    past = [
        *RUNNING,
        queued("i1"), queued("i2"), queued("i3"), queued("i4"), staged("i4"),
        steered("i4"), e.InputCancelled(input_id="i3", reason="r"),
        completed(), *dispatched("i1"),
        e.InputEdited(input_id="i2", parts=text("longer than before")),
    ]  # fmt: skip
    inputs = state_after(past).inputs

    assert list(inputs.waiting) == ["i2"]
    assert inputs.waiting["i2"].sequence == 4
    assert inputs.size == inputs.waiting["i2"].size == size_of(text("longer than before"))
    assert dict(inputs.message_ids) == {"input-i2": "i2"}
    assert dict(inputs.ended) == {"i1": "dispatched", "i3": "cancelled", "i4": "steered"}


def test_b5_only_what_is_of_the_current_generation_waits():
    inputs = state_after([*RUNNING, queued("i1"), fenced(1, "i1"), queued("i2", generation=1)])

    assert (inputs.inputs.generation, list(inputs.inputs.waiting)) == (1, ["i2"])
    assert inputs.inputs.size == size_of(text("go"))


def test_what_was_steered_is_a_message_of_the_session():
    now = state_after([*RUNNING, queued("i1"), staged("i1"), steered("i1")])

    assert "input-i1" in now.messages
    assert len(now.inputs.waiting) == now.inputs.size == 0


def test_inputs_stand_in_the_order_in_which_they_came():
    now = state_after([*RUNNING, queued("z"), queued("a"), queued("m")])

    assert [one.input_id for one in now.inputs.in_order()] == ["z", "a", "m"]


@pytest.mark.parametrize(
    "stray",
    [
        staged("i9"),
        steered("i9"),
        e.InputDispatched(input_id="i9"),
        e.InputEdited(input_id="i9", parts=text()),
        e.InputCancelled(input_id="i9", reason="r"),
        queued("i9", parts=({"type": "data", "data": object()},)),
    ],
    ids=lambda event: type(event).__name__,
)
def test_news_of_an_input_that_never_was_breaks_nothing(stray):
    now = state_after([*RUNNING, stray])

    assert now.sequence == 3
    assert now.inputs.size == 0
