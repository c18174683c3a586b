"""A record with other values in some of its fields."""

import dataclasses

import pytest

from domain.replacing import maker, replace, taken_from
from domain.session import events as e
from domain.session.state import ABSENT, Spoken
from domain.session.work import Inputs, ToolCall
from tests.support.builders import SAMPLES


def test_a_record_gets_other_values_and_the_old_one_stays_as_it_was():
    new = replace(ABSENT, sequence=7, inputs=Inputs(generation=2))

    assert (new.sequence, new.inputs.generation) == (7, 2)
    assert (ABSENT.sequence, ABSENT.inputs.generation) == (0, 0)
    assert new.lifecycle is ABSENT.lifecycle
    assert new == dataclasses.replace(ABSENT, sequence=7, inputs=Inputs(generation=2))


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_a_record_without_changes_is_a_copy(event):
    copy = replace(event)

    assert copy == event
    assert copy is not event
    assert type(copy) is type(event)


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_a_record_is_taken_from_what_has_its_fields(event):
    taken = taken_from(type(event))(event)

    assert taken == event
    assert taken is not event
    assert type(taken) is type(event)


def test_a_record_made_quickly_is_one_that_its_class_makes():
    call = maker(ToolCall)(tool_call_id="c", name="n", input={}, title=None, sequence=4)

    assert call == ToolCall(tool_call_id="c", name="n", input={}, title=None, sequence=4)
    assert maker(Spoken)() == Spoken()
    with pytest.raises(dataclasses.FrozenInstanceError):
        call.sequence = 5  # type: ignore[misc]


def test_a_class_whose_defaults_are_made_anew_has_no_quick_maker():
    with pytest.raises(TypeError, match="the default of waiting is made anew"):
        maker(Inputs)


def test_a_copy_can_be_changed_no_more_than_the_record():
    with pytest.raises(dataclasses.FrozenInstanceError):
        replace(ABSENT).sequence = 1  # type: ignore[misc]


def test_a_field_that_there_is_not_is_refused():
    with pytest.raises(TypeError, match="UsageReported has no tokens"):
        replace(e.UsageReported(), tokens=1)
