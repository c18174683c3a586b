"""Each command is done exactly once when it was accepted, and never when it was refused."""

from collections.abc import Iterator

from tests.faults.checks.commands import Command, commands_of
from tests.faults.checks.violation import Violation
from tests.faults.history import History


def exactly_once(history: History) -> Iterator[Violation]:
    """Hold what is stored under each key against the answers to it."""
    for command in commands_of(history).values():
        yield from _judge(command)


def _judge(command: Command) -> Iterator[Violation]:
    key, stored, accepted = command.key, command.stored, command.accepted
    wanted = command.attempts[0].events
    if command.attempts[0].or_more:
        wanted = max(wanted, len(stored))
    if not accepted:
        if command.is_refused and stored:
            yield Violation("unasked", f"{key} was refused and {len(stored)} events are stored")
        elif len(stored) > wanted:
            yield Violation("doubled", f"{key} asked for {wanted} events, {len(stored)} are stored")
        elif len(stored) not in (0, wanted):
            yield Violation("lost", f"{key} is stored in part: {len(stored)} of {wanted} events")
        return
    told = {(one.sequence, one.position) for one in accepted}
    if len(told) > 1:
        yield Violation("doubled", f"{key} was accepted as {sorted(told)}")
    if not stored and command.attempts[0].may_be_so:
        return
    if len(stored) > wanted:
        yield Violation("doubled", f"{key} asked for {wanted} events, {len(stored)} are stored")
    elif len(stored) < wanted:
        yield Violation("lost", f"{key} was accepted, and {len(stored)} of {wanted} are stored")
    elif (stored[-1].sequence, stored[-1].position) not in told:
        at = (stored[-1].sequence, stored[-1].position)
        yield Violation("lost", f"{key} was accepted as {sorted(told)} and is stored at {at}")
