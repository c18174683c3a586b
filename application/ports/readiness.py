"""Whether the program can do its work now, and if not, why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that stands in the way.

    Args:
        reason: One stable word, such as `disk_full`.
        sentence: What is wrong and what to do.
    """

    reason: str
    sentence: str


class Readiness(Protocol):
    """Knows what the store needs for its work."""

    async def database_answers(self) -> bool:
        """Return whether the database answers now, within a second."""
        ...

    def warnings(self) -> Sequence[Trouble]:
        """Return what an operator should see to though requests are served."""
        ...

    async def troubles(self) -> Sequence[Trouble]:
        """Return what keeps requests from being served now; empty when nothing does."""
        ...
