"""Seconds that are given to others, while this process has to run for them to pass."""

import asyncio
import time
from collections.abc import Callable

STEP = 0.1
"""Seconds between two looks, and the most that pass between them."""


class Countdown:
    """Counts seconds down; of those in which nobody looked, because all stood still, few pass.

    Args:
        seconds: How many there are.
        clock: Seconds, only forward.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = seconds
        self._clock = clock
        self._looked = clock()

    def left(self) -> float:
        """Return the seconds that are left; look every `STEP` seconds or more often."""
        now = self._clock()
        self._left -= min(now - self._looked, 2 * STEP)
        self._looked = now
        return max(self._left, 0.0)

    def then(self, call: Callable[[], None]) -> None:
        """Call something in the running loop when no second is left.

        Args:
            call: What is called.
        """
        left = self.left()
        if left:
            asyncio.get_running_loop().call_later(min(left, STEP), self.then, call)
        else:
            call()
