"""The checks over the records of a run: pure functions, from a history to what does not hold."""

from collections.abc import Callable, Iterator

from tests.faults.checks.followers import gap_free
from tests.faults.checks.keys import exactly_once
from tests.faults.checks.linearizability import dense, linearizable
from tests.faults.checks.lists import lists_equal_the_fold
from tests.faults.checks.readiness import ready_is_true
from tests.faults.checks.service import (
    answered_as_documented,
    in_the_time_of_the_database,
    within_memory,
)
from tests.faults.checks.violation import Violation
from tests.faults.checks.waits import answered_in_time
from tests.faults.history import Finding, History

__all__ = ["CHECKS", "Violation", "judge"]


def found_by_the_run(history: History) -> Iterator[Violation]:
    """Pass on what the run itself has found."""
    for finding in history.of(Finding):
        yield Violation("finding", finding.words)


CHECKS: tuple[Callable[[History], Iterator[Violation]], ...] = (
    exactly_once,
    dense,
    linearizable,
    gap_free,
    lists_equal_the_fold,
    within_memory,
    ready_is_true,
    answered_in_time,
    answered_as_documented,
    in_the_time_of_the_database,
    found_by_the_run,
)


def judge(history: History) -> list[Violation]:
    """Return everything in a history that does not hold."""
    return [violation for check in CHECKS for violation in check(history)]
