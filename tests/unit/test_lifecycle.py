"""Create, activate, stop, resume, delete."""

from datetime import timedelta

import pytest

from domain.errors import (
    Invalid,
    LimitReached,
    LogDamaged,
    MessageExists,
    SessionExists,
    SessionExpired,
    SessionIsDeleted,
    SessionNotFound,
)
from domain.permissions.grants import Grants
from domain.permissions.permission_rules import PermissionRules
from domain.session import events as e
from domain.session.commands import (
    AcquireAttachment,
    ActivateSession,
    AddMessage,
    AddSummary,
    AnswerElicitation,
    BeginForeignTurn,
    CancelInput,
    CancelInteraction,
    CancelTurn,
    ClearConversation,
    CompleteTurn,
    CreateSession,
    DecidePermission,
    DeleteSession,
    DescribeSession,
    DispatchInput,
    EditInput,
    EraseSession,
    ExpireDue,
    FailStart,
    FailTurn,
    FirstMessage,
    Interrupt,
    NewInput,
    OverrideModel,
    PatchState,
    PromoteInput,
    QueueInputs,
    ReapChild,
    RecordActivity,
    RecordForeignEvents,
    RecordUsage,
    RecoverSession,
    RefreshProfile,
    ReleaseAttachment,
    ReleaseLegalHold,
    RepairSession,
    ReplacePermissions,
    ReportHealth,
    ReportPeer,
    ReportRuntime,
    ReportSandbox,
    RequestElicitation,
    RequestPermission,
    RestoreChild,
    ResumeSession,
    ReviseMessage,
    RewindConversation,
    SetLegalHold,
    SpawnSession,
    StartTurn,
    StopSession,
    SwitchToolApproval,
    TakeInputs,
)
from domain.session.declarations import RULES
from domain.session.family.forks import inherited
from domain.values import (
    MAX_STATE_KEYS,
    MAX_TAGS,
    MAX_TITLE,
    Agent,
    Failure,
    Lineage,
    Owner,
    SessionLimits,
    rfc3339,
)
from tests.support.builders import (
    ALLOW,
    CHILD_ID,
    LEASE_ID,
    NOON,
    OWNER,
    PARENT_ID,
    ROOT_ID,
    added,
    at,
    called,
    cancelled,
    completed,
    create,
    created,
    foreign,
    requested,
    started,
    state_after,
    stopped,
    text,
)
from tests.support.given import Given, given

CRASH = Failure(kind="process_exit", summary="exit status 139")
STARTING = created(starting=True)
STOPPING = e.SessionStopping(
    cause="user_requested",
    reason="user_canceled",
    detail="enough",
    failure=Failure(kind="cancellation"),
)
LINEAGE = Lineage(parent_id=PARENT_ID, root_id=ROOT_ID, depth=1, role="worker", auto_stop=True)

