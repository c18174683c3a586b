"""The last run of the retention job, in memory."""

from datetime import datetime

from application.ports.clock import Clock
from application.ports.session.retention import RetentionRun


class MemoryRetentionRuns:
    """Remembers the last run; see `application.ports.session.retention.RetentionRuns`.

    Args:
        clock: Tells when it began.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun: datetime | None = None
        self._ended = False
        self._failure: str | None = None
        self.counted: list[tuple[str, str, int]] = []

    async def last(self) -> RetentionRun | None:
        """Return the last run; None when there was none."""
        if self._begun is None:
            return None
        return RetentionRun(self._clock.now() - self._begun, self._ended, self._failure)

    async def begin(self) -> None:
        """Note that a run begins."""
        self._begun, self._ended, self._failure = self._clock.now(), False, None

    def count(self, policy: str, outcome: str, sessions: int) -> None:
        """Have those who watch see what became of sessions."""
        self.counted.append((policy, outcome, sessions))

    async def end(self, failure: str | None) -> None:
        """Note that it has ended."""
        self._ended, self._failure = True, failure
