"""The numbers that Codex gives to the lines of a thread."""

from math import inf
from typing import Any

from application.transfer.foreign import (
    Tally,
)


class Ordinals:
    """Holds the numbers of lines against their order, which alone counts."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._last: int | None = None

    def next(self, ordinal: Any) -> float:
        """Return the number of the next line; infinity for one that has none."""
        if not isinstance(ordinal, int):
            if self._last is not None:
                self._tally.notes["ordinal_missing"] += 1
            return inf
        if self._last is not None and ordinal != self._last + 1:
            kind = "ordinal_gap" if ordinal > self._last else "ordinal_repeated"
            self._tally.notes[kind] += 1
        self._last = ordinal
        return ordinal
