"""What the service owes to those who ask: an answer in time, a documented one, the true time."""

from collections.abc import Iterator, Sequence

from tests.faults.checks.commands import NOT_DONE, UNSETTLED, commands_of
from tests.faults.checks.violation import Violation
from tests.faults.history import LOST, Attempt, Fault, History, Hostile, Memory

REFUSALS = (
    UNSETTLED
    | NOT_DONE
    | {
        "turn_in_progress",
        "turn_not_running",
        "turn_not_found",
        "turn_ended",
        "stale_sequence",
        "interaction_not_found",
        "interaction_settled",
        "lease_held",
        "lease_not_held",
    }
)
"""Every code with which a command of the load may be refused."""

STANDING = frozenset({"stop worker", "kill worker", "kill server"})
"""Faults during which a worker cannot answer, whatever it does."""
SLACK = 6.0
"""Seconds that a busy machine may add to the patience and the second after it."""
_CLOCKS = 2.0
"""Seconds by which an event's time may be off: clocks are compared every 5 s, and never go back."""
HANG_UP = 30.0
"""Seconds within which a hostile client is rid of: the servers give heads 2 s and look each second,
and the machine may be busy."""


def within_memory(history: History) -> Iterator[Violation]:
    """Compare what the server processes took with what they may."""
    budget = history.start.budget
    for memory in history.of(Memory):
        if memory.bytes > budget:
            megabytes = memory.bytes // 1024**2, budget // 1024**2
            words = "worker {} held {} of {} MiB after {:.1f} s"
            yield Violation("memory", words.format(memory.worker, *megabytes, memory.at))
            return


def excused(faults: Sequence[Fault], called: float, returned: float) -> float:
    """Return for how many seconds of a wait a worker could not answer."""
    seconds, reached = 0.0, called
    for fault in sorted(faults, key=lambda one: one.began):
        if fault.kind in STANDING and not fault.skipped:
            until = min(fault.ended, returned)
            seconds += max(0.0, until - max(fault.began, reached))
            reached = max(reached, until)
    return seconds


def answered_in_time(history: History) -> Iterator[Violation]:
    """Look for requests that hung."""
    faults = history.of(Fault)
    allowed = history.start.patience + 1 + SLACK
    for attempt in history.of(Attempt):
        if not attempt.direct:
            continue
        waited = attempt.returned - attempt.called
        if attempt.code == LOST or waited <= allowed:
            continue
        if waited > allowed + excused(faults, attempt.called, attempt.returned):
            answer = f"{attempt.status} {attempt.code}" if attempt.status else "no answer"
            words = f"{attempt.key} ({attempt.kind}) of {attempt.called:.1f} s"
            yield Violation("hung", f"{words} was answered after {waited:.1f} s: {answer}")


def answered_as_documented(history: History) -> Iterator[Violation]:
    """Look for answers that no document promises."""
    for attempt in history.of(Attempt):
        if attempt.status and not attempt.is_accepted and attempt.code not in REFUSALS:
            words = f"{attempt.key} ({attempt.kind}) was answered with {attempt.status}"
            yield Violation("answer", f"{words} {attempt.code or 'and no code'}")
    for one in history.of(Hostile):
        waited = one.ended - one.began - excused(history.of(Fault), one.began, one.ended)
        if waited > HANG_UP:
            words = f"a hostile client ({one.kind}) of {one.began:.1f} s was not hung up on"
            yield Violation("hung", f"{words} in {waited:.1f} s")
        elif one.status >= 500 and one.status not in (501, 503):
            yield Violation("answer", f"a hostile client ({one.kind}) got {one.status}")


def in_the_time_of_the_database(history: History) -> Iterator[Violation]:
    """Hold the times of events against when they were asked for and answered."""
    wall = history.start.wall
    for command in commands_of(history).values():
        if not command.accepted:
            continue
        for stored in command.stored:
            at = stored.at - wall
            if not command.called - _CLOCKS <= at <= command.settled + _CLOCKS:
                words = (
                    f"{command.key} happened between {command.called:.1f} and"
                    f" {command.settled:.1f} s and says {at:.1f} s"
                )
                yield Violation("time", words)
                break
