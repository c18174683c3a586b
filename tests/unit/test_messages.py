"""Messages outside an agent's turn."""

import pytest

from domain.errors import (
    Invalid,
    MessageExists,
    MessageNotFound,
    SessionIsStopped,
    ToolCallNotOpen,
    ToolCallOpen,
)
from domain.session import events as e
from domain.session.commands import AddMessage, RecordActivity, ReviseMessage
from tests.support.builders import (
    added,
    called,
    completed,
    created,
    returned,
    started,
    state_after,
    stopped,
    text,
)
from tests.support.given import given


def add(message_id: str = "m1", **fields) -> AddMessage:
    return AddMessage(**{"message_id": message_id, "role": "user", "parts": text()} | fields)


def test_a_message_is_added_as_it_was_given():
    given([created()]).when(add(author="ada", implicit=True)).then(
        [added(author="ada", implicit=True)]
    )


def test_a_message_can_be_added_while_a_turn_runs():
    given([created(), started()]).when(add()).then([added()])


@pytest.mark.parametrize("past", [[added("m1")], [started("t1", "m1")]])
def test_a_message_id_belongs_to_one_message(past):
    given([created(), *past]).when(add("m1")).then_refused(MessageExists, message_id="m1")


def test_a_stopped_session_takes_no_message_and_tells_why_it_stopped():
    given([created(), stopped()]).when(add()).then_refused(SessionIsStopped, cause="user_requested")


def result(call: str = "c1", **fields) -> tuple[dict, ...]:
    return ({"type": "tool_result", "tool_call_id": call} | fields,)


def test_a_result_may_be_said_outside_of_turns():
    said = add(role="tool", parts=result(output=7))

    given([created()]).when(said).then([added(role="tool", parts=result(output=7))])
    given([created(), started(), called("c1"), returned("c1")]).when(said).then(
        [added(role="tool", parts=result(output=7))]
    )


def test_the_result_of_an_open_call_is_recorded_in_its_turn():
    past = [created(), started(), called("c1")]

    given(past).when(add(role="tool", parts=result("c1"))).then_refused(
        ToolCallOpen, tool_call_id="c1", turn_id="t1"
    )


def test_a_call_whose_result_was_said_outside_of_turns_does_not_return_again():
    past = [created(), started("t1"), called("c1"), returned("c1", status="abandoned", output=None)]
    past += [completed("t1"), added(role="tool", parts=result("c1")), started("t2", "m2")]

    assert "c1" not in state_after(past).turns.unanswered
    given(past).when(RecordActivity(turn_id="t2", events=(returned("c1"),))).then_refused(
        ToolCallNotOpen
    )


@pytest.mark.parametrize("parts", [text(), (*result(), *text())])
def test_a_tool_says_nothing_but_results(parts):
    given([created()]).when(add(role="tool", parts=parts)).then_refused(Invalid, field="parts")


@pytest.mark.parametrize(
    "wrong",
    [
        add(""),
        add("x" * 4097),
        add(parts=()),
        add(parts=({"type": "text", "text": None},)),
        add(parts=({"type": "image"},)),
        add(parts=({"type": "reasoning"},)),
        add(parts=({"text": "of no type"},)),
        add(parts=({"type": ["text"]},)),
        add(author="\x00"),
    ],
)
def test_a_message_that_says_nothing_or_has_no_proper_id_is_refused(wrong):
    given([created()]).when(wrong).then_refused(Invalid)


def test_the_refusal_names_the_part_that_is_wrong():
    parts = ({"type": "image", "url": "x"}, {"type": "text"})

    refusal = given([created()]).when(add(parts=parts)).then_refused(Invalid)

    assert refusal.detail == "parts[1].text must be a string"


@pytest.mark.parametrize(
    "past", [[added("m1")], [started("t1", "m1")], [added("m1"), stopped()]], ids=str
)
def test_a_message_of_the_session_can_be_revised(past):
    given([created(), *past]).when(ReviseMessage(message_id="m1", parts=text("b"))).then(
        [e.MessageRevised(message_id="m1", parts=text("b"))]
    )


def test_only_a_message_of_the_session_can_be_revised():
    given([created()]).when(ReviseMessage(message_id="m1", parts=text())).then_refused(
        MessageNotFound, message_id="m1"
    )


@pytest.mark.parametrize("says", [{}, {"parts": ()}, {"parts": (), "input": {}}], ids=str)
def test_a_revision_that_says_nothing_is_refused(says):
    given([created(), added()]).when(ReviseMessage(message_id="m1", **says)).then_refused(
        Invalid, field="parts"
    )


def test_the_input_of_a_call_is_revised_alone():
    revise = ReviseMessage(message_id="c1", input={"key": "-"}, found_at=4)
    given([created(), started(), called("c1")]).when(revise).then(
        [e.MessageRevised(message_id="c1", input={"key": "-"})]
    )


def test_the_state_knows_where_each_message_was_added():
    now = state_after([created(), added("m1"), started("t1", "m2"), added("m3")])

    assert dict(now.messages) == {"m1": 2, "m2": 3, "m3": 4}
