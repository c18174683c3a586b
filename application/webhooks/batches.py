"""What one delivery takes: the next batch of a webhook, the one it has begun, a dead letter's."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from application.ports.log.events import OwnedEvent, OwnedPage
from application.ports.log.whole_log import WholeLog
from application.ports.webhooks.dead_letters import DeadLetter
from application.ports.webhooks.webhook import Webhook
from application.reads.streams.stream_items import PAGE_BYTES, SCANNED
from application.webhooks.newest import Newest


def take_batch(events: Iterable[OwnedEvent], most: int, reached: int) -> OwnedPage:
    """Return as many events as one delivery takes.

    Args:
        events: Wanted events in order of position.
        most: How many.
        reached: The position up to which these are all wanted events.
    """
    taken: list[OwnedEvent] = []
    size = 0
    for event in events:
        taken.append(event)
        size += len(event.stored.record)
        if len(taken) == most or size >= PAGE_BYTES:
            return OwnedPage(taken, event.stored.position)
    return OwnedPage(taken, reached)


class BatchReader:
    """Reads the batches of all webhooks.

    Args:
        log: Where the events are.
        newest: The newest of them, in memory.
    """

    def __init__(self, log: WholeLog, newest: Newest) -> None:
        self._log = log
        self._newest = newest

    async def next_batch(self, webhook: Webhook, after: int, end: int) -> OwnedPage:
        """Return the next batch: from memory, unless the webhook is behind or replays.

        Args:
            webhook: For whom.
            after: The position after which it begins.
            end: The position beyond which it does not go.
        """
        near = None
        if webhook.replay_upto is None:
            near = await self._newest.after(after, end)
        if near is None:
            return await self.between(webhook, after, min(end, after + SCANNED))
        events, reached = near
        return take_batch(filter(webhook.wanted.takes, events), webhook.batch, reached)

    async def between(self, webhook: Webhook, after: int, upto: int) -> OwnedPage:
        """Return the batch between two positions, read from the log.

        Args:
            webhook: For whom.
            after: Exclusive.
            upto: Inclusive; a batch that is full ends sooner.
        """
        return await self._log.read_owned(
            after=after,
            upto=upto,
            limit=webhook.batch,
            most_bytes=PAGE_BYTES,
            wanted=webhook.wanted,
        )

    async def without_erased(self, events: Sequence[OwnedEvent]) -> Sequence[OwnedEvent]:
        """Return a batch with what is left of those that were erased since it was read.

        Args:
            events: In order of position.
        """
        left = await self._log.left_of_erased([event.stored.position for event in events])
        if not left:
            return events
        return [
            event._replace(
                stored=event.stored._replace(
                    record=left.get(event.stored.position, event.stored.record)
                )
            )
            for event in events
        ]

    async def of_dead_letter(self, webhook: Webhook, dead: DeadLetter) -> Sequence[OwnedEvent]:
        """Return the batch that was given up, with the types that were wanted then."""
        wanted = replace(webhook.wanted, types=dead.types)
        given_up = replace(webhook, wanted=wanted, batch=dead.events)
        return (await self.between(given_up, dead.after, dead.upto)).events
