"""What became of each command: all attempts under one idempotency key, and what is stored."""

from collections import defaultdict
from dataclasses import dataclass, field

from tests.faults.history import FOR_EVER, Attempt, History, Stored

UNSETTLED = frozenset({"outcome_unknown", "idempotency_key_in_flight"})
"""Codes after which nobody knows whether it is stored."""
NOT_DONE = frozenset(
    {"store_unavailable", "busy", "overloaded", "not_ready", "request_timeout", "host_not_allowed"}
)
"""Codes after which it is not stored by this attempt, and may be by an earlier one."""


@dataclass
class Command:
    """A command, however often it was sent.

    Args:
        key: Its idempotency key.
        attempts: In the order in which they were sent.
        stored: Its events, by position.
    """

    key: str
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    stored: list[Stored] = field(default_factory=list[Stored])

    @property
    def accepted(self) -> list[Attempt]:
        """The attempts whose answer says that it is done."""
        return [one for one in self.attempts if one.is_accepted]

    @property
    def called(self) -> float:
        """When it was sent first."""
        return self.attempts[0].called

    @property
    def settled(self) -> float:
        """When its first acceptance was there; never when there is none."""
        return min((one.returned for one in self.accepted), default=FOR_EVER)

    @property
    def is_refused(self) -> bool:
        """Whether the last thing that is known of it is that nothing is stored."""
        if self.accepted:
            return False
        open_ends = [
            number
            for number, one in enumerate(self.attempts)
            if one.status == 0 or one.code in UNSETTLED
        ]
        if not open_ends:
            return True
        # A refusal by the rules that came after is one: had it been stored, that would be replayed.
        later = self.attempts[open_ends[-1] + 1 :]
        return any(one.code not in NOT_DONE for one in later)


def commands_of(history: History) -> dict[str, Command]:
    """Return the commands of a history by their keys."""
    found: dict[str, Command] = {}
    for attempt in history.of(Attempt):
        found.setdefault(attempt.key, Command(attempt.key)).attempts.append(attempt)
    for stored in history.of(Stored):
        if stored.key in found:
            found[stored.key].stored.append(stored)
    return found


def logs_of(history: History) -> dict[str, list[Stored]]:
    """Return the stored events of each session, by position."""
    found: defaultdict[str, list[Stored]] = defaultdict(list)
    for stored in sorted(history.of(Stored), key=lambda one: one.position):
        found[stored.session].append(stored)
    return found
