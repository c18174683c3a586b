"""What a refusal says."""

from collections.abc import Iterator

import pytest

import application.errors
from api.http.outgoing.problems import status_of_branch, statuses
from domain.errors import CairnError, Overtaken, TurnInProgress


def subclasses(of: type[Exception]) -> Iterator[type[Exception]]:
    for one in of.__subclasses__():
        yield one
        yield from subclasses(one)


assert application.errors  # its errors are looked at, too
EVERY = sorted(subclasses(CairnError), key=lambda error: error.__name__)


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


def test_every_error_is_an_answer_with_a_status_or_is_never_an_answer():
    lost = [error for error in EVERY if status_of_branch(error) is None]

    assert [error for error in lost if not issubclass(error, Overtaken)] == []


def test_an_error_outside_the_branches_has_no_status():
    class ReportChanged(CairnError):
        """The report has changed."""

    assert ReportChanged.code == "report_changed"
    assert status_of_branch(ReportChanged) is None
    assert ReportChanged.code not in statuses()


def test_the_code_is_the_name_of_the_class_unless_an_event_has_that_name():
    told = {error.__name__: error.code for error in EVERY}

    assert {name: code for name, code in told.items() if code.replace("_", "") != name.lower()} == {
        "SessionIsDeleted": "session_deleted",
        "SessionIsStopped": "session_stopped",
        "SessionIsStopping": "session_stopping",
    }
