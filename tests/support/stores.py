"""The store on Postgres as the program puts it together, less what is not needed to test it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from application.ports.store import Store
from infrastructure.clock import SystemClock
from infrastructure.codec import JsonCodec
from infrastructure.memory.store import NullAnnouncer
from infrastructure.postgres.database import Database
from infrastructure.postgres.deadlines import PostgresDeadlines
from infrastructure.postgres.group_commit import CommitLimits
from infrastructure.postgres.leases import PostgresLeases, PostgresPresence
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.read_models import (
    PostgresReadModels,
    PostgresSnapshots,
    store_identity,
)


@asynccontextmanager
async def open_postgres_store(
    url: str, committed: Callable[[int], None] = lambda _: None, limits: CommitLimits | None = None
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
            announcer=NullAnnouncer(),
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
