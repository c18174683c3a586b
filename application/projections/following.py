"""Following the log from a durable checkpoint: each wanted event has its effect exactly once.

```
checkpoint -> read the next batch (by count and bytes) -> [ effect + checkpoint ] in one transaction
```

A crash between the two leaves neither, and two copies of one follower cannot both move the
checkpoint. What has effects outside the store (a webhook) reads batches in the same way, and
delivers at least once.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from application.ports.log.checkpoints import Checkpoints
from application.ports.log.event_log import EventLog
from application.ports.log.events import EventFilter, OwnedEvent, OwnedPage

TransactionT = TypeVar("TransactionT")

SCANNED = 10_000
"""The most positions that one read looks through, however few events are wanted."""

Effect = Callable[[TransactionT, Sequence[OwnedEvent]], Awaitable[None]]
"""Writes what follows from a batch, through the transaction that moves the checkpoint."""


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How much one batch takes.

    Args:
        events: The most events.
        most_bytes: A batch ends with the event whose record reaches so many bytes in all.
    """

    events: int = 500
    most_bytes: int = 1024 * 1024


def take_batch(events: Iterable[OwnedEvent], size: BatchSize, reached: int) -> OwnedPage:
    """Return as many events as one batch takes.

    Args:
        events: Wanted events in order of position.
        size: How many.
        reached: The position up to which these are all wanted events.
    """
    taken: list[OwnedEvent] = []
    size_so_far = 0
    for event in events:
        taken.append(event)
        size_so_far += len(event.stored.record)
        if len(taken) == size.events or size_so_far >= size.most_bytes:
            return OwnedPage(taken, event.stored.position)
    return OwnedPage(taken, reached)


class Follower(Generic[TransactionT]):
    """Gives each wanted event to an effect, in order of position, exactly once.

    Args:
        consumer: The name of its checkpoint, the same one in every process.
        log: What it follows.
        checkpoints: Where its position is kept.
        effect: Writes what follows from a batch, which is never empty.
        wanted: Which events; the checkpoint passes over the others.
        size: How much one batch takes.
    """

    def __init__(
        self,
        consumer: str,
        log: EventLog,
        checkpoints: Checkpoints[TransactionT],
        effect: Effect[TransactionT],
        *,
        wanted: EventFilter | None = None,
        size: BatchSize | None = None,
    ) -> None:
        self.consumer = consumer
        self._log = log
        self._checkpoints = checkpoints
        self._effect = effect
        self._wanted = wanted or EventFilter()
        self._size = size or BatchSize()

    async def step(self, head: int) -> int:
        """Take one batch, and return the position that is reached.

        Args:
            head: The position up to which to follow, at most the newest one.

        Raises:
            StoreUnavailable: The store was lost; the next step goes on from the checkpoint.
        """
        after = await self._checkpoints.position(self.consumer)
        if after >= head:
            return after
        batch = await self._log.read_owned(
            after=after,
            upto=min(head, after + SCANNED),
            limit=self._size.events,
            most_bytes=self._size.most_bytes,
            wanted=self._wanted,
        )
        moved = await self._checkpoints.move(
            self.consumer,
            after=after,
            upto=batch.reached,
            effect=partial(self._apply, events=batch.events),
        )
        # When it has not moved, another copy has, and the next step begins where that one is.
        return batch.reached if moved else after

    async def catch_up(self, head: int) -> int:
        """Take batches until a position is reached, and return the one that is.

        Args:
            head: The position up to which to follow, at most the newest one.

        Raises:
            StoreUnavailable: The store was lost; the next call goes on from the checkpoint.
        """
        while (reached := await self.step(head)) < head:
            pass
        return reached

    async def _apply(self, transaction: TransactionT, events: Sequence[OwnedEvent]) -> None:
        if events:
            await self._effect(transaction, events)
