"""Whether writes can be committed now, as the writers see it."""

import logging
from time import monotonic

from infrastructure.metrics import WRITES_REFUSED
from infrastructure.postgres.connecting.outcomes import Outcome

_logger = logging.getLogger("cairn.store")


class WriteHealth:
    """What stands in the way of writes; told to the log once, when it begins and when it ends."""

    def __init__(self) -> None:
        self.trouble: Outcome | None = None
        """Why writes are refused now; None while they are not."""
        self._since = 0.0

    def failed(self, outcome: Outcome, appends: int) -> None:
        """Note that appends were refused because of the database.

        Args:
            outcome: Why.
            appends: How many.
        """
        WRITES_REFUSED.labels(reason=outcome.reason).inc(appends)
        if self.trouble is None:
            self._since = monotonic()
        if self.trouble is None or self.trouble.reason != outcome.reason:
            _logger.error("writes are refused (%s): %s", outcome.reason, outcome.sentence)
        self.trouble = outcome

    def succeeded(self) -> None:
        """Note that something was committed."""
        if self.trouble is not None:
            seconds = monotonic() - self._since
            _logger.warning("writes are taken again after %.1f s", seconds)
            self.trouble = None
