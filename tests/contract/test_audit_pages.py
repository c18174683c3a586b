"""What one look of an auditor takes: a page of so many bytes, and so much of the log."""

from collections.abc import Sequence

import pytest

from application.ports.log.audit import AuditFilter
from application.ports.log.events import EventFilter, OwnedPage
from application.reads.evidence.audit import AuditFeed
from application.reads.streams.stream_items import PAGE_BYTES
from infrastructure.postgres.log import audit
from infrastructure.postgres.log.audit import PostgresAuditEvents
from infrastructure.postgres.store import PostgresStore
from tests.support.appends import Chain, row

EVENTS = 12
LARGE = 200_000
EVERYTHING = AuditFilter(events=EventFilter())
LONGEST_AGO = AuditFilter(events=EventFilter(), text="number 1;")
NOTHING = AuditFilter(events=EventFilter(), text="what nobody has said")


@pytest.fixture
async def chain(postgres_store: PostgresStore) -> Chain:
    chain = Chain()
    for number in range(1, EVENTS + 1):
        text = f"number {number};" + "x" * LARGE
        append = chain.next(1, row=row() if number == 1 else None, text=text)
        await postgres_store.log.append(append)
    return chain


async def read(
    store: PostgresStore, wanted: AuditFilter, after: int = 0, limit: int = 100, most: int = 1 << 30
) -> OwnedPage:
    events = PostgresAuditEvents(store.database)
    return await events.read(wanted, after=after, upto=EVENTS, limit=limit, most_bytes=most)


def positions(page: OwnedPage) -> Sequence[int]:
    return [one.stored.position for one in page.events]


async def test_a_page_ends_with_the_event_that_fills_it(
    postgres_store: PostgresStore, chain: Chain
) -> None:
    page = await read(postgres_store, EVERYTHING, most=2 * LARGE)
    assert (positions(page), page.reached) == ([1, 2], 2)
    page = await read(postgres_store, EVERYTHING, after=10, most=2 * LARGE)
    assert (positions(page), page.reached) == ([11, 12], 12)
    page = await read(postgres_store, EVERYTHING, limit=3)
    assert (positions(page), page.reached) == ([1, 2, 3], 3)
    page = await read(postgres_store, EVERYTHING)
    assert (positions(page), page.reached) == ([*range(1, EVENTS + 1)], EVENTS)
    of_session = AuditFilter(events=EventFilter(), session=chain.session_id)
    page = await read(postgres_store, of_session, after=4, most=1)
    assert (positions(page), page.reached) == ([5], 5)


async def test_a_search_stops_after_so_much_of_the_log_and_goes_on_from_there(
    postgres_store: PostgresStore, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chain.sequence == EVENTS
    monkeypatch.setattr(audit, "_LOOKED_BYTES", 3 * LARGE)
    page = await read(postgres_store, NOTHING)
    assert (positions(page), page.reached) == ([], 3)
    page = await read(postgres_store, NOTHING, after=10)
    assert (positions(page), page.reached) == ([], EVENTS)
    page = await read(postgres_store, LONGEST_AGO)
    assert (positions(page), page.reached) == ([1], 3)
    monkeypatch.setattr(audit, "_LOOKS", 2)
    page = await read(postgres_store, NOTHING)
    assert (positions(page), page.reached) == ([], 2)
    # One that fills the page hides no other before the place where the look ended.
    page = await read(postgres_store, LONGEST_AGO, most=1)
    assert (positions(page), page.reached) == ([1], 1)


async def test_all_there_are_come_in_pages_of_bytes(
    postgres_store: PostgresStore, chain: Chain
) -> None:
    feed = AuditFeed(postgres_store.log, PostgresAuditEvents(postgres_store.database))
    sizes, found = list[int](), 0
    async for page in feed.all(EVERYTHING, 0):
        sizes.append(sum(len(one.stored.record) for one in page))
        found += len(page)
    assert found == chain.sequence
    assert max(sizes) < PAGE_BYTES + 2 * LARGE
    assert len(sizes) > 1