EVERY_COMMAND_TO_A_SESSION = (
    AcquireAttachment(lease_id=LEASE_ID, holder="http:1", acquired_at=NOON, expires_at=NOON),
    ActivateSession(),
    AddMessage(message_id="m1", role="user", parts=text()),
    AddSummary(summary_id="s1", text="short"),
    AnswerElicitation(request_id="r1", action="decline"),
    BeginForeignTurn(turn_id="t1", event=foreign()),
    CancelInput(input_id="i1"),
    CancelInteraction(request_id="r1"),
    CancelTurn(turn_id="t1"),
    ClearConversation(),
    CompleteTurn(turn_id="t1"),
    RestoreChild(child_id=CHILD_ID, role="worker", auto_stop=True),
    DecidePermission(request_id="r1", option_id="yes"),
    DescribeSession(fields=frozenset({"title"}), title="T"),
    DispatchInput(),
    EditInput(input_id="i1", parts=text()),
    FailStart(failure=CRASH),
    FailTurn(turn_id="t1", failure=Failure(kind="crash")),
    Interrupt(),
    OverrideModel(agent="coder", model="m"),
    PatchState(set={"a": 1}),
    PromoteInput(input_id="i1"),
    QueueInputs(inputs=(NewInput(input_id="i1", message_id="m1", parts=text()),)),
    ReapChild(child_id=CHILD_ID, reason="stopped"),
    RecordActivity(turn_id="t1", events=(called(),)),
    RecordForeignEvents(events=(foreign(),)),
    RecordUsage(mode="add", input_tokens=1),
    RefreshProfile(digest="sha256:1", name="n", body="b"),
    ReleaseAttachment(lease_id=LEASE_ID),
    RecoverSession(at=NOON),
    RepairSession(repair_id="r", report_digest="d", report={}, closing=()),
    ReplacePermissions(permissions=PermissionRules(mode="deny-all")),
    ReportPeer(event=e.PeerJoined(peer_id="p")),
    ReportRuntime(event=e.RuntimeReported(runtime_session_id="thread-1")),
    ReportSandbox(event=e.SandboxReported(sandbox_id="s", operation="o", outcome="started")),
    ReportHealth(healthy=False),
    RequestElicitation(request_id="r1", message="?", url="https://example.org"),
    RequestPermission(request_id="r1", turn_id="t1", options=(ALLOW,)),
    ResumeSession(),
    ReviseMessage(message_id="m1", parts=text()),
    RewindConversation(to=1),
    SpawnSession(parent_id=PARENT_ID, child_id=CHILD_ID, agent=Agent(name="h"), ttl_seconds=1),
    StartTurn(turn_id="t1", message_id="m1", parts=text()),
    StopSession(),
    SwitchToolApproval(enabled=True),
    TakeInputs(turn_id="t1"),
)


def test_every_command_is_looked_at():
    apart = {
        CreateSession, DeleteSession, EraseSession, ExpireDue, ReleaseLegalHold, SetLegalHold,
    }  # fmt: skip

    looked_at = {type(one) for one in EVERY_COMMAND_TO_A_SESSION}

    assert set(RULES) - looked_at - apart == set(), "add it to EVERY_COMMAND_TO_A_SESSION"
    assert looked_at <= set(RULES)


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
        create(agent=Agent(name="coder")),
        create(metadata={"k": 1}),
        create(title="another"),
        create(tags=("another",)),
        create(state={"k": 1}),
    ],
)
def test_creating_again_with_other_content_is_refused(other: CreateSession):
    given([created()]).when(other).then_refused(SessionExists, session_status="idle")


@pytest.mark.parametrize(
    "later", [[], [e.SessionDeleted()], [e.SessionErased(reason="gdpr", app="shop", began_at=NOON)]]
)
@pytest.mark.parametrize("owner", [Owner(app="shop", user="eve"), Owner(app="bank", user="ada")])
def test_nothing_is_told_of_a_session_of_another_owner(later: list[e.SessionEvent], owner: Owner):
    past = [created(owner=Owner(app="shop", user="ada")), *later]

    told = given(past).when(create(owner=owner)).then_refused(SessionExists)

    assert (str(told), told.facts) == (str(SessionExists()), {})


