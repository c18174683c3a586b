"""Children and forks: a child has no more than its parent, and ends in time."""

from dataclasses import fields, replace
from typing import Any
from uuid import UUID

import pytest

from domain.errors import (
    CairnError,
    Invalid,
    PermissionDenied,
    SessionExists,
    SessionIsDeleted,
    SessionIsStopped,
    SessionIsStopping,
    SessionNotFound,
    SessionStarting,
    SpawnLimit,
)
from domain.permissions.grants import GRANT_CATEGORIES, Grants
from domain.permissions.permission_rules import PermissionRules
from domain.session import events as e
from domain.session.commands import (
    CancelTurn,
    FirstMessage,
    ReapChild,
    RestoreChild,
    SpawnSession,
    StartTurn,
)
from domain.session.content.transcript import Transcript
from domain.session.decide import companions
from domain.session.family.children import child_status_command, live_children, reason_of_end
from domain.session.family.forks import fork, inherited
from domain.session.family.spawning import DEFAULT_CHILDREN, EXTRACTOR, depth_of, request_digest
from domain.session.state import ABSENT, Session
from domain.session.turn.input_queue import MAX_BYTES, MAX_WAITING
from domain.values import Agent, Lineage, Origin, Owner, SessionLimits
from tests.support.builders import (
    CHILD_ID,
    OWNER,
    PARENT_ID,
    ROOT_ID,
    SESSION_ID,
    acquired,
    added,
    called,
    completed,
    create,
    created,
    decided,
    dispatched,
    history,
    obey,
    queued,
    requested,
    spawned,
    started,
    state_after,
    stopped,
    text,
)
from tests.support.given import Given, given

HELPER = Agent(name="helper", provider="acme")
HELD = Grants(tools=("fs__read", "fs__write"), network_channels=("build",))


def spawn(**more: Any) -> SpawnSession:
    given_fields = {
        "parent_id": PARENT_ID,
        "child_id": CHILD_ID,
        "agent": HELPER,
        "ttl_seconds": 60,
    }
    return SpawnSession(**given_fields | more)


def accepted(past: list[e.SessionEvent], command: SpawnSession, **fields: Any) -> None:
    given(past).when(command).then([spawned(asked=request_digest(command), **fields)])


def child(number: int) -> UUID:
    return UUID(int=number)


def reaped(child_id: UUID = CHILD_ID) -> e.ChildReaped:
    return e.ChildReaped(child_id=child_id, reason="stopped")


def below(depth: int) -> Lineage:
    return Lineage(
        parent_id=SESSION_ID, root_id=ROOT_ID, depth=depth, role="worker", auto_stop=True
    )


# ── spawn: what is checked, and in which order ───────────────────────────────────────────────


def test_a_spawn_is_recorded_with_what_a_reader_of_the_parent_wants_to_know():
    told = {"auto_stop": False, "ttl_seconds": 90}
    accepted([created()], spawn(role=" tester ", **told), role="tester", **told)


def test_a_blank_role_is_a_worker():
    accepted([created()], spawn(role="  "), role="worker")


def test_spawning_a_child_that_lives_already_is_already_so():
    living = spawned(asked=request_digest(spawn()))
    given([created(), living]).when(spawn()).then_nothing()
    given([created(), living, stopped()]).when(spawn()).then_nothing()
    given([created(), living]).when(spawn(role=" worker ", grants=Grants())).then_nothing()


@pytest.mark.parametrize(
    "other",
    [
        {"agent": Agent(name="helper")},
        {"ttl_seconds": 61},
        {"role": "tester"},
        {"auto_stop": False},
        {"grants": Grants(tools=("fs__read",))},
        {"workspace": "w"},
        {"title": "T"},
        {"permissions": PermissionRules()},
        {"limits": SessionLimits(children=1)},
        {"metadata": {"a": 1}},
    ],
)
def test_a_child_that_was_asked_for_differently_is_another_one(other):
    begun = created(grants=Grants(tools=("fs__read",)))
    living = spawned(asked=request_digest(spawn()))

    given([begun, living]).when(spawn(**other)).then_refused(SessionExists)


