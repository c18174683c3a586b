"""Create, stop, resume, delete."""

import pytest

from domain.errors import Invalid, SessionDeleted, SessionExists, SessionNotFound
from domain.session import events as e
from domain.session.commands import (
    AddMessage,
    CancelTurn,
    CompleteTurn,
    CreateSession,
    DecidePermission,
    DeleteSession,
    DescribeSession,
    FailTurn,
    FirstMessage,
    PatchState,
    RecordActivity,
    RequestPermission,
    ResumeSession,
    ReviseMessage,
    StartTurn,
    StopSession,
)
from domain.session.lifecycle import REASONS
from domain.values import MAX_SUMMARY, MAX_TAGS, MAX_TITLE, Agent, Failure, Owner
from tests.support.builders import (
    ALLOW,
    OWNER,
    called,
    cancelled,
    completed,
    create,
    created,
    requested,
    returned,
    started,
    state_after,
    stopped,
    text,
)
from tests.support.given import given

EVERY_COMMAND_BUT_CREATE = (
    AddMessage(message_id="m1", role="user", parts=text()),
    CancelTurn(turn_id="t1"),
    CompleteTurn(turn_id="t1"),
    DecidePermission(request_id="r1", option_id="yes"),
    DescribeSession(fields=frozenset({"title"}), title="T"),
    FailTurn(turn_id="t1", failure=Failure(kind="crash")),
    PatchState(set={"a": 1}),
    RecordActivity(turn_id="t1", events=(called(),)),
    RequestPermission(request_id="r1", turn_id="t1", options=(ALLOW,)),
    ResumeSession(),
    ReviseMessage(message_id="m1", parts=text()),
    StartTurn(turn_id="t1", message_id="m1", parts=text()),
    StopSession(),
)


def test_a_session_begins_with_what_it_was_given():
    command = create(title="T", tags=("a",), agent=Agent(name="coder"), metadata={"k": 1})

    given().when(command).then(
        [created(title="T", tags=("a",), agent=Agent(name="coder"), metadata={"k": 1})]
    )


def test_first_messages_follow_the_creation_in_their_order():
    first = FirstMessage(message_id="m1", role="system", parts=text("be kind"))
    second = FirstMessage(message_id="m2", role="user", parts=text("hi"), author="ada")

    given().when(create(messages=(first, second))).then(
        [
            created(),
            e.MessageAdded(message_id="m1", role="system", parts=text("be kind")),
            e.MessageAdded(message_id="m2", role="user", parts=text("hi"), author="ada"),
        ]
    )


def test_two_first_messages_cannot_have_one_id():
    message = FirstMessage(message_id="m1", role="user", parts=text())

    given().when(create(messages=(message, message))).then_refused(Invalid, field="messages")


def test_temp_keys_are_not_stored_at_creation():
    given().when(create(state={"temp:a": 1, "b": 2, "app:c": 3})).then(
        [created(state={"b": 2, "app:c": 3})]
    )


def test_creating_again_with_the_same_content_is_already_so():
    renamed = e.SessionRenamed(title="new")
    given([created(title="old"), renamed]).when(create(title="old")).then_nothing()


def test_creating_again_while_the_session_is_stopped_is_already_so():
    given([created(), stopped()]).when(create()).then_nothing()


@pytest.mark.parametrize(
    "other",
    [
        create(owner=Owner(app="console", user="eve")),
        create(agent=Agent(name="coder")),
        create(metadata={"k": 1}),
        create(title="another"),
        create(tags=("another",)),
        create(state={"k": 1}),
    ],
)
def test_creating_again_with_other_content_is_refused(other: CreateSession):
    given([created()]).when(other).then_refused(SessionExists, session_status="idle")


def test_a_deleted_session_cannot_be_created_again():
    given([created(), e.SessionDeleted()]).when(create()).then_refused(
        SessionExists, session_status="deleted"
    )


def test_a_session_whose_creation_is_of_a_newer_version_is_not_created_a_second_time():
    given([e.Unrecognised(type="session.created")]).when(create()).then_refused(SessionExists)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"owner": Owner(app="", user="ada")}, "app"),
        ({"owner": Owner(app="console", user=" ")}, "user"),
        ({"owner": Owner(app="console", user="ada", team="a\nb")}, "team"),
        ({"agent": Agent(name="")}, "agent.name"),
        ({"agent": Agent(name="a", model="\x7f")}, "agent.model"),
        ({"title": "x" * (MAX_TITLE + 1)}, "title"),
        ({"tags": tuple(str(n) for n in range(MAX_TAGS + 1))}, "tags"),
        ({"tags": ("a", "a")}, "tags"),
        ({"tags": ("",)}, "tags[0]"),
        ({"state": {"": 1}}, "a state key"),
    ],
)
def test_a_session_cannot_begin_with_what_lists_could_not_show(wrong: dict, field: str):
    given().when(create(**wrong)).then_refused(Invalid, field=field)


