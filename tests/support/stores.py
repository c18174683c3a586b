"""The store on Postgres as the program puts it together, less what is not needed to test it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from application.ports import Store
from infrastructure.clock import SystemClock
from infrastructure.codec import JsonCodec
from infrastructure.database import Database
from infrastructure.group_commit import Limits
from infrastructure.memory import Silence
from infrastructure.postgres_deadlines import PostgresDeadlines
from infrastructure.postgres_leases import PostgresLeases, PostgresPresence
from infrastructure.postgres_log import PostgresEventLog
from infrastructure.postgres_read_models import (
    PostgresReadModels,
    PostgresSnapshots,
    store_identity,
)


@asynccontextmanager
async def open_postgres_store(
    url: str, committed: Callable[[int], None] = lambda _: None, limits: Limits | None = None
) -> AsyncIterator[Store]:
    """Open the store of a database, and close it again."""
    database = Database(url, readers=4)
    await database.open()
    log = PostgresEventLog(database, committed, limits=limits)
    await log.start()
    try:
        yield Store(
            identity=await store_identity(database),
            log=log,
            read_models=PostgresReadModels(database),
            deadlines=PostgresDeadlines(database),
            leases=PostgresLeases(database),
            presence=PostgresPresence(database),
            snapshots=PostgresSnapshots(database),
            codec=JsonCodec(),
            clock=SystemClock(),
            announcer=Silence(),
        )
    finally:
        await log.stop()
        await database.close()


@contextmanager
def no_task_left() -> Iterator[None]:
    """Fail when what ran in here leaves tasks behind."""
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if not _is_of_anyio(task)]
    assert not left, f"tasks were left behind: {left}"


def _is_of_anyio(task: asyncio.Task[object]) -> bool:
    return getattr(task.get_coro(), "__qualname__", "").startswith("TestRunner.")