def test_a_child_that_has_ended_once_is_not_spawned_again_by_its_resumption():
    resumed = e.ChildResumed(child_id=CHILD_ID, role="worker", auto_stop=True)
    past = [created(), spawned(asked=request_digest(spawn())), reaped(), resumed]

    given(past).when(spawn()).then_refused(SessionExists)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"agent": Agent(name=" ")}, "agent.name"),
        ({"ttl_seconds": 0}, "ttl_seconds"),
        ({"ttl_seconds": -1}, "ttl_seconds"),
        ({"ttl_seconds": 366 * 24 * 3600 + 1}, "ttl_seconds"),
        ({"role": "coordinator"}, "role"),
        ({"role": " Coordinator "}, "role"),
        ({"role": "x" * 201}, "role"),
        ({"allow_stopped_parent": True, "auto_stop": False}, "allow_stopped_parent"),
        ({"allow_stopped_parent": True, "role": EXTRACTOR}, "allow_stopped_parent"),
    ],
)
def test_a_spawn_that_makes_no_sense_is_refused(wrong, field):
    given([created()]).when(spawn(**wrong)).then_refused(Invalid, field=field)


@pytest.mark.parametrize(
    ("past", "refusal"),
    [
        ([created(starting=True)], SessionStarting),
        (
            [created(), started(), e.SessionStopping(cause="shutdown", reason="shutdown")],
            SessionIsStopping,
        ),
        ([created(), stopped()], SessionIsStopped),
        ([created(), e.SessionDeleted()], SessionIsDeleted),
        ([], SessionNotFound),
    ],
)
def test_only_an_active_session_has_children(past, refusal):
    given(past).when(spawn()).then_refused(refusal)


def test_what_was_said_may_be_extracted_after_the_stop():
    extract = spawn(role=EXTRACTOR, auto_stop=False, allow_stopped_parent=True)

    accepted([created(), stopped()], extract, role=EXTRACTOR, auto_stop=False)
    accepted([created()], extract, role=EXTRACTOR, auto_stop=False)


def test_a_child_works_where_its_parent_does():
    at_w = [created(owner=Owner(app="console", user="ada", workspace="w"))]

    accepted(at_w, spawn(workspace="w"))
    accepted(at_w, spawn())
    for elsewhere in ("w/sub", "W", ""):
        given(at_w).when(spawn(workspace=elsewhere)).then_refused(PermissionDenied, workspace="w")
    given([created()]).when(spawn(workspace="w")).then_refused(PermissionDenied, workspace=None)


def test_a_root_has_one_generation_below_it_unless_it_says_more():
    at_depth_1 = created(type="spawned", lineage=below(1), ttl_seconds=60)

    given([at_depth_1]).when(spawn()).then_refused(SpawnLimit, limit=1)
    accepted([replace(at_depth_1, limits=SessionLimits(depth=2))], spawn(), depth=2)
    deeper = replace(at_depth_1, lineage=below(2), limits=SessionLimits(depth=2))
    given([deeper]).when(spawn()).then_refused(SpawnLimit, limit=2)
    given([created(limits=SessionLimits(depth=0))]).when(spawn()).then_refused(SpawnLimit, limit=0)


@pytest.mark.parametrize(("limit", "most"), [(None, DEFAULT_CHILDREN), (2, 2), (0, 0)])
def test_as_many_children_live_as_may(limit, most):
    begun = created(limits=SessionLimits(children=limit))
    living = [spawned(child(n)) for n in range(most)]

    given([begun, *living]).when(spawn()).then_refused(SpawnLimit, limit=most)
    if most:
        accepted([begun, *living[1:]], spawn())
        reaped = e.ChildReaped(child_id=child(0), reason="stopped")
        accepted([begun, *living, reaped], spawn())


