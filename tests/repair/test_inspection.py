"""A log is read ahead while it is looked at, and whoever stops early leaves nothing behind."""

import asyncio
from contextlib import aclosing
from uuid import UUID

import pytest

from infrastructure.postgres.log import inspection
from infrastructure.postgres.log.inspection import PostgresInspector
from infrastructure.postgres.store import open_store
from tests.support.api import SessionApi


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8])
async def test_pages_of_any_size_come_to_the_whole_log(
    size: int, session: SessionApi, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_AT_ONCE", size)

    async with open_store(database_url) as store:
        inspector = PostgresInspector(store.database)
        async with (
            inspector.look_at(UUID(session.id)) as looking,
            aclosing(looking.events()) as pages,
        ):
            found = [row[0] async for page in pages for row in page]

    assert found == [1, 2, 3, 4, 5, 6, 7]


async def test_whoever_stops_early_leaves_no_read_behind(
    session: SessionApi, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_AT_ONCE", 2)

    async with open_store(database_url) as store:
        inspector = PostgresInspector(store.database)
        async with inspector.look_at(UUID(session.id)) as looking:
            before = asyncio.all_tasks()
            async with aclosing(looking.events()) as pages:
                first = await anext(pages)
                assert asyncio.all_tasks() - before
            assert asyncio.all_tasks() <= before
            row = await looking.row()

    assert [placed[0] for placed in first] == [1, 2]
    assert row is not None
    assert row.sequence == 7
