"""When a delivery that failed is tried again, and the other times of deliveries."""

from dataclasses import dataclass
from random import SystemRandom

_chance = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How deliveries go.

    Args:
        attempts: How often a batch is tried before it is given up.
        first: Seconds until the second attempt; twice as many until each next one.
        longest: The most seconds between two attempts.
        jitter: By which part these vary.
        pace: The least seconds between two looks at a log that grows: what comes meanwhile
            goes into one batch.
        lazily: Seconds after which a checkpoint is written that no delivery has moved.
        look: Seconds after which the webhooks are read anew although nobody said they changed.
        after_error: Seconds until the next try when the store is away, or something unforeseen.
        patience: Seconds that deliveries under way are given when this process lets go.
    """

    attempts: int = 12
    first: float = 1.0
    longest: float = 600.0
    jitter: float = 0.2
    pace: float = 0.1
    lazily: float = 5.0
    look: float = 60.0
    after_error: float = 1.0
    patience: float = 0.5

    def delay(self, failed: int, asked: float = 0.0) -> float:
        """Return the seconds to wait.

        Args:
            failed: How often it has failed, 1 or more.
            asked: What the receiver asked for.
        """
        delay = self.first * 2.0 ** min(failed - 1, 30)
        varied = delay * _chance.uniform(1 - self.jitter, 1 + self.jitter)
        return min(max(varied, self.first, asked), self.longest)