def test_the_first_check_that_fails_is_the_answer():
    full = created(limits=SessionLimits(depth=0, children=0))
    everything_wrong = spawn(ttl_seconds=0, workspace="other", grants=Grants(tools=("rm",)))

    given([full, stopped()]).when(everything_wrong).then_refused(Invalid, field="ttl_seconds")
    later = replace(everything_wrong, ttl_seconds=1)
    given([full, stopped()]).when(later).then_refused(SessionIsStopped)
    given([full]).when(later).then_refused(PermissionDenied, workspace=None)
    later = replace(later, workspace=None)
    assert "generations" in given([full]).when(later).then_refused(SpawnLimit).detail
    deep = created(limits=SessionLimits(children=0))
    assert "children" in given([deep]).when(later).then_refused(SpawnLimit).detail
    given([created()]).when(later).then_refused(PermissionDenied, wider=["tools:rm"])


# ── spawn: what a child may ──────────────────────────────────────────────────────────────────


def test_a_child_may_have_what_its_parent_has_or_less():
    for less in (HELD, Grants(), Grants(tools=("fs__write",)), Grants(tools=(" fs__read ",) * 2)):
        accepted([created(grants=HELD)], spawn(grants=less))


@pytest.mark.parametrize("category", GRANT_CATEGORIES)
def test_a_child_that_would_have_one_atom_more_is_refused(category):
    more = Grants(**{category: (*getattr(HELD, category), "one more")})

    given([created(grants=HELD)]).when(spawn(grants=more)).then_refused(
        PermissionDenied, wider=[f"{category}:one more"]
    )


@pytest.mark.parametrize("atom", ["fs__*", "fs__read*", "FS__READ", "fs__rea", "*"])
def test_an_atom_stands_for_itself_only(atom):
    given([created(grants=HELD)]).when(spawn(grants=Grants(tools=(atom,)))).then_refused(
        PermissionDenied
    )


def test_a_blank_atom_is_refused():
    given([created(grants=HELD)]).when(spawn(grants=Grants(tools=(" ",)))).then_refused(Invalid)


def test_a_parent_that_was_granted_nothing_hands_nothing_on():
    given([created()]).when(spawn(grants=Grants(tools=("fs__read",)))).then_refused(
        PermissionDenied
    )
    accepted([created()], spawn())


RULES = PermissionRules(allow=("ls", "cat"), ask=("mv",), deny=("rm",), mode="approve-reads")


def child_of(past: list[e.SessionEvent], **more: Any) -> Session:
    """Return the state of the child that a spawn begins."""
    parent = state_after(past)
    command = spawn(**more)
    assert Given(parent).when(command).events
    (begun,) = companions(parent, command)
    assert begun.session_id == command.child_id
    return obey(ABSENT, begun.command)[0]


@pytest.mark.parametrize(
    ("asked", "wider"),
    [
        (PermissionRules(mode="approve-all"), ["mode:approve-all"]),
        (PermissionRules(allow=("ls", "rm")), ["allow:rm"]),
        (PermissionRules(allow=("*",), mode="approve-all"), ["mode:approve-all", "allow:*"]),
        (PermissionRules(allow=("l[s]",)), ["allow:l[s]"]),
    ],
)
def test_a_child_cannot_be_allowed_without_asking_what_its_parent_is_not(asked, wider):
    given([created(permissions=RULES)]).when(spawn(permissions=asked)).then_refused(
        PermissionDenied, wider=wider
    )


def test_a_child_of_a_session_that_may_do_everything_may_be_allowed_anything():
    everything = created(permissions=PermissionRules(mode="approve-all"))
    accepted([everything], spawn(permissions=PermissionRules(allow=("x",))))

    but_one = created(permissions=PermissionRules(mode="approve-all", ask=("x",)))
    given([but_one]).when(spawn(permissions=PermissionRules(allow=("x",)))).then_refused(
        PermissionDenied
    )


def test_the_rules_of_a_child_are_those_of_its_parent_unless_they_are_narrower():
    assert child_of([created(permissions=RULES)]).policy.rules == RULES

    narrower = PermissionRules(allow=("ls",), ask=("cp",), deny=("curl", "rm"), mode="ask")
    assert child_of(
        [created(permissions=RULES)], permissions=narrower
    ).policy.rules == PermissionRules(
        allow=("ls",), ask=("mv", "cp"), deny=("rm", "curl"), mode="ask"
    )