def test_a_deleted_session_cannot_be_created_again():
    result = given([created(), e.SessionDeleted()]).when(create())

    result.then_refused(SessionExists, session_status="deleted")
    assert "was deleted" in str(result.refusal)


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
        ({"state": {"": 1}}, "state"),
    ],
)
def test_a_session_cannot_begin_with_what_lists_could_not_show(wrong: dict, field: str):
    given().when(create(**wrong)).then_refused(Invalid, field=field)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"limits": SessionLimits(queued_inputs=0)}, "limits.queued_inputs"),
        ({"limits": SessionLimits(queued_inputs=1001)}, "limits.queued_inputs"),
        ({"limits": SessionLimits(input_bytes=511)}, "limits.input_bytes"),
        ({"limits": SessionLimits(input_bytes=1024 * 1024 + 1)}, "limits.input_bytes"),
        ({"limits": SessionLimits(turn_seconds=0)}, "limits.turn_seconds"),
        ({"limits": SessionLimits(turn_seconds=7 * 24 * 3600 + 1)}, "limits.turn_seconds"),
        ({"limits": SessionLimits(children=-1)}, "limits.children"),
        ({"limits": SessionLimits(children=1001)}, "limits.children"),
        ({"limits": SessionLimits(depth=-1)}, "limits.depth"),
        ({"limits": SessionLimits(depth=17)}, "limits.depth"),
        ({"ttl_seconds": 0}, "ttl_seconds"),
        ({"ttl_seconds": 366 * 24 * 3600 + 1}, "ttl_seconds"),
        ({"permissions": PermissionRules(allow=("[",))}, "allow[0]"),
        ({"grants": Grants(tools=(" ",))}, "tools[0]"),
        ({"type": "coordinator"}, "ttl_seconds"),
        ({"type": "spawned", "ttl_seconds": 60}, "type"),
        ({"lineage": LINEAGE, "ttl_seconds": 60}, "type"),
        ({"type": "spawned", "lineage": LINEAGE}, "ttl_seconds"),
        (
            {"messages": (FirstMessage(message_id="m", role="user", parts=text(), author=""),)},
            "author",
        ),
    ],
)
def test_a_session_cannot_begin_outside_the_bounds(wrong: dict, field: str):
    given().when(create(**wrong)).then_refused(Invalid, field=field)


@pytest.mark.parametrize(
    "bounds",
    [
        SessionLimits(queued_inputs=1, input_bytes=512, turn_seconds=1, children=0, depth=0),
        SessionLimits(
            queued_inputs=1000,
            input_bytes=1024 * 1024,
            turn_seconds=7 * 24 * 3600,
            children=1000,
            depth=16,
        ),
    ],
)
def test_the_bounds_themselves_are_allowed(bounds):
    given().when(create(limits=bounds)).then([created(limits=bounds)])


def test_a_session_begins_with_rules_grants_and_a_life():
    rules = PermissionRules(deny=("rm",), mode="approve-reads")
    command = create(
        type="coordinator",
        permissions=rules,
        grants=Grants(tools=("b", " a ", "b")),
        limits=SessionLimits(children=2),
        ttl_seconds=60,
    )

    given().when(command).then(
        [
            created(
                type="coordinator",
                permissions=rules,
                grants=Grants(tools=("a", "b")),
                limits=SessionLimits(children=2),
                ttl_seconds=60,
            )
        ]
    )
    now = state_after([created(permissions=rules, grants=Grants(tools=("a",)), ttl_seconds=60)])
    assert (now.policy.rules, now.policy.grants.tools) == (rules, ("a",))
    assert now.lifecycle.expires_at == at(1) + timedelta(seconds=60)


def test_creating_again_with_grants_in_another_order_is_already_so():
    past = [created(grants=Grants(tools=("a", "b")))]

    given(past).when(create(grants=Grants(tools=("b", "a", "a")))).then_nothing()


def test_a_fork_cannot_begin_with_a_message_id_that_its_origin_has():
    fork = Given(inherited(state_after([created(), added("m1")])))
    again = FirstMessage(message_id="m1", role="user", parts=text())

    fork.when(create(messages=(again,))).then_refused(MessageExists, message_id="m1")


def test_a_fork_cannot_begin_with_more_state_than_a_session_may_have():
    full = created(state={f"k{n}": n for n in range(MAX_STATE_KEYS)})
    fork = Given(inherited(state_after([full])))

    fork.when(create(state={"more": 1})).then_refused(LimitReached)
    fork.when(create(state={"k1": 2, "app:x": 1})).then([created(state={"k1": 2, "app:x": 1})])


# ── what is not there, or no more ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", EVERY_COMMAND_TO_A_SESSION, ids=lambda c: type(c).__name__)
def test_nothing_can_be_asked_of_a_session_that_is_not_there(command):
    given().when(command).then_refused(SessionNotFound)


SCOPE = e.Unrecognised(type="scope.opened")


