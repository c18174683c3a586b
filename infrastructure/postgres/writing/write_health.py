"""Whether writes can be committed now, as the writers see it."""

import logging
from time import monotonic

from infrastructure.metrics import WRITES_REFUSED
from infrastructure.postgres.connecting.outcomes import DatabaseOutcome, Reason

_SAID_AGAIN_AFTER = 10.0
"""Seconds after which the log is told of a reason that is there again."""

_logger = logging.getLogger("cairn.store")


class WriteHealth:
    """What stands in the way of writes; told to the log once, when it begins and when it ends.

    What comes and goes is told once in ten seconds.
    """

    def __init__(self) -> None:
        self._told: set[Reason] = set()
        """Of the trouble that there is."""
        self._told_at: dict[Reason, float] = {}
        self.trouble: DatabaseOutcome | None = None
        """Why writes are refused now; None while they are not."""
        self.heard_at = float("-inf")
        """When it was last seen that writes are taken, by the clock that only goes forward."""
        self._since = 0.0

    def failed(self, outcome: DatabaseOutcome, appends: int, *, since: float | None = None) -> None:
        """Note that appends were refused because of the database.

        Args:
            outcome: Why.
            appends: How many.
            since: When what has failed began, by the clock that only goes forward. It is no trouble
                when an append was taken after that, on another connection; None is now.
        """
        WRITES_REFUSED.labels(reason=outcome.reason).inc(appends)
        if since is not None and since < self.heard_at:
            return
        now = monotonic()
        if self.trouble is None:
            self._since = now
        # On a full disk small appends may be taken while large ones are refused.
        told_at = self._told_at.get(outcome.reason, float("-inf"))
        if outcome.reason not in self._told and now - told_at >= _SAID_AGAIN_AFTER:
            self._told.add(outcome.reason)
            self._told_at[outcome.reason] = now
            _logger.error("writes are refused (%s): %s", outcome.reason, outcome.sentence)
        self.trouble = outcome

    def succeeded(self) -> None:
        """Note that something was committed."""
        self.heard()
        if self._told:
            seconds = monotonic() - self._since
            _logger.warning("writes are taken again after %.1f s", seconds)
            self._told.clear()
        self.trouble = None

    def heard(self) -> None:
        """Note that an append would be taken, though none was committed."""
        self.heard_at = monotonic()