def test_the_rules_that_hold_when_the_child_is_spawned_are_the_ones_that_count():
    past = [created(permissions=PermissionRules(mode="approve-all"))]
    past += [e.PermissionsReplaced(permissions=PermissionRules(mode="deny-all"))]

    given(past).when(spawn(permissions=PermissionRules(mode="ask"))).then_refused(PermissionDenied)
    assert child_of(past).policy.rules.mode == "deny-all"


def test_the_approval_switch_is_not_handed_on():
    assert not child_of([created(), e.ToolApprovalEnabled()]).policy.tool_approval


def test_a_child_has_the_limits_of_its_parent_unless_they_are_tighter():
    held = SessionLimits(queued_inputs=3, input_bytes=600, turn_seconds=60, children=2, depth=2)

    assert child_of([created(limits=held)]).lifecycle.limits == held
    tighter = SessionLimits(children=1, turn_seconds=60)
    assert child_of([created(limits=held)], limits=tighter).lifecycle.limits == replace(
        held, children=1
    )


@pytest.mark.parametrize("name", [field.name for field in fields(SessionLimits)])
def test_a_child_cannot_use_more_than_its_parent(name):
    held = SessionLimits(
        queued_inputs=3, input_bytes=600, turn_seconds=60, children=2, depth=2, iterations=9,
        consecutive_tool_calls=4,
    )  # fmt: skip
    more = getattr(held, name) + 1

    given([created(limits=held)]).when(spawn(limits=SessionLimits(**{name: more}))).then_refused(
        PermissionDenied, wider=[f"limits.{name}:{more}"]
    )


@pytest.mark.parametrize(
    "more",
    [
        SessionLimits(children=DEFAULT_CHILDREN + 1),
        SessionLimits(depth=2),
        SessionLimits(queued_inputs=MAX_WAITING + 1),
        SessionLimits(input_bytes=MAX_BYTES + 1),
    ],
)
def test_a_child_of_a_session_without_limits_has_those_of_the_server(more):
    given([created()]).when(spawn(limits=more)).then_refused(PermissionDenied)
    assert child_of(
        [created()], limits=SessionLimits(turn_seconds=5)
    ).lifecycle.limits == SessionLimits(turn_seconds=5)


def test_a_child_knows_where_it_comes_from():
    root = child_of(
        [created(title="T", owner=Owner(app="a", user="u", workspace="w", team="t"))],
        title="sub",
        role="tester",
        metadata={"task": 7},
        grants=Grants(),
    )

    assert root.lifecycle.owner == Owner(app="a", user="u", workspace="w", team="t")
    assert (root.lifecycle.type, root.description.title) == ("spawned", "sub")
    assert (root.description.agent, root.description.metadata) == (HELPER, {"task": 7})
    assert root.lifecycle.lineage == Lineage(
        parent_id=PARENT_ID, root_id=PARENT_ID, depth=1, role="tester", auto_stop=True
    )
    assert root.lifecycle.expires_at is not None
    below_it = child_of(
        [created(type="spawned", lineage=below(1), ttl_seconds=60, limits=SessionLimits(depth=2))]
    )
    assert below_it.lifecycle.lineage == Lineage(
        parent_id=PARENT_ID, root_id=ROOT_ID, depth=2, role="worker", auto_stop=True
    )


def test_a_child_inherits_neither_words_nor_state_nor_persona():
    past = [created(state={"a": 1}), added(), e.ProfileCaptured(digest="d", name="n", body="b")]
    born = child_of(past)

    assert len(born.messages) == len(born.state) == 0
    assert born.profile is None


# ── reap ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reason", ["stopped", "deleted", "ttl_expired", "parent_stopped"])
def test_a_child_is_counted_out_once(reason):
    reap = ReapChild(child_id=CHILD_ID, reason=reason)
    reaped = e.ChildReaped(child_id=CHILD_ID, reason=reason)

    given([created(), spawned()]).when(reap).then([reaped])
    given([created(), spawned(), stopped()]).when(reap).then([reaped])
    given([created(), spawned(), reaped]).when(reap).then_nothing()
    given([created()]).when(reap).then_nothing()


