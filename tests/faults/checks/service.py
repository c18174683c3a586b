"""What the service owes to those who ask: a documented answer, the true time, no more memory."""

from collections.abc import Iterator

from tests.faults.checks.commands import NOT_DONE, UNSETTLED, commands_of
from tests.faults.checks.violation import Violation
from tests.faults.checks.waits import Circumstances, Wait
from tests.faults.history import Attempt, History, Hostile, Memory

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


def answered_as_documented(history: History) -> Iterator[Violation]:
    """Look for answers that no document promises."""
    for attempt in history.of(Attempt):
        if attempt.status and not attempt.is_accepted and attempt.code not in REFUSALS:
            words = f"{attempt.key} ({attempt.kind}) was answered with {attempt.status}"
            yield Violation("answer", f"{words} {attempt.code or 'and no code'}")
    circumstances = Circumstances(history)
    for one in history.of(Hostile):
        wait = Wait(
            name=one.kind,
            called=one.began,
            returned=one.ended,
            worker=0,
            direct=True,
            ended=str(one.status),
        )
        waited = wait.seconds - circumstances.judge(wait).nobody
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
