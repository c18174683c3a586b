"""Which faults are made, and when: drawn from a seed, and from nothing else."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Args:
        weight: How often it is drawn, against the others.
        shortest: Seconds that it lasts at least.
        longest: And at most.
        long: Seconds that it lasts now and then, for `/ready` to be judged; 0 is never.
    """

    weight: float
    shortest: float
    longest: float
    long: float = 0.0


KINDS = {
    "kill worker": Kind(3, 0, 0),
    "kill server": Kind(0.6, 0, 0),
    "stop worker": Kind(4, 0.3, 6),
    "kill postmaster": Kind(2, 0, 0),
    "kill backend": Kind(2, 0, 0),
    "stop postgres": Kind(3, 0.3, 4),
    "end backends": Kind(8, 0, 0),
    "freeze database": Kind(5, 0.5, 6),
    "cut database": Kind(3, 0.3, 4, long=17),
    "drop database": Kind(6, 0, 0),
    "slow database": Kind(3, 0.5, 3),
    "freeze clients": Kind(3, 0.3, 3),
    "drop clients": Kind(5, 0, 0),
    "read only": Kind(3, 0.5, 4, long=17),
    "lock head": Kind(3, 0.5, 4, long=17),
    "fill disk": Kind(2, 0.5, 4),
    "skew clock": Kind(2, 1, 6),
    "stall readers": Kind(4, 0.5, 4),
    "slow readers": Kind(3, 0.5, 3),
    "hostile headers": Kind(8, 0, 0),
    "half open": Kind(3, 0, 0),
}
"""All kinds. Without a length it is done at once, and over when what was lost is there again."""

_LONG = 0.12
_CALM = 0.05
"""The part of faults after which nothing is done for a while, so that recovery can be judged."""
_CALM_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One fault as it was drawn.

    Args:
        number: In its lane.
        kind: One of `KINDS`.
        seconds: How long it lasts.
        choice: From 0 up to 1: which victim, or which variant.
        pause: Seconds until the next one of the lane.
    """

    number: int
    kind: str
    seconds: float
    choice: float
    pause: float


def draw(seed: int, lane: int, kinds: Collection[str] = tuple(KINDS)) -> Iterator[Plan]:
    """Yield the faults of one lane without an end.

    Args:
        seed: The same one gives the same faults.
        lane: Lanes are drawn apart, so that one does not wait for another.
        kinds: Those that may be drawn.

    Raises:
        ValueError: One of the kinds is none.
    """
    unknown = set(kinds) - KINDS.keys()
    if unknown:
        raise ValueError(f"no such fault: {min(unknown)}; there are {', '.join(KINDS)}")
    rng = Random(f"{seed}/{lane}")
    names = sorted(kinds)
    weights = [KINDS[name].weight for name in names]
    number = 0
    while True:
        number += 1
        (name,) = rng.choices(names, weights)
        kind = KINDS[name]
        seconds = rng.uniform(kind.shortest, kind.longest)
        is_long, choice, pause = rng.random() < _LONG, rng.random(), rng.uniform(0.05, 1.0)
        is_calm = rng.random() < _CALM
        yield Plan(
            number,
            name,
            round(kind.long if kind.long and is_long else seconds, 3),
            choice,
            round(_CALM_SECONDS if is_calm else pause, 3),
        )