def test_a_child_that_is_resumed_is_counted_in_once_whatever_the_limit():
    count = RestoreChild(child_id=CHILD_ID, role="tester", auto_stop=False)
    resumed = e.ChildResumed(child_id=CHILD_ID, role="tester", auto_stop=False)
    one_at_most = created(limits=SessionLimits(children=1))

    given([one_at_most, spawned(), reaped(), spawned(child(2))]).when(count).then([resumed])
    given([created(), spawned(), reaped(), stopped()]).when(count).then([resumed])
    given([created(), spawned()]).when(count).then_nothing()
    given([created(), spawned(), reaped(), resumed]).when(count).then_nothing()
    given([one_at_most, spawned(), reaped(), resumed]).when(spawn(child_id=child(2))).then_refused(
        SpawnLimit, limit=1
    )


def test_the_state_knows_the_children_that_live():
    past = [created(), spawned(child(2)), spawned(child(1)), spawned(child(3), role="tester")]
    past += [e.ChildReaped(child_id=child(2), reason="stopped")]
    now = state_after(past)

    assert live_children(now) == [child(1), child(3)]
    assert now.children[str(child(3))].role == "tester"
    assert live_children(ABSENT) == []


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (stopped(), "stopped"),
        (stopped(detail="parent_stopped"), "parent_stopped"),
        (stopped(cause="timeout", reason="timeout", detail="ttl_expired"), "ttl_expired"),
        (e.SessionDeleted(), "deleted"),
    ],
)
def test_how_a_child_ended_is_why_it_is_counted_out(end, reason):
    ended = state_after([created(lineage=below(1)), end])
    assert reason_of_end(ended) == reason
    assert child_status_command(CHILD_ID, ended) == ReapChild(child_id=CHILD_ID, reason=reason)


def test_a_child_that_goes_on_is_counted_in():
    lives = state_after([created(lineage=below(1))])

    assert child_status_command(CHILD_ID, lives) == RestoreChild(
        child_id=CHILD_ID, role="worker", auto_stop=True
    )


def test_a_root_is_no_generation_below_itself():
    assert depth_of(state_after([created()])) == 0
    assert depth_of(state_after([created(lineage=below(3))])) == 3


# ── fork ─────────────────────────────────────────────────────────────────────────────────────

SOURCE = Origin(session_id=SESSION_ID, sequence=4, digest="00ff")
TALK = [
    created(
        title="Original",
        tags=("a",),
        agent=Agent(name="coder"),
        metadata={"k": 1},
        state={"n": 1},
        grants=HELD,
        permissions=RULES,
        limits=SessionLimits(children=2),
        ttl_seconds=60,
    ),
    added("m1"),
    started("t1", "m2"),
    completed("t1"),
    e.StatePatched(set={"n": 2}),
    e.SessionStarred(),
]


def test_a_fork_is_described_as_its_origin_unless_it_says_otherwise():
    origin = state_after(TALK)

    same = fork(origin, create(), SOURCE)
    assert (same.title, same.tags, same.metadata) == ("Original", ("a",), {"k": 1})
    assert (same.agent, same.limits) == (Agent(name="coder"), SessionLimits(children=2))
    assert (same.permissions, same.grants) == (RULES, HELD)
    assert (same.type, same.ttl_seconds, same.lineage) == ("user", None, None)
    assert same.forked_from == SOURCE
    other = fork(
        origin,
        create(
            title="Mine",
            tags=("b",),
            agent=HELPER,
            metadata={"j": 2},
            limits=SessionLimits(depth=0),
        ),
        SOURCE,
    )
    assert (other.title, other.tags, other.metadata) == ("Mine", ("b",), {"j": 2})
    assert (other.agent, other.limits) == (HELPER, SessionLimits(depth=0))


def test_a_fork_is_granted_what_its_origin_is_whatever_it_asks_for():
    asked = create(grants=Grants(tools=("rm",)))

    assert fork(state_after(TALK), asked, SOURCE).grants == HELD


def test_a_fork_follows_the_name_that_its_origin_has_by_then():
    renamed = state_after([*TALK, e.SessionRenamed(title="Renamed")])

    assert fork(renamed, create(), SOURCE).title == "Renamed"


