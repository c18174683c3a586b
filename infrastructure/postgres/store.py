"""The store on Postgres, put together in one place for the server, the tests and the benchmarks."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from application.fan_out import FanOut
from application.ports.store import Store
from infrastructure.null_announcer import NullAnnouncer
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.connecting.database_clock import DatabaseClock
from infrastructure.postgres.connecting.listener import Listener
from infrastructure.postgres.connecting.store_watch import identify
from infrastructure.postgres.log.event_log import PostgresEventLog
from infrastructure.postgres.session.artifacts import PostgresArtifacts
from infrastructure.postgres.session.blobs import PostgresBlobs
from infrastructure.postgres.session.deadlines import PostgresDeadlines
from infrastructure.postgres.session.idempotency import PostgresIdempotencyKeys
from infrastructure.postgres.session.leases import PostgresLeases, PostgresPresence
from infrastructure.postgres.session.partials import PostgresPartials
from infrastructure.postgres.session.session_rows import PostgresSessionRows
from infrastructure.postgres.session.shared_state import PostgresSharedState
from infrastructure.postgres.session.snapshots import PostgresSnapshots
from infrastructure.postgres.writing.batch_writer import Committed
from infrastructure.postgres.writing.group_commit import CommitLimits
from infrastructure.records.codec import JsonCodec


@dataclass(frozen=True, slots=True)
class PostgresStore(Store):
    """An open store, and what it stands on.

    Args:
        database: For what else is kept there.
        log: The same log as `Store.log`, with what only Postgres can say of it.
        clock: The same clock as `Store.clock`.
    """

    database: Database
    log: PostgresEventLog
    clock: DatabaseClock


@asynccontextmanager
async def open_store(
    url: str,
    *,
    fan_out: FanOut | None = None,
    committed: Committed = lambda _: None,
    readers: int = 4,
    limits: CommitLimits | None = None,
) -> AsyncGenerator[PostgresStore]:
    """Open the store of a database, and close it when nothing waits to be written any more.

    Args:
        url: The database, up to date.
        fan_out: Hears of what this process and all others write, and the others hear of this one.
        committed: Without a fan_out, called with each newest position that this process commits.
        readers: How many connections read.
        limits: How much may wait to be written, and how long; reads wait as long.
    """
    limits = limits or CommitLimits()
    database = Database(url, readers=readers, patience=limits.patience)
    beside = Database(url, readers=1, patience=limits.patience, name="cairn partials", kept=0)
    for_bytes = Database(url, readers=2, patience=limits.patience, name="cairn blobs", kept=0)
    listener = None if fan_out is None else Listener(database, fan_out)
    log = PostgresEventLog(
        database, committed if listener is None else listener.announce, limits=limits
    )
    async with AsyncExitStack() as closing:
        closing.push_async_callback(database.close)
        await database.open()
        clock = DatabaseClock(database)
        await clock.start()
        closing.push_async_callback(clock.stop)
        closing.push_async_callback(beside.close)
        await beside.open()
        closing.push_async_callback(for_bytes.close)
        await for_bytes.open()
        if listener is not None:
            # It goes on for as long as the log has something to tell the others.
            closing.push_async_callback(listener.stop)
        await log.start()
        closing.push_async_callback(log.stop)
        if listener is not None:
            await listener.start(log)
        yield PostgresStore(
            identity=await identify(database),
            log=log,
            session_rows=PostgresSessionRows(database),
            idempotency_keys=PostgresIdempotencyKeys(database),
            shared_state=PostgresSharedState(database),
            deadlines=PostgresDeadlines(database),
            leases=PostgresLeases(database),
            presence=PostgresPresence(database),
            snapshots=PostgresSnapshots(database),
            partials=PostgresPartials(database, beside),
            artifacts=PostgresArtifacts(database),
            blobs=PostgresBlobs(database, for_bytes),
            codec=JsonCodec(),
            clock=clock,
            announcer=listener or NullAnnouncer(),
            database=database,
        )
