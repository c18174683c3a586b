"""One writer: takes a batch to the database until every append in it has an answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import psycopg
from psycopg import AsyncConnection, AsyncCursor

from application.errors import OutcomeUnknown
from domain.errors import LogDamaged
from infrastructure.metrics import APPEND_BATCH, APPENDS, CONFLICTS, EVENTS_APPENDED
from infrastructure.postgres import sql
from infrastructure.postgres.connecting.outcomes import (
    LOST,
    DatabaseOutcome,
    outcome_of,
    unavailable,
)
from infrastructure.postgres.writing.batch import arguments
from infrastructure.postgres.writing.commit_judge import PendingAppend, judge, refuse
from infrastructure.postgres.writing.rehearsal import rehearse
from infrastructure.postgres.writing.write_health import WriteHealth
from infrastructure.postgres.writing.writer_connection import Connect, WriterConnection

_STATEMENTS = sql.load("log")

_PAUSE = 0.05
_RECONNECT_PAUSE = 0.1
_REHEARSALS = 2
"""How often an append is tried before it is said that none is taken: a connection may have died."""

Committed = Callable[[int], None]


_CONTRADICTION = (
    "what is to be added, or what the store keeps of the session, contradicts itself;"
    " `cairn verify SESSION` says whether it is the store"
)


@dataclass(slots=True, eq=False)
class Batch:
    """Appends that are written together.

    Args:
        appends: Those without an answer.
        is_sent: They were sent, and the database has not said what became of them.
    """

    appends: list[PendingAppend]
    is_sent: bool = False

    def leave_out_the_answered(self) -> None:
        """Forget the appends whose callers have been answered meanwhile, or have gone."""
        self.appends = [one for one in self.appends if not one.done.done()]


class BatchWriter:
    """Writes one batch at a time on a connection of its own.

    Args:
        connect: Opens a connection in autocommit mode.
        committed: Called with the newest position after each commit.
        health: Hears of every refusal by the database, and of every commit.
        seconds: How long one attempt may take.
        silent: Called when the database has not answered an attempt in time.
    """

    def __init__(
        self,
        connect: Connect,
        committed: Committed,
        health: WriteHealth,
        seconds: float,
        silent: Callable[[], None] = lambda: None,
    ) -> None:
        self._writer = WriterConnection(connect, seconds)
        self._committed = committed
        self._health = health
        self._silent = silent
        self._cursor: AsyncCursor | None = None
        self.batches: set[Batch] = set()
        """What is on its way."""

    async def close(self) -> None:
        """Close the connection."""
        await self._writer.close()

    def distrust(self) -> None:
        """Open a new connection before the next batch: another one has gone silent."""
        self._writer.distrust()

    async def is_open(self) -> bool:
        """Return whether there is a connection; open one if need be, or pause."""
        return await self._opened() is not None

    async def _opened(self) -> AsyncConnection | None:
        """Return the connection; None, after a pause, when there is none to be had."""
        began = monotonic()
        try:
            return await self._writer.open()
        except (psycopg.Error, OSError) as error:
            self._health.failed(outcome_of(error) or LOST, 0, since=began)
            await asyncio.sleep(_RECONNECT_PAUSE)
            return None

    async def rehearse(self) -> None:
        """Try an append and take it back, so that what stands in the way of the next is known."""
        outcome = LOST
        for _ in range(_REHEARSALS):
            connection = await self._opened()
            if connection is None:
                return
            try:
                await self._writer.within(rehearse(connection))
            except (psycopg.Error, OSError) as error:
                if isinstance(error, TimeoutError):
                    self._silent()
                found = outcome_of(error)
                if found is None or found.reaction == "retry":
                    return
                outcome = found
                if outcome.reaction == "refuse":
                    break
                self._writer.leave()
            else:
                self._health.heard()
                return
        self._health.failed(outcome, 0)

    async def settle(self, appends: list[PendingAppend]) -> None:
        """Write appends until each is written or refused, or its caller has been answered."""
        batch = Batch(appends)
        self.batches.add(batch)
        try:
            while batch.appends:
                connection = await self._opened()
                if connection is not None:
                    await self._attempt(connection, batch)
                batch.leave_out_the_answered()
        except asyncio.CancelledError:
            refuse(batch.appends, OutcomeUnknown())
            raise
        except Exception as unforeseen:  # noqa: BLE001 - one bad append must not end the writer
            appends, batch.appends = batch.appends, []
            if len(appends) == 1:
                refuse(appends, unforeseen)
            else:
                for one in appends:
                    await self.settle([one])
        finally:
            self.batches.discard(batch)

    async def _attempt(self, connection: AsyncConnection, batch: Batch) -> None:
        """Write a batch once; what is still to be settled stays in it."""
        try:
            if batch.is_sent:
                await self._judge(connection, batch)
            await self._send_until_nothing_conflicts(connection, batch)
        except (psycopg.Error, OSError) as error:
            if isinstance(error, TimeoutError):
                self._silent()
            outcome = outcome_of(error)
            if outcome is None:
                raise
            await self._react(outcome, batch)

    async def _react(self, outcome: DatabaseOutcome, batch: Batch) -> None:
        match outcome.reaction:
            case "refuse" | "leave" if not batch.is_sent:
                self._health.failed(outcome, len(batch.appends))
                refuse(batch.appends, unavailable(outcome))
                batch.appends = []
            case "reconnect":
                self._writer.leave()
            case _:
                pass
        if outcome.reaction == "leave":
            self._writer.leave()
        await asyncio.sleep(_PAUSE)

    async def _send_until_nothing_conflicts(
        self, connection: AsyncConnection, batch: Batch
    ) -> None:
        is_doubtful = False
        while batch.appends:
            if await self._is_written(connection, batch):
                return
            CONFLICTS.inc()
            many = len(batch.appends)
            await self._judge(connection, batch)
            if is_doubtful and len(batch.appends) == many:
                # Nothing stored is in its way, twice: the batch contradicts itself.
                raise LogDamaged(_CONTRADICTION)
            is_doubtful = len(batch.appends) == many

    async def _is_written(self, connection: AsyncConnection, batch: Batch) -> bool:
        """Send a batch, and return whether nothing was in its way."""
        # Whoever was told that nothing is stored must not be written: nothing is waited for between
        # this and the sending.
        batch.leave_out_the_answered()
        if not batch.appends:
            return True
        if self._cursor is None or self._cursor.connection is not connection:
            # Kept for as long as the connection: a new one looks for all dumpers again.
            self._cursor = connection.cursor(binary=True)
        cursor = self._cursor
        flat = [one for waiting in batch.appends for one in waiting.streams]
        batch.is_sent = True
        try:
            await self._writer.within(cursor.execute(_STATEMENTS["append"], arguments(flat)))
        except psycopg.Error as error:
            outcome = outcome_of(error)
            # What the server answered, it did not store.
            batch.is_sent = outcome is not None and outcome.reaction == "reconnect"
            raise
        row = await cursor.fetchone()
        base: int | None = row[0] if row else None
        if base is None:
            batch.is_sent = False
            return False
        position = base
        for waiting in batch.appends:
            if not waiting.done.done():
                waiting.done.set_result(position + len(waiting.streams[0].events))
            position += waiting.events
        APPENDS.inc(len(batch.appends))
        batch.appends = []
        EVENTS_APPENDED.inc(position - base)
        APPEND_BATCH.observe(position - base)
        self._health.succeeded()
        self._committed(position)
        return True

    async def _judge(self, connection: AsyncConnection, batch: Batch) -> None:
        """Keep of a batch what is neither stored nor in conflict with what is stored."""
        verdict = await self._writer.within(judge(connection.cursor(binary=True), batch.appends))
        batch.appends, batch.is_sent = verdict.innocent, False
        if verdict.newest:
            self._committed(verdict.newest)