@pytest.mark.parametrize(
    ("past", "refusal"),
    [
        ([], SessionNotFound),
        ([e.Unrecognised(type="scope.opened")], SessionNotFound),
        ([created(), e.SessionDeleted()], SessionIsDeleted),
    ],
)
def test_what_is_not_there_or_was_deleted_cannot_be_forked(past, refusal):
    with pytest.raises(CairnError) as refused:
        fork(state_after(past), create(), SOURCE)

    assert type(refused.value) is refusal


def forked(past: list[e.SessionEvent], **more: Any) -> Session:
    origin = state_after(past)
    return obey(inherited(origin), fork(origin, create(**more), SOURCE))[0]


def test_a_fork_knows_what_was_said_and_known():
    now = forked(TALK)
    origin = state_after(TALK)

    assert (dict(now.state), dict(now.messages)) == (dict(origin.state), dict(origin.messages))
    assert (now.sequence, now.status, now.lifecycle.owner) == (1, "idle", OWNER)
    assert now.lifecycle.forked_from == SOURCE
    assert dict(forked(TALK, state={"n": 9}).state) == {"n": 9}


def test_what_ran_waited_or_was_counted_belongs_to_the_origin():
    past = [
        *TALK, acquired(), spawned(), started("t2"), called(), requested("r1"), queued("i1"),
        e.UsageReported(input_tokens=5, cost=0.5), e.ProfileCaptured(digest="d", name="n", body=""),
    ]  # fmt: skip
    now = forked(past)

    assert now.turns.running is None
    assert len(now.interactions.pending) == len(now.inputs.waiting) == now.inputs.size == 0
    assert (now.totals.turns, now.totals.input_tokens, now.totals.cost) == (0, 0, None)
    assert (now.health, now.attachment, now.profile) == (ABSENT.health, None, None)
    assert len(now.children) == len(now.peers) == 0
    assert now.sandbox is None
    assert (now.lifecycle.activation, now.lifecycle.epoch, now.description.starred) == (1, 0, False)
    assert now.lifecycle.expires_at is None


def test_ids_that_the_origin_has_used_stay_used_in_a_fork():
    past = [
        *TALK, queued("i1"), *dispatched("i1"), requested("r1", "i1"), decided("r1"),
        e.SummaryAdded(summary_id="s1", text="short"),
    ]  # fmt: skip
    now = forked(past)

    assert {"t1", "i1"} <= set(now.turns.ended)
    assert set(now.interactions.decided) == {"r1"}
    assert set(now.inputs.ended) == {"i1"}
    assert set(now.description.summaries) == {"s1"}
    assert now.description.summary is not None


def test_the_turn_that_ran_in_the_origin_is_over_in_the_fork():
    fork_of_running = Given(forked([*TALK, started("t2")]))

    again = StartTurn(turn_id="t2", message_id="m9", parts=text())
    assert fork_of_running.when(again).refusal is not None
    fork_of_running.when(CancelTurn(turn_id="t2")).then_nothing()


def test_a_fork_of_a_fork_remembers_both():
    first = forked(TALK)
    second = obey(inherited(first), fork(first, create(), replace(SOURCE, sequence=1)))[0]

    assert dict(second.state) == {"n": 2}
    assert set(second.messages) == {"m1", "m2"}


def test_a_fork_can_begin_with_messages_of_its_own():
    first = FirstMessage(message_id="m9", role="system", parts=text("be kind"))

    assert set(forked(TALK, messages=(first,)).messages) == {"m1", "m2", "m9"}


def test_the_calls_that_were_open_in_the_origin_are_abandoned_in_a_fork():
    transcript = Transcript()
    for recorded in history([created(), started(), called("c1"), called("c2"),
                             e.ToolReturned(tool_call_id="c2")]):  # fmt: skip
        transcript.apply(recorded)

    changed = transcript.settle()

    assert [entry.get("status") for entry in transcript.entries] == [None, "abandoned", "completed"]
    assert changed == [1]
    assert transcript.settle() == []
