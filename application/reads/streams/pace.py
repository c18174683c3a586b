"""The pace at which events were recorded, faster or slower, without its long silences."""

from datetime import datetime

from application.ports.session.session_row import NEVER

SLOWEST, FASTEST = 0.01, 1000.0
"""How many times faster than it was recorded a replay may be."""
LONGEST_GAP = 5.0
"""Seconds, the most that a reader waits between two events of the past, at any speed."""
_LATE = 1.0
"""Seconds behind its time at which a replay goes on from now, instead of making up for it."""


class Pace:
    """When each event is due, from the times at which they were recorded.

    Args:
        speed: How many times faster than it was recorded; above 0.
        longest: The most seconds between two events.
    """

    def __init__(self, speed: float, longest: float = LONGEST_GAP) -> None:
        self._speed = speed
        self._longest = longest
        self._due: float | None = None
        self._last = NEVER

    def wait(self, at: datetime, now: float) -> float:
        """Return the seconds until an event is due; what was late is made up for within a second.

        Args:
            at: When it was recorded; times that go back, or cannot be read, count as no time.
            now: Seconds on a clock that only goes forward.
        """
        gap = 0.0
        if NEVER not in (at, self._last):
            gap = min(max((at - self._last).total_seconds() / self._speed, 0.0), self._longest)
        self._last = at
        due = now if self._due is None else self._due + gap
        self._due = due if now - due < _LATE else now
        return min(max(due - now, 0.0), self._longest)
