"""The store on Postgres, put together in one place for the server, the tests and the benchmarks."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from application.fan_out import FanOut
from application.ports.store import Store
from infrastructure.clock import SystemClock
from infrastructure.codec import JsonCodec
from infrastructure.null_announcer import NullAnnouncer
from infrastructure.postgres.batch_writer import Committed
from infrastructure.postgres.database import Database
from infrastructure.postgres.deadlines import PostgresDeadlines
from infrastructure.postgres.group_commit import CommitLimits
from infrastructure.postgres.leases import PostgresLeases, PostgresPresence
from infrastructure.postgres.listener import Listener
from infrastructure.postgres.log import PostgresEventLog
from infrastructure.postgres.read_models import (
    PostgresReadModels,
    PostgresSnapshots,
    store_identity,
)


@dataclass(frozen=True, slots=True)
class PostgresStore(Store):
    """An open store, and what it stands on.

    Args:
        database: For what else is kept there.
        log: The same log as `Store.log`, with what only Postgres can say of it.
    """

    database: Database
    log: PostgresEventLog


@asynccontextmanager
async def open_store(
    url: str,
    *,
    hub: FanOut | None = None,
    committed: Committed = lambda _: None,
    readers: int = 4,
    limits: CommitLimits | None = None,
) -> AsyncGenerator[PostgresStore]:
    """Open the store of a database, and close it when nothing waits to be written any more.

    Args:
        url: The database, up to date.
        hub: Hears of what this process and all others write, and the others hear of this one.
        committed: Without a hub, called with each newest position that this process commits.
        readers: How many connections read.
        limits: How much may wait to be written, and how long; reads wait as long.
    """
    limits = limits or CommitLimits()
    database = Database(url, readers=readers, patience=limits.patience)
    listener = None if hub is None else Listener(database, hub)
    log = PostgresEventLog(
        database, committed if listener is None else listener.announce, limits=limits
    )
    async with AsyncExitStack() as closing:
        closing.push_async_callback(database.close)
        await database.open()
        if listener is not None:
            # It goes on for as long as the log has something to tell the others.
            closing.push_async_callback(listener.stop)
        await log.start()
        closing.push_async_callback(log.stop)
        if listener is not None:
            await listener.start(log)
        yield PostgresStore(
            identity=await store_identity(database),
            log=log,
            read_models=PostgresReadModels(database),
            deadlines=PostgresDeadlines(database),
            leases=PostgresLeases(database),
            presence=PostgresPresence(database),
            snapshots=PostgresSnapshots(database),
            codec=JsonCodec(),
            clock=SystemClock(),
            announcer=listener or NullAnnouncer(),
            database=database,
        )
