"""Pages of wanted events with their owners: where each ends, and how far it has looked."""

from collections.abc import Sequence

import pytest

from application.ports.log.events import EventFilter
from application.ports.store import Store
from tests.support.appends import Chain, row


async def pages(
    store: Store,
    *,
    limit: int = 500,
    most_bytes: int = 1024 * 1024,
    wanted: EventFilter | None = None,
) -> Sequence[Sequence[int]]:
    """Return the positions of each page, one after the other, up to the end of the log."""
    found: list[list[int]] = []
    head, reached = await store.log.head(), 0
    while reached < head:
        page = await store.log.read_owned(
            after=reached,
            upto=head,
            limit=limit,
            most_bytes=most_bytes,
            wanted=wanted or EventFilter(),
        )
        found.append([event.stored.position for event in page.events])
        assert page.reached > reached
        reached = page.reached
    return found


async def test_a_page_ends_where_it_has_so_many_events(store: Store) -> None:
    await store.log.append(Chain().next(7))
    assert await pages(store, limit=3) == [[1, 2, 3], [4, 5, 6], [7]]


async def test_a_page_ends_where_it_has_so_many_bytes(store: Store) -> None:
    await store.log.append(Chain().next(5, text="x" * 1000))
    assert await pages(store, most_bytes=1500) == [[1, 2], [3, 4], [5]]


async def test_a_large_record_that_cannot_be_read_hides_no_event_after_it(store: Store) -> None:
    damaged = Chain().next(5)
    damaged.events = [
        event._replace(record=b"x" * 2000) if number == 1 else event
        for number, event in enumerate(damaged.events)
    ]
    await store.log.append(damaged)
    assert await pages(store, most_bytes=1500) == [[1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("wanted", "positions"),
    [
        (EventFilter(types=("turn.*",)), [2, 4, 6]),
        (EventFilter(types=("message.added", "turn.ended")), [3, 4]),
        (EventFilter(app="bank"), [5, 6]),
        (EventFilter(user="ada"), [1, 2, 3, 4]),
        (EventFilter(types=("turn.*",), app="shop", user="ada"), [2, 4]),
        (EventFilter(types=("input.*",)), []),
    ],
)
async def test_a_filter_lets_through_what_is_wanted_and_the_page_reaches_beyond_the_rest(
    store: Store, wanted: EventFilter, positions: list[int]
) -> None:
    types = ["session.created", "turn.started", "message.added", "turn.ended"]
    await store.log.append(Chain().next(types))
    await store.log.append(Chain().next(types[:2], row=row(app="bank", user="bob")))

    assert await pages(store, wanted=wanted) == [positions]
