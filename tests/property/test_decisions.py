"""The rules, given any command in any state."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.projections.session_document import session_document
from domain.errors import CairnError
from domain.permissions.grants import wider_than
from domain.permissions.permission_rules import evaluate
from domain.scope.state_keys import own_keys, scope_of
from domain.session import commands as c
from domain.session import events as e
from domain.session.decide import companions, decide
from domain.session.evolve import evolve, fold
from domain.session.family.spawning import DEFAULT_CHILDREN
from domain.session.life.supervision import next_deadline
from domain.session.room import most_kept
from domain.session.state import ABSENT, Session, Status
from domain.timers import Timers
from domain.values import Owner
from infrastructure.records.codec import JsonCodec
from infrastructure.records.state_codec import encode_state
from tests.property.effort import attempts, examples
from tests.property.invariants import check
from tests.support.aim import aimed
from tests.support.builders import OWNER, SESSION_ID, at, history, obey, record
from tests.support.strategies import (
    COMMANDS,
    Life,
    commands,
    events,
    moments,
    often,
    reachable,
    suiting,
    timers,
    unreachable,
)

ANY = st.just(ABSENT) | reachable
UNBORN = st.just((ABSENT, []))
TURNS = st.none() | st.sampled_from(["t1", "t2"])


def makes_new_facts_each_time(command: c.Command) -> bool:
    """Return whether a command that is given twice may be recorded twice.

    These are the ones that a client needs an idempotency key for.
    """
    match command:
        case c.ReviseMessage():
            # Who revises twice says so twice; the log does not compare what was said.
            return True
        case c.RecordUsage(mode="add"):
            return True
        case c.ReportSandbox():
            return True
        case c.RecordActivity():
            # Two equal pieces of a message are two pieces. Calls and results have ids of their own.
            return not any(isinstance(x, e.ToolCalled | e.ToolReturned) for x in command.events)
        case c.RecordForeignEvents():
            # The id of one that says nothing is known to the store alone.
            return True
        case c.PatchState():
            # Other sessions write shared keys meanwhile, and nested values are not compared.
            return any(
                scope_of(key) in ("app", "user") for key in (*command.set, *command.delete)
            ) or any(isinstance(value, dict | list) for value in own_keys(command.set).values())
        case _:
            return False


ONLY_AT_FIRST = (e.SessionRecovered,)


def kinds(log: Iterable[e.Recorded]) -> list[type]:
    return [type(recorded.event) for recorded in log]


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
def test_what_is_accepted_is_so_afterwards_and_given_twice_changes_nothing_more(kind: type):
    made = 0

    @examples(30)
    @given(UNBORN if kind is c.CreateSession else suiting(kind), COMMANDS[kind], often)
    def give(life: Life, command: Any, aim: bool) -> None:
        nonlocal made
        session, log = life
        command = aimed(command, session) if aim else command
        before = encode_state(session)
        try:
            once, first = obey(session, command)
        except CairnError:
            return
        check([*log, *first])
        made += bool(first)
        assert_is_so(command, session, once)
        with suppress(CairnError):
            assert_nothing_more(command, once, first)
        assert encode_state(session) == before, "an old state changed"

    for _ in attempts(give, lambda: made or kind is c.RepairSession):
        give()
    # It would prove nothing if it had been refused each time.
    assert made or kind is c.RepairSession


def assert_nothing_more(command: c.Command, once: Session, first: list[e.Recorded]) -> None:
    twice, second = obey(once, command)
    if makes_new_facts_each_time(command):
        assert kinds(second) == [kind for kind in kinds(first) if kind not in ONLY_AT_FIRST]
    else:
        assert second == []
        assert twice == once


def assert_is_so(command: c.Command, before: Session, after: Session) -> None:
    match command:
        case c.CreateSession():
            assert_created(command, before, after)
        case c.RecordActivity():
            assert after.sequence >= before.sequence + len(command.events)
            assert after.health.stalled is None
        case c.RecordForeignEvents():
            kept = own_keys(command.events[-1].set)
            assert kept.items() <= dict(after.state).items()
            assert after.sequence >= before.sequence + len(command.events)
        case c.BeginForeignTurn():
            running, waiting = after.turns.running, after.inputs.waiting
            assert command.turn_id in waiting or (
                running is not None and running.turn_id == command.turn_id
            )
        case c.PatchState():
            assert own_keys(command.set).items() <= dict(after.state).items()
            assert not set(command.delete) & set(after.state)
        case c.ExpireDue():
            due = next_deadline(after, command.timers)
            assert due is None or due > command.at
        case c.TakeInputs() | c.StartTurn() | c.QueueInputs() | c.DispatchInput() | c.Interrupt():
            assert_inputs(command, before, after)
        case c.EditInput() | c.PromoteInput() | c.CancelInput():
            assert_inputs(command, before, after)
        case c.CompleteTurn() | c.FailTurn() | c.CancelTurn():
            assert_ended(command, before, after)
        case (
            c.RequestPermission()
            | c.DecidePermission()
            | c.RequestElicitation()
            | c.AnswerElicitation()
            | c.CancelInteraction()
        ):
            assert_interaction(command, after)
        case _:
            assert_described(command, before, after)


def assert_created(command: c.CreateSession, before: Session, after: Session) -> None:
    description = after.description
    assert after.lifecycle.owner == command.owner
    assert before == after or (
        after.status == ("starting" if command.starting else "idle")
        and (description.title, description.tags) == (command.title, command.tags)
        and after.state == own_keys(command.state)
        and set(after.messages) == {message.message_id for message in command.messages}
        and (after.lifecycle.expires_at is None) == (command.ttl_seconds is None)
    )


def assert_inputs(command: c.Command, before: Session, after: Session) -> None:
    inputs, running = after.inputs, after.turns.running
    match command:
        case c.StartTurn(mode=mode):
            begun = running is not None and running.turn_id == command.turn_id
            waits = inputs.waiting.get(command.turn_id)
            assert begun != (waits is not None)
            if mode in (None, "interrupt"):
                assert begun
                assert not inputs.waiting
            if waits is not None and before.turns.running is not None:
                assert running == before.turns.running
                assert (waits.steers is not None) == (mode == "steer")
        case c.QueueInputs():
            ids = {one.input_id for one in command.inputs}
            taken = set(inputs.waiting) - set(before.inputs.waiting)
            begun = before.turns.running is None and not command.hold
            assert begun == (running is not None and before.turns.running is None)
            assert taken <= ids
            assert ids - taken <= ({running.turn_id} if running else set())
        case c.DispatchInput():
            order = [one.input_id for one in before.inputs.in_order()]
            assert before == after or (running is not None and running.turn_id == order[0])
            assert [one.input_id for one in inputs.in_order()] == order[1:]
        case c.Interrupt():
            assert running is None
            assert not inputs.waiting
            assert (inputs.generation > before.inputs.generation) == (before != after)
        case c.TakeInputs():
            assert not [one for one in inputs.waiting.values() if one.steers == command.turn_id]
        case c.EditInput():
            assert inputs.waiting[command.input_id].parts == command.parts
        case c.PromoteInput():
            assert running is not None
            assert inputs.waiting[command.input_id].steers == running.turn_id
        case c.CancelInput():
            assert command.input_id in inputs.ended
        case _:
            raise AssertionError


def assert_ended(
    command: c.CompleteTurn | c.FailTurn | c.CancelTurn, before: Session, after: Session
) -> None:
    outcomes = {c.CompleteTurn: "completed", c.FailTurn: "failed", c.CancelTurn: "cancelled"}
    assert after.turns.ended[command.turn_id] == outcomes[type(command)]
    if before == after:
        return
    order = [one.input_id for one in before.inputs.in_order()]
    held = isinstance(command, c.CancelTurn) and command.hold
    running = after.turns.running
    if before.lifecycle.phase == "stopping":
        assert (after.status, running) == ("stopped", None)
    elif order and not held:
        assert running is not None
        assert running.turn_id == order[0]
    else:
        assert running is None


def assert_interaction(command: Any, after: Session) -> None:
    pending, decided = after.interactions.pending, after.interactions.decided
    if isinstance(command, c.RequestElicitation):
        assert command.request_id in pending
    elif isinstance(command, c.RequestPermission):
        assert (command.request_id in pending) != (command.request_id in decided)
    else:
        assert command.request_id in decided
        assert command.request_id not in pending
    if isinstance(command, c.DecidePermission) and command.grant == "session":
        assert after.policy.tool_approval


def assert_described(command: c.Command, before: Session, after: Session) -> None:
    description, turns = after.description, after.turns
    match command:
        case c.DescribeSession():
            for field in command.fields:
                assert getattr(description, field) == getattr(command, field)
        case c.ActivateSession():
            assert after.lifecycle.phase == "active"
        case c.FailStart():
            assert after.status == "stopped"
            assert after.lifecycle.failure is not None
        case c.StopSession():
            assert (after.status, turns.running) == ("stopped", None) or (
                command.when_idle and after.status == "stopping" and turns.running is not None
            )
        case c.ResumeSession():
            assert after.lifecycle.phase in ("active", "starting")
            assert (after.inputs, after.messages) == (before.inputs, before.messages)
        case c.DeleteSession():
            assert (after.status, turns.running) == ("deleted", None)
        case c.EraseSession():
            # All that is left is the app, and when the session began.
            lifecycle = before.lifecycle
            assert lifecycle.legal_hold is None
            assert after == replace(
                ABSENT,
                sequence=after.sequence,
                lifecycle=replace(
                    ABSENT.lifecycle,
                    phase="erased",
                    owner=Owner(app=lifecycle.owner.app, user=""),
                    created_at=lifecycle.created_at,
                ),
            )
        case c.SetLegalHold():
            first = before.lifecycle.legal_hold
            assert after.lifecycle.legal_hold is not None
            assert after.lifecycle.legal_hold.reason == (first or command).reason
            assert_only_the_hold_changed(before, after)
        case c.ReleaseLegalHold():
            assert after.lifecycle.legal_hold is None
            assert_only_the_hold_changed(before, after)
        case c.RecoverSession():
            assert (after.status, turns.running) == ("stopped", None) or before == after
        case c.RepairSession():
            # A plan of nothing: what these logs leave open, they close themselves.
            assert after == before
        case c.ClearConversation():
            # Right after another clear it is already so.
            assert (after.sequence, after.lifecycle.epoch_to) == (after.lifecycle.epoch_sequence, 0)
        case c.RewindConversation():
            assert before == after or after.state == command.state
            if before != after and command.summary is not None:
                assert description.summary == command.summary
        case c.AddMessage() | c.ReviseMessage():
            assert command.message_id in after.messages
        case c.RecordUsage():
            if command.mode == "set" and command.input_tokens is not None:
                assert after.totals.input_tokens == command.input_tokens
        case c.OverrideModel():
            model = description.models.get(command.agent)
            assert command.model == (model.model if model else None)
        case c.AddSummary():
            assert description.summary is not None
            assert description.summary.text == command.text
        case c.ReplacePermissions():
            assert after.policy.rules == command.permissions
        case c.SwitchToolApproval():
            assert after.policy.tool_approval == command.enabled
        case c.SpawnSession():
            assert str(command.child_id) in after.children
        case c.RestoreChild():
            assert str(command.child_id) in after.children
        case c.ReapChild():
            assert str(command.child_id) not in after.children
        case c.AcquireAttachment():
            assert after.attachment is not None
            assert after.attachment.lease_id == command.lease_id
        case c.ReleaseAttachment():
            assert after.attachment is None
        case c.ReportHealth():
            assert after.health.unhealthy != command.healthy
        case c.RefreshProfile():
            assert after.profile is None or after.profile.digest == command.digest
        case c.ReportPeer(event=e.PeerJoined(peer_id=peer)):
            assert peer in after.peers
        case c.ReportPeer(event=e.PeerLeft(peer_id=peer)):
            assert peer not in after.peers
        case c.ReportRuntime():
            assert after.runtime is not None
            assert replace(after, runtime=before.runtime, sequence=before.sequence) == before
        case c.ReportSandbox():
            assert after.sandbox is not None
            assert replace(after, sandbox=before.sandbox, sequence=before.sequence) == before
        case _:
            raise AssertionError


def assert_only_the_hold_changed(before: Session, after: Session) -> None:
    lifecycle = replace(after.lifecycle, legal_hold=before.lifecycle.legal_hold)
    assert replace(after, lifecycle=lifecycle, sequence=before.sequence) == before


@examples(100)
@given(reachable, timers, moments)
def test_the_clock_brings_nothing_about_before_it_is_needed_and_something_when_it_is(
    session: Session, some: Timers, moment: datetime
):
    due = next_deadline(session, some)
    made = decide(session, c.ExpireDue(at=moment, timers=some))

    assert bool(made) == (due is not None and due <= moment)


@examples(60)
@given(reachable, COMMANDS[c.SpawnSession])
def test_a_child_never_has_more_than_its_parent(session: Session, command: c.SpawnSession):
    try:
        after, _ = obey(session, command)
        (begun,) = companions(session, command)
        child, _ = obey(ABSENT, begun.command)
    except CairnError:
        return

    assert not wider_than(session.policy.grants, child.policy.grants)
    assert set(session.policy.rules.deny) <= set(child.policy.rules.deny)
    assert len(after.children) <= most_children(session)
    for tool in ("ls", "rm", "git:push", "other"):
        call: dict[str, Any] = {"tool": tool, "arguments": {}, "read_only": False}
        allowed = evaluate(child.policy.rules, **call, tool_approval=False).decision == "allow"
        by_parent = evaluate(session.policy.rules, **call, tool_approval=False).decision == "allow"
        assert by_parent or not allowed


def most_children(session: Session) -> int:
    limit = session.lifecycle.limits.children
    return DEFAULT_CHILDREN if limit is None else limit


@examples(100)
@given(st.lists(st.tuples(commands, often), max_size=25))
def test_no_sequence_of_commands_breaks_an_invariant(given_commands: list[tuple[Any, bool]]):
    session, log = ABSENT, []
    for command, aim in ((c.CreateSession(owner=OWNER), False), *given_commands):
        try:
            session, made = obey(session, aimed(command, session) if aim else command)
        except CairnError:
            continue
        log += made

    check(log)
    assert fold(log) == session


@examples(200)
@given(ANY | unreachable, events, TURNS, st.integers(1, 2**62))
def test_any_event_can_happen_to_any_state(
    session: Session, what: e.SessionEvent, turn_id: str | None, sequence: int
):
    after = evolve(session, e.Recorded(sequence, at(1), what, turn_id))

    assert after.sequence == sequence
    assert after.status in get_args(Status)
    assert JsonCodec().to_json(session_document(SESSION_ID, after))
    assert evolve(session, e.Recorded(sequence, at(1), what, turn_id)) == after


@examples(150)
@given(unreachable, commands)
def test_even_in_a_damaged_state_a_command_is_answered_or_refused(session: Session, command: Any):
    with suppress(CairnError):
        obey(session, command)


@pytest.mark.parametrize("wrong", [{"type": []}, {"type": {}}, {"type": 1}, {}])
def test_a_part_of_any_shape_is_refused_and_breaks_nothing(wrong: dict[str, Any]):
    command = c.AddMessage(message_id="m1", role="user", parts=(wrong,))

    with pytest.raises(CairnError):
        decide(fold(history([e.SessionCreated(owner=OWNER)])), command)


NAMES = st.text(min_size=1, max_size=255)
SAID = st.text(max_size=2000).map(lambda said: ({"type": "text", "text": said},))
SAYINGS: st.SearchStrategy[e.SessionEvent] = st.one_of(
    st.builds(e.MessageAdded, message_id=NAMES, role=st.just("user"), parts=SAID),
    st.builds(e.AgentMessage, message_id=st.none() | NAMES, parts=SAID),
    st.builds(e.AgentThought, message_id=st.none() | NAMES, parts=SAID),
)


@given(session=reachable, event=SAYINGS)
def test_what_is_said_adds_no_more_to_a_state_than_is_counted(
    session: Session, event: e.SessionEvent
) -> None:
    after = evolve(session, record(session, event))
    assert len(encode_state(after)) - len(encode_state(session)) <= most_kept(event, 2**30)
