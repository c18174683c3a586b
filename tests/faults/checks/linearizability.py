"""Per session a log: appends and reads happen in one order, and in that of real time.

Sequences are that order, so there is nothing to search for. What was answered before something else
was asked must come before it in the log, and a read shows all that was answered before it, and
nothing that was asked for after it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tests.faults.checks.commands import Command, commands_of, logs_of
from tests.faults.checks.violation import Violation
from tests.faults.history import History, Read, Stored


@dataclass(frozen=True, slots=True)
class _Append:
    """Events first..last of a session, which came there between two moments."""

    name: str
    first: int
    last: int
    called: float
    settled: float


@dataclass(frozen=True, slots=True)
class _Look:
    """Somebody was told that a session had come to `head`."""

    name: str
    head: int
    called: float
    returned: float


def dense(history: History) -> Iterator[Violation]:
    """Look for holes in the log, and for events that are there twice."""
    stored = sorted(history.of(Stored), key=lambda one: one.position)
    for expected, one in enumerate(stored, 1):
        if one.position != expected:
            yield Violation("hole", f"position {expected} of the log is missing")
            break
    for session, events in logs_of(history).items():
        sequences = [one.sequence for one in events]
        if sequences != list(range(1, len(events) + 1)):
            yield Violation("hole", f"session {session} has the sequences {_short(sequences)}")
    if len({one.id for one in stored}) != len(stored):
        yield Violation("doubled", "two events of the log have one id")


def linearizable(history: History) -> Iterator[Violation]:
    """Hold the order of each session's log against real time."""
    logs = logs_of(history)
    appends: dict[str, list[_Append]] = {session: [] for session in logs}
    looks: dict[str, list[_Look]] = {session: [] for session in logs}
    for command in commands_of(history).values():
        if command.stored:
            appends[command.stored[0].session].append(_append(command))
            yield from _conditional(command)
        elif command.accepted and command.accepted[0].session in looks:
            first = command.accepted[0]
            # It was so already: that is a look at the newest state, whose answer is kept.
            looks[first.session].append(
                _Look(command.key, first.sequence, command.called, first.returned)
            )
    for read in history.of(Read):
        if read.session not in logs:
            yield Violation("lost", f"session {read.session} was read and is not stored")
            continue
        looks[read.session].append(_Look(f"a {read.way}", read.head, read.called, read.returned))
        yield from _contents(read, logs[read.session])
    for session in logs:
        yield from _order(session, appends[session])
        yield from _looks(session, appends[session], looks[session])


def _append(command: Command) -> _Append:
    sequences = [one.sequence for one in command.stored]
    return _Append(command.key, min(sequences), max(sequences), command.called, command.settled)


def _conditional(command: Command) -> Iterator[Violation]:
    after, first = command.attempts[0].after, command.stored[0].sequence
    if after is not None and first != after + 1:
        words = f"{command.key} was to follow sequence {after} and is stored as {first}"
        yield Violation("order", words)


def _contents(read: Read, log: Sequence[Stored]) -> Iterator[Violation]:
    ids = {one.sequence: one.id for one in log}
    for expected, (sequence, event_id) in enumerate(read.events, read.since + 1):
        if sequence != expected:
            words = f"a page of {read.session} after {read.since} has no sequence {expected}"
            yield Violation("hole", words)
            return
        if ids.get(sequence) != event_id:
            words = f"sequence {sequence} of {read.session} was read as another event"
            yield Violation("lost", words)
            return


def _order(session: str, appends: Sequence[_Append]) -> Iterator[Violation]:
    earliest: _Append | None = None
    for one in sorted(appends, key=lambda append: -append.last):
        if earliest is not None and earliest.settled < one.called:
            words = (
                f"{earliest.name} was answered before {one.name} was asked, and comes after it in"
                f" {session}"
            )
            yield Violation("order", words)
        if earliest is None or one.settled < earliest.settled:
            earliest = one


def _looks(session: str, appends: Sequence[_Append], looks: Sequence[_Look]) -> Iterator[Violation]:
    """Compare each look with what was answered before it and what was asked after it."""
    known = sorted(
        [(one.settled, one.last) for one in appends]
        + [(look.returned, look.head) for look in looks]
    )
    times = [time for time, _ in known]
    highest = list(accumulate((head for _, head in known), max))
    asked = sorted((one.called, one.first) for one in appends)
    starts = [time for time, _ in asked]
    lowest = list(accumulate((first for _, first in reversed(asked)), min))[::-1]
    for look in looks:
        before = bisect_left(times, look.called)
        if before and highest[before - 1] > look.head:
            words = (
                f"{look.name} of {session} showed sequence {look.head} when"
                f" {highest[before - 1]} was known"
            )
            yield Violation("stale", words)
        after = bisect_right(starts, look.returned)
        if after < len(lowest) and lowest[after] <= look.head:
            words = f"{look.name} of {session} showed {look.head} before it was asked for"
            yield Violation("order", words)


def _short(numbers: Sequence[int]) -> str:
    return str(numbers if len(numbers) < 10 else [*numbers[:5], "...", *numbers[-3:]])
