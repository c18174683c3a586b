"""How long those who asked have waited, and for which part of it nobody could have answered.

A worker that is stopped answers nobody, and where there is no worker a connection waits in the
queue of the socket for one. A process without a processor is slow whatever it does. What is left of
a wait is that of the program, and it has promised an end of that.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.faults.checks.violation import Violation
from tests.faults.history import (
    Attempt,
    Fault,
    History,
    Look,
    Processor,
    Serving,
    Standing,
)

PROMPT = 1.0
"""Seconds that answers of the database within half a second each may add to the patience."""
SLACK = 2.0
"""Seconds for what nobody measures or promises: the disk, the relays, the clients' own turn."""
SLOW = 6.0
"""Seconds of a wait that is told of."""

Time = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A request, from when it was asked until there was an answer or none any more.

    Args:
        name: Of the request.
        called: When it was sent.
        returned: When it was over.
        worker: Who has answered or would have; 0 when nobody knows.
        direct: It did not pass through the relay of the clients.
        ended: How.
    """

    name: str
    called: float
    returned: float
    worker: int
    direct: bool
    ended: str

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.returned - self.called


@dataclass(frozen=True, slots=True)
class Judged:
    """A wait, and what explains it.

    Args:
        wait: Which.
        nobody: Seconds for which nobody could answer, or no answer could come through.
        starved: Seconds for which the worker, or the harness, had no processor, at most.
    """

    wait: Wait
    nobody: float
    starved: float

    @property
    def own(self) -> float:
        """Seconds that the program has taken."""
        return self.wait.seconds - self.nobody - self.starved


def waits(history: History) -> Iterator[Wait]:
    """Yield the wait of every request."""
    for one in history.of(Attempt):
        yield _wait(one, f"{one.key} ({one.kind})")
    for look in history.of(Look):
        yield _wait(look, f"a look ({look.way}) at {look.session}")


def _wait(one: Attempt | Look, name: str) -> Wait:
    return Wait(
        name=name,
        called=one.called,
        returned=one.returned,
        worker=one.worker or one.asked,
        direct=one.direct,
        ended=f"{one.status} {one.code}".strip() if one.status else f"no answer ({one.code})",
    )


class Circumstances:
    """Who could answer when.

    Args:
        history: Of a run.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._processors: dict[int, list[Processor]] = {}
        for one in history.of(Processor):
            self._processors.setdefault(one.worker, []).append(one)
        self._standing: dict[int, list[Time]] = {}
        for stop in history.of(Standing):
            self._standing.setdefault(stop.worker, []).append((stop.began, stop.ended))
        faults = [one for one in history.of(Fault) if not one.skipped]
        self._faults = sorted(faults, key=lambda one: one.began)
        self._frozen = [(f.began, f.ended) for f in faults if f.kind == "freeze clients"]

    @cached_property
    def nobody(self) -> list[Time]:
        """When there was no worker that takes connections; none where no worker was seen."""
        began = {one.worker: one.at for one in self._history.of(Serving)}
        taking: list[Time] = []
        for worker, since in began.items():
            seen = self._processors.get(worker)
            if seen:
                taking += _without((since, seen[-1].at), self._standing.get(worker, []))
        if not taking:
            return []
        return _without((min(taking)[0], max(until for _, until in taking)), taking)

    def judge(self, wait: Wait) -> Judged:
        """Return what explains a wait."""
        # Who has never had an answer may have been with any worker that stood still.
        stood = self._standing.get(wait.worker, []) if wait.worker else self._all_standing
        frozen = [] if wait.direct else self._frozen
        could_not = [*self.nobody, *stood, *frozen]
        left = _without((wait.called, wait.returned), could_not)
        nobody = wait.seconds - sum(until - since for since, until in left)
        # The one may have had none while the other had none: so this is the most that it explains.
        starved = self._starved(wait.worker, left) + self._starved(0, left)
        return Judged(wait, nobody, min(starved, wait.seconds - nobody))

    def during(self, wait: Wait) -> list[Fault]:
        """Return the faults that there were during a wait."""
        return [f for f in self._faults if f.began < wait.returned and f.ended > wait.called]

    @cached_property
    def _all_standing(self) -> list[Time]:
        return [time for times in self._standing.values() for time in times]

    def _starved(self, worker: int, times: Sequence[Time]) -> float:
        seen = self._processors.get(worker, [])
        seconds = 0.0
        for since, until in times:
            for one in seen[bisect_left(seen, since, key=lambda each: each.at) :]:
                if one.since >= until:
                    break
                both = min(one.at, until) - max(one.since, since)
                if both > 0:
                    seconds += one.starved * both / (one.at - one.since)
        return seconds


def _without(time: Time, others: Iterable[Time]) -> list[Time]:
    """Return what is left of a time without others."""
    left, since = list[Time](), time[0]
    for began, ended in sorted(others):
        if ended <= since:
            continue
        if began >= time[1]:
            break
        if began > since:
            left.append((since, began))
        since = ended
    if since < time[1]:
        left.append((since, time[1]))
    return left


def allowed(history: History) -> float:
    """Return the seconds within which the program has to answer."""
    return history.start.patience + PROMPT + SLACK


def answered_in_time(history: History) -> Iterator[Violation]:
    """Look for requests that hung."""
    limit, circumstances = allowed(history), Circumstances(history)
    for wait in waits(history):
        if wait.seconds > limit:
            judged = circumstances.judge(wait)
            if judged.own > limit:
                yield Violation("hung", told(judged, circumstances))


def slowest(history: History) -> tuple[list[str], float]:
    """Return what is to be told of slow answers, and the most that one took of the program."""
    circumstances = Circumstances(history)
    longest = sorted(waits(history), key=lambda one: -one.seconds)
    lines = [told(circumstances.judge(one), circumstances) for one in longest if one.seconds > SLOW]
    own = 0.0
    for wait in longest:
        if wait.seconds <= own:
            break
        own = max(own, circumstances.judge(wait).own)
    return lines, own


def told(judged: Judged, circumstances: Circumstances) -> str:
    """Return a line about one wait: who asked whom, how it ended, and why it took so long."""
    wait = judged.wait
    faults = (
        f"{one.kind} {one.began:.1f} to {one.ended:.1f}"
        + (f" ({one.detail})" if one.detail else "")
        for one in circumstances.during(wait)
    )
    return (
        f"{wait.name} of {wait.called:.1f} s was over after {wait.seconds:.1f} s: {wait.ended},"
        f" worker {wait.worker or 'unknown'}{'' if wait.direct else ' behind the relay'};"
        f" nobody could answer for {judged.nobody:.1f} s, no processor for {judged.starved:.1f} s,"
        f" its own {judged.own:.1f} s; {', '.join(faults) or 'no fault'}"
    )
