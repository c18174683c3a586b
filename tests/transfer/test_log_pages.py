"""Logs that are longer than a page of an export."""

import re
from collections.abc import Sequence
from uuid import UUID

import pytest

from application.ports.log.event_log import EventLog
from application.reads.streams.wire import record_json
from application.transfer.exporting import log_pages
from application.transfer.exporting.log_pages import LogPages
from domain.errors import Erased
from domain.log.erased_records import left_of
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from tests.support.appends import Chain

PAGE = 3


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def store(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    monkeypatch.setattr(log_pages, "_JOINED", PAGE)
    monkeypatch.setattr(log_pages, "_PAGE", PAGE)
    return MemoryStore(tables=tables)


async def pages_of(log: EventLog, log_id: UUID) -> Sequence[bytes]:
    pages = LogPages(log)
    opened = await pages.opened(log_id)
    assert opened is not None
    return [opened.lines, *([one async for one in pages.rest(log_id, opened)])]


@pytest.mark.parametrize("events", range(1, 3 * PAGE + 2))
@pytest.mark.parametrize("long", [None, 1, 2, PAGE, PAGE + 1, 2 * PAGE])
async def test_pages_have_each_event_once(
    events: int, long: int | None, store: MemoryStore
) -> None:
    chain = Chain()
    for number in range(1, events + 1):
        await store.log.append(chain.next(1, text="x" * 9000 if number == long else ""))
    stored = await store.log.read(chain.session_id, limit=100)

    pages = await pages_of(store.log, chain.session_id)
    assert b"".join(pages) == b"".join(record_json(one) + b"\n" for one in stored)
    assert len([one for one in pages if one]) == -(-events // PAGE)


async def test_what_is_said_to_be_erased_is_in_no_page(store: MemoryStore) -> None:
    chain = Chain()
    await store.log.append(chain.next(3 * PAGE, text="a secret"))
    await store.log.append(chain.next(["session.erased", "note", "note"]))
    assert b"secret" in (await store.log.read(chain.session_id, limit=1))[0].record

    pages = await pages_of(store.log, chain.session_id)
    assert b"secret" not in b"".join(pages)
    numbers = re.findall(rb'"sequence":(\d+)', b"".join(pages))
    assert [int(one) for one in numbers] == list(range(1, 3 * PAGE + 4))


async def test_a_log_that_is_erased_on_the_way_must_be_opened_anew(
    store: MemoryStore, tables: Tables
) -> None:
    chain = Chain()
    await store.log.append(chain.next(3 * PAGE))
    pages = LogPages(store.log)
    opened = await pages.opened(chain.session_id)
    assert opened is not None
    tables.logs[chain.session_id] = [
        one._replace(record=left_of(one.record, one.type, None))
        for one in tables.logs[chain.session_id]
    ]

    with pytest.raises(Erased):
        [one async for one in pages.rest(chain.session_id, opened)]


async def test_a_page_that_is_full_by_its_bytes_is_not_the_last(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_pages, "_PAGE_BYTES", 9000)
    chain = Chain()
    await store.log.append(chain.next(2, text="x" * 9000))

    first, second = await pages_of(store.log, chain.session_id)
    assert (first.count(b"\n"), second.count(b"\n")) == (1, 1)