@pytest.mark.parametrize("command", EVERY_COMMAND_TO_A_SESSION, ids=lambda c: type(c).__name__)
def test_the_stream_of_a_scope_is_no_session(command):
    given([SCOPE]).when(command).then_refused(SessionNotFound)


@pytest.mark.parametrize("command", EVERY_COMMAND_TO_A_SESSION, ids=lambda c: type(c).__name__)
def test_a_session_whose_beginning_cannot_be_read_is_damaged(command):
    unread = e.Unrecognised(type="session.created")
    given([unread]).when(command).then_refused(LogDamaged)
    given([unread, e.SessionStarred()]).when(command).then_refused(LogDamaged)


def test_a_session_that_is_not_there_cannot_be_deleted():
    given().when(DeleteSession()).then_refused(SessionNotFound)
    given([SCOPE]).when(DeleteSession()).then_refused(SessionNotFound)


@pytest.mark.parametrize("command", EVERY_COMMAND_TO_A_SESSION, ids=lambda c: type(c).__name__)
def test_nothing_can_be_added_to_a_deleted_session(command):
    given([created(), e.SessionDeleted()]).when(command).then_refused(SessionIsDeleted)


@pytest.mark.parametrize("past", [[], [created(), stopped()], [created(), e.SessionDeleted()]])
def test_nothing_is_due_of_a_session_that_is_not_alive(past):
    given(past).when(ExpireDue(at=at(10**9))).then_nothing()


# ── resume, delete, status ───────────────────────────────────────────────────────────────────


def test_a_stopped_session_is_resumed_into_its_next_activation():
    past = [created(), stopped(), e.SessionResumed(activation=2), stopped()]

    given(past).when(ResumeSession()).then([e.SessionResumed(activation=3)])


def test_resuming_an_active_session_is_already_so():
    given([created()]).when(ResumeSession()).then_nothing()
    given([STARTING]).when(ResumeSession()).then_nothing()


def test_a_resume_says_what_the_last_activation_died_of():
    crash = stopped(cause="process_exited", reason="agent_crashed", failure=CRASH)
    given([created(), crash]).when(ResumeSession()).then(
        [e.SessionResumed(activation=2, crash=CRASH)]
    )

    other = stopped(failure=Failure(kind="cancellation"))
    given([created(), other]).when(ResumeSession()).then([e.SessionResumed(activation=2)])


def test_each_stop_of_a_session_that_is_resumed_has_its_own_reason():
    past = [
        created(),
        stopped(cause="timeout", reason="timeout"),
        e.SessionResumed(activation=2),
    ]

    given(past).when(StopSession(cause="shutdown")).then(
        [stopped(cause="shutdown", reason="shutdown", detail="server shutdown")]
    )
    assert state_after(past).lifecycle.stop_reason is None


def test_a_session_whose_life_has_run_out_is_not_resumed():
    ends = at(1) + timedelta(seconds=60)
    resumed = [e.SessionResumed(activation=2)]
    for end in (stopped(), stopped(cause="timeout", reason="timeout", detail="ttl_expired")):
        # How long it may live is for the time to say, and not for what a stop says of it.
        mortal = given([created(ttl_seconds=60), end])
        mortal.when(ResumeSession(at=ends)).then_refused(SessionExpired, expires_at=rfc3339(ends))
        mortal.when(ResumeSession(at=ends - timedelta(microseconds=1))).then(resumed)
        given([created(), end]).when(ResumeSession(at=ends)).then(resumed)


def test_a_resume_keeps_what_waits_and_what_was_said():
    waiting = e.InputQueued(
        input_id="i1", message_id="m9", parts=text(), source="user", generation=0
    )
    past = [created(state={"a": 1}), added("m1"), waiting, stopped()]
    now = state_after([*past, e.SessionResumed(activation=2)])

    assert (list(now.inputs.waiting), list(now.messages), dict(now.state)) == (
        ["i1"], ["m1"], {"a": 1}
    )  # fmt: skip


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
        ([STARTING], "starting"),
        ([created(), started(), STOPPING], "stopping"),
        ([created(), started(), requested(), STOPPING], "stopping"),
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
