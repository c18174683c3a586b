"""What a refusal says."""

from collections.abc import Iterator

import pytest

from application.errors import ApplicationError
from domain.errors import DomainError, TurnInProgress


def subclasses(of: type[Exception]) -> Iterator[type[Exception]]:
    for one in of.__subclasses__():
        yield one
        yield from subclasses(one)


EVERY = sorted(
    {*subclasses(DomainError), *subclasses(ApplicationError)}, key=lambda error: error.__name__
)


def test_a_refusal_has_a_sentence_for_people_and_facts_for_programs():
    refusal = TurnInProgress(None, turn_id="t1")

    assert str(refusal) == refusal.detail
    assert refusal.detail == "Another turn is running; wait for its end or cancel it."
    assert refusal.facts == {"turn_id": "t1"}
    assert TurnInProgress("Not now.").detail == "Not now."


def test_codes_are_stable_words_and_each_has_one_meaning():
    codes = [error.code for error in EVERY]

    assert len(set(codes)) == len(codes)
    assert all(code.isidentifier() and code.islower() for code in codes)


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__name__)
def test_every_error_says_something_by_itself(error):
    assert error.__doc__
    assert error.__doc__.endswith((".", "\n    "))
