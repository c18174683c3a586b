"""The rules, given any command in any state."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from application.listing import session_document
from domain.errors import DomainError
from domain.session import commands as c
from domain.session import events as e
from domain.session.decide import decide
from domain.session.evolve import evolve, fold
from domain.session.state import ABSENT, Session, own_keys, scope_of
from infrastructure.codec import JsonCodec
from infrastructure.state_codec import encode_state
from tests.property.effort import examples
from tests.property.invariants import check
from tests.support.builders import OWNER, SESSION_ID, at, history, obey
from tests.support.strategies import commands, events, reachable, unreachable

ANY = st.just(ABSENT) | reachable
TURNS = st.none() | st.sampled_from(["t1", "t2"])


def makes_new_facts_each_time(command: c.Command) -> bool:
    """Return whether a command that is given twice may be recorded twice.

    These are the ones that a client needs an idempotency key for.
    """
    match command:
        case c.ReviseMessage():
            # Who revises twice says so twice; the log does not compare what was said.
            return True
        case c.RecordActivity():
            # Two equal pieces of a message are two pieces. Calls and results have ids of their own.
            return not any(isinstance(x, e.ToolCalled | e.ToolReturned) for x in command.events)
        case c.PatchState():
            # Other sessions write shared keys meanwhile, and nested values are not compared.
            return any(
                scope_of(key) in ("app", "user") for key in (*command.set, *command.delete)
            ) or any(isinstance(value, dict | list) for value in own_keys(command.set).values())
        case _:
            return False


@examples(400)
@given(ANY, commands)
def test_a_command_given_twice_changes_nothing_the_second_time(session: Session, command: Any):
    try:
        once, first = obey(session, command)
    except DomainError:
        return
    event(type(command).__name__)
    try:
        twice, second = obey(once, command)
    except DomainError:
        return

    if makes_new_facts_each_time(command):
        assert [type(x.event) for x in second] == [type(x.event) for x in first]
    else:
        assert second == []
        assert twice == once


@examples(300)
@given(ANY, commands)
def test_what_is_accepted_is_so_afterwards(session: Session, command: Any):
    try:
        after, _ = obey(session, command)
    except DomainError:
        return

    assert_is_so(command, session, after)


def assert_is_so(command: c.Command, before: Session, after: Session) -> None:
    turns, interactions, description = after.turns, after.interactions, after.description
    match command:
        case c.CreateSession():
            assert after.lifecycle.owner == command.owner
            assert before == after or (
                after.status == "idle"
                and (description.title, description.tags) == (command.title, command.tags)
                and after.state == own_keys(command.state)
                and set(after.messages) == {message.message_id for message in command.messages}
            )
        case c.DescribeSession():
            for field in command.fields:
                assert getattr(description, field) == getattr(command, field)
        case c.StopSession():
            assert (after.status, turns.running) == ("stopped", None)
        case c.ResumeSession():
            assert after.lifecycle.phase == "active"
        case c.DeleteSession():
            assert (after.status, turns.running) == ("deleted", None)
        case c.AddMessage() | c.ReviseMessage():
            assert command.message_id in after.messages
        case c.StartTurn():
            assert turns.running is not None
            assert turns.running.turn_id == command.turn_id
        case c.RecordActivity():
            assert after.sequence == before.sequence + len(command.events)
        case c.CompleteTurn():
            assert turns.ended[command.turn_id] == "completed"
        case c.FailTurn():
            assert turns.ended[command.turn_id] == "failed"
        case c.CancelTurn():
            assert turns.ended[command.turn_id] == "cancelled"
        case c.RequestPermission():
            assert command.request_id in interactions.pending
        case c.DecidePermission():
            assert command.request_id in interactions.decided
            assert command.request_id not in interactions.pending
        case c.PatchState():
            assert own_keys(command.set).items() <= dict(after.state).items()
            assert not set(command.delete) & set(after.state)


@examples(150)
@given(st.lists(commands, max_size=25))
def test_no_sequence_of_commands_breaks_an_invariant(given_commands: list[Any]):
    session, log = ABSENT, []
    for command in (c.CreateSession(owner=OWNER), *given_commands):
        try:
            session, made = obey(session, command)
        except DomainError:
            continue
        log += made

    check(log)
    assert fold(log) == session


@examples(150)
@given(reachable, st.lists(commands, min_size=1, max_size=3))
def test_an_old_state_stays_as_it_was(session: Session, given_commands: list[Any]):
    before = encode_state(session)
    for command in given_commands:
        try:
            obey(session, command)
        except DomainError:
            continue

    assert encode_state(session) == before


@examples(300)
@given(ANY | unreachable, events, TURNS, st.integers(1, 2**62))
def test_any_event_can_happen_to_any_state(
    session: Session, what: e.SessionEvent, turn_id: str | None, sequence: int
):
    after = evolve(session, e.Recorded(sequence, at(1), what, turn_id))

    assert after.sequence == sequence
    assert after.status in ("idle", "running", "waiting", "stopped", "deleted")
    assert JsonCodec().to_json(session_document(SESSION_ID, after))
    assert evolve(session, e.Recorded(sequence, at(1), what, turn_id)) == after


@examples(200)
@given(unreachable, commands)
def test_even_in_a_damaged_state_a_command_is_answered_or_refused(session: Session, command: Any):
    with suppress(DomainError):
        obey(session, command)


@pytest.mark.parametrize("wrong", [{"type": []}, {"type": {}}, {"type": 1}, {}])
def test_a_part_of_any_shape_is_refused_and_never_breaks_the_desk(wrong: dict[str, Any]):
    command = c.AddMessage(message_id="m1", role="user", parts=(wrong,))

    with pytest.raises(DomainError):
        decide(fold(history([e.SessionCreated(owner=OWNER)])), command)
