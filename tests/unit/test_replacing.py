"""A record with other values in some of its fields."""

import dataclasses

import pytest

from domain.replacing import replace
from domain.session import events as e
from domain.session.state import ABSENT
from domain.session.work import Inputs
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


def test_a_copy_can_be_changed_no_more_than_the_record():
    with pytest.raises(dataclasses.FrozenInstanceError):
        replace(ABSENT).sequence = 1  # type: ignore[misc]


def test_a_field_that_there_is_not_is_refused():
    with pytest.raises(TypeError, match="UsageReported has no tokens"):
        replace(e.UsageReported(), tokens=1)
