"""What a check says when something does not hold."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "lost",
    "doubled",
    "hole",
    "unasked",
    "order",
    "stale",
    "list",
    "memory",
    "ready",
    "hung",
    "answer",
    "time",
    "finding",
]
"""`lost`: acknowledged and not stored as told. `doubled`: stored twice. `hole`: missing in a log or
to a reader. `unasked`: stored though it was refused, or by nobody. `order`: not the order of real
time. `stale`: a read older than what was acknowledged before it. `list`: not what the log comes to.
`memory`: over the budget. `ready`: not the truth. `hung`: without an answer. `answer`: none that is
documented. `time`: not that of the database. `finding`: of the run itself."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that does not hold.

    Args:
        kind: In one word.
        words: In one sentence.
    """

    kind: Kind
    words: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"