@pytest.mark.parametrize("command", EVERY_COMMAND_BUT_CREATE, ids=lambda c: type(c).__name__)
def test_nothing_can_be_asked_of_a_session_that_is_not_there(command):
    given().when(command).then_refused(SessionNotFound)


def test_a_session_that_is_not_there_cannot_be_deleted():
    given().when(DeleteSession()).then_refused(SessionNotFound)


@pytest.mark.parametrize("command", EVERY_COMMAND_BUT_CREATE, ids=lambda c: type(c).__name__)
def test_nothing_can_be_added_to_a_deleted_session(command):
    given([created(), e.SessionDeleted()]).when(command).then_refused(SessionDeleted)


@pytest.mark.parametrize("cause", REASONS)
def test_a_stop_says_its_cause_and_the_reason_that_goes_with_it(cause):
    failure = Failure(kind="crash", summary="died")

    given([created()]).when(StopSession(cause=cause, detail="d", failure=failure)).then(
        [stopped(cause=cause, reason=REASONS[cause], detail="d", failure=failure)]
    )


def test_the_first_cause_of_a_stop_is_the_one_that_stands():
    given([created(), stopped()]).when(StopSession(cause="process_exited")).then_nothing()


def test_a_stop_leaves_nothing_open():
    past = [created(), started(), called("c2"), called("c1"), requested("r2"), requested("r1")]

    given(past).when(StopSession()).then(
        [
            returned("c2", status="cancelled"),
            returned("c1", status="cancelled"),
            e.PermissionDecided(request_id="r1", decision="cancelled", reason="turn_cancelled"),
            e.PermissionDecided(request_id="r2", decision="cancelled", reason="turn_cancelled"),
            cancelled(reason="session_stopped"),
            stopped(),
        ]
    )


@pytest.mark.parametrize(
    "wordy",
    [
        StopSession(detail="x" * (MAX_SUMMARY + 1)),
        StopSession(failure=Failure(kind="k", summary="x" * (MAX_SUMMARY + 1))),
    ],
)
def test_what_a_stop_says_is_bounded(wordy):
    given([created()]).when(wordy).then_refused(Invalid)


def test_a_stopped_session_is_resumed_into_its_next_activation():
    past = [created(), stopped(), e.SessionResumed(activation=2), stopped()]

    given(past).when(ResumeSession()).then([e.SessionResumed(activation=3)])


def test_resuming_an_active_session_is_already_so():
    given([created()]).when(ResumeSession()).then_nothing()


def test_a_session_is_stopped_from_that_very_sequence_and_active_again_after_the_resume():
    past = [created(), stopped(detail="d", failure=Failure(kind="k"))]
    now = state_after(past).lifecycle

    assert (now.phase, now.stop_cause, now.stop_detail) == ("stopped", "user_requested", "d")
    resumed = state_after([*past, e.SessionResumed(activation=2)])
    assert (resumed.status, resumed.lifecycle.stop_cause) == ("idle", None)
    assert (resumed.lifecycle.stop_detail, resumed.lifecycle.failure) == (None, None)


def test_what_a_crash_left_stays_visible_after_the_resume_and_until_the_next_stop():
    crash = stopped(cause="process_exited", reason="agent_crashed", failure=Failure(kind="crash"))
    past = [created(), crash, e.SessionResumed(activation=2)]

    assert state_after(past).lifecycle.failure == Failure(kind="crash")
    assert state_after([*past, stopped()]).lifecycle.failure is None


def test_deleting_ends_the_running_turn_and_sets_the_tombstone():
    given([created(), started()]).when(DeleteSession()).then(
        [cancelled(reason="session_deleted"), e.SessionDeleted()]
    )


def test_deleting_again_is_already_so():
    given([created(), e.SessionDeleted()]).when(DeleteSession()).then_nothing()


def test_a_stopped_session_can_be_deleted():
    given([created(), stopped()]).when(DeleteSession()).then([e.SessionDeleted()])


@pytest.mark.parametrize(
    ("past", "status"),
    [
        ([], "stopped"),
        ([created()], "idle"),
        ([created(), started()], "running"),
        ([created(), started(), requested()], "waiting"),
        ([created(), started(), completed()], "idle"),
        ([created(), stopped()], "stopped"),
        ([created(), e.SessionDeleted()], "deleted"),
    ],
)
def test_the_status_says_what_an_operator_sees_at_a_glance(past, status):
    assert state_after(past).status == status


def test_the_creation_says_to_whom_the_session_belongs_and_when_it_began():
    recorded_owner = state_after([created()]).lifecycle

    assert recorded_owner.owner == OWNER
    assert recorded_owner.created_at is not None
    assert recorded_owner.activation == 1
