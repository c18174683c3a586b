"""Where a page of events ends that is bounded by number and by bytes."""

from collections.abc import Sequence
from itertools import accumulate

from application.ports.log.events import StoredEvent


def within(events: Sequence[StoredEvent], most_bytes: int) -> Sequence[StoredEvent]:
    """Return the first events, up to the one whose record reaches so many bytes in all.

    Args:
        events: In order.
        most_bytes: At least 1.
    """
    sizes = accumulate((len(event.record) for event in events), initial=0)
    return [event for event, before in zip(events, sizes, strict=False) if before < most_bytes]


def is_full(events: Sequence[StoredEvent], limit: int, most_bytes: int) -> bool:
    """Return whether a page ends because it is full.

    Args:
        events: Of the page.
        limit: The most events.
        most_bytes: As of `within`.
    """
    size = sum(len(event.record) for event in events)
    return bool(events) and (len(events) == limit or size >= most_bytes)
